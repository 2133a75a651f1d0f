/** Parses, describes and searches contexts: "project:node", with "*" on either side. Pure. */

import type { Texts } from "../app/texts";
import type { NodeStatus } from "../live/messages";

export const EVERYTHING = "*:*";

export interface Context {
  project: string;
  node: string;
}

/** A project name may contain a colon, a node id cannot. */
export function parseContext(text: string): Context {
  const colon = text.lastIndexOf(":");
  return colon < 0 ? { project: "*", node: "*" } : { project: text.slice(0, colon), node: text.slice(colon + 1) };
}

export function contextOf(project: string, node: string): string {
  return `${project || "*"}:${node || "*"}`;
}

/** Whether a conversation about it can be started; `_check_context` of chat/store/conversations.py decides. */
export function contextExists(context: string, nodes: ReadonlyMap<string, NodeStatus>): boolean {
  const { project, node } = parseContext(context);
  // Without a known node, nothing can be sent.
  if (nodes.size === 0) return true;
  const chosen = node === "*" ? [...nodes.values()] : [nodes.get(node)].filter((found) => found !== undefined);
  return (
    chosen.length > 0 &&
    (project === "*" || chosen.some((one) => one.capabilities.projects?.some(({ name }) => name === project)))
  );
}

/** The nearest existing context: without the project, else everything. */
export function nearestContext(project: string, node: string, nodes: ReadonlyMap<string, NodeStatus>): string {
  return [contextOf(project, node), contextOf("", node)].find((context) => contextExists(context, nodes)) ?? EVERYTHING;
}

/** The meaning of the "*"; empty if there is none. */
export function inWords(context: string, texts: Texts): string {
  const { project, node } = parseContext(context);
  if (project === "*") return texts.get(node === "*" ? "chat.everything" : "chat.wholeNode");
  return node === "*" ? texts.get("chat.wholeProject") : "";
}

/** All words must occur. Exact matches first, then matching beginnings, else in the given order. */
export function findContexts(all: readonly string[], typed: string, limit: number): string[] {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  const scored = all.flatMap((context, order): [number, number, string][] => {
    const text = context.toLowerCase();
    if (!words.every((word) => text.includes(word))) return [];
    const whole = words.join(" ");
    const { project, node } = parseContext(text);
    const score =
      text === whole
        ? 3
        : node === whole || project === whole
          ? 2
          : text.startsWith(whole) || node.startsWith(whole)
            ? 1
            : 0;
    return [[score, order, context]];
  });
  return scored
    .sort((a, b) => b[0] - a[0] || a[1] - b[1])
    .slice(0, limit)
    .map(([, , context]) => context);
}

export const MAX_CHARACTERS = 32_000;
/** A frame has 64 KiB; leaves room for the rest of the message. */
const MAX_FRAME_BYTES = 63_000;

export function isTooLong(text: string): boolean {
  // A UTF-16 length is never smaller than the number of characters, so most texts need no counting.
  return text.length > MAX_CHARACTERS && [...text].length > MAX_CHARACTERS;
}

/** Whether it fits into a `/ws/` message; longer texts use REST. */
export function fitsFrame(text: string): boolean {
  return text.length * 6 <= MAX_FRAME_BYTES || new TextEncoder().encode(JSON.stringify(text)).length <= MAX_FRAME_BYTES;
}
