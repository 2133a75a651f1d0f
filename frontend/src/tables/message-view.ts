/** Renders AgentFlow's own messages in the reader's language from their parts: no DOM. */

import type { Labels } from "../app/settings";
import { plain } from "../chat/markdown";
import type { AlertInfo, MessagePart } from "../live/messages";

/** The plain text if there are no parts, or if one has an unknown code. */
export function inWords(message: string, parts: readonly MessagePart[] | undefined, labels: Labels): string {
  if (!parts || parts.length === 0) return message;
  const sentences = parts.map((part) => sentence(part, labels.messageParts));
  return sentences.includes(null) ? message : sentences.join(labels.partSeparator);
}

function sentence({ code, values }: MessagePart, templates: Record<string, string>): string | null {
  const template = Object.hasOwn(templates, code) ? templates[code] : undefined;
  // In a single pass, because values may contain braces.
  return (
    template?.replace(/\{(\w+)\}/g, (whole, name: string) =>
      Object.hasOwn(values, name) ? (values[name] ?? whole) : whole,
    ) ?? null
  );
}

/** The task's name and, from the second attempt on, its number; the id if an earlier version stored no name. */
export function alertTask({ task, taskName, attempt = 0 }: Pick<AlertInfo, "task" | "taskName" | "attempt">): string {
  const name = plain(taskName || task);
  return attempt > 1 ? `${name} #${attempt}` : name;
}
