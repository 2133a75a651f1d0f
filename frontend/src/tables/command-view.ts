/** How a command is shown, computed from the command alone: no DOM. */

import { isOpen, type ShownCommand } from "../app/commands";
import type { Labels, Tone } from "../app/settings";
import type { Action } from "../live/messages";
import { inWords } from "./message-view";

export interface CommandView {
  tone: Tone;
  icon: string;
  what: string;
  state: string;
  reason: string;
  /** The node's own message, where nothing else explains the outcome. */
  said: string;
  /** The whole in one line. */
  text: string;
}

/** How long a task's row shows that a command succeeded, and that one failed. */
export const DONE_MS = 8_000;
const FAILED_MS = 600_000;

const LOOKS: Record<ShownCommand["state"], { tone: Tone; icon: string }> = {
  asked: { tone: "busy", icon: "loader" },
  pending: { tone: "busy", icon: "clock" },
  sent: { tone: "busy", icon: "send" },
  acked: { tone: "busy", icon: "loader" },
  succeeded: { tone: "good", icon: "circle-check" },
  failed: { tone: "bad", icon: "circle-x" },
  refused: { tone: "bad", icon: "ban" },
  expired: { tone: "warn", icon: "timer-off" },
  unknown: { tone: "warn", icon: "circle-help" },
  unanswered: { tone: "warn", icon: "circle-help" },
};

export function commandView(command: ShownCommand, labels: Labels): CommandView {
  const what = labels.actions[command.kind as Action]?.label ?? labels.start;
  const state = labels.commandStates[command.state];
  const message = inWords(command.message, command.messageParts, labels);
  const isKnown = Object.hasOwn(labels.reasons, command.code);
  const reason = command.state === "succeeded" && !isKnown ? "" : reasonOf(command.code, message, labels);
  const said = isKnown || message === reason ? "" : message;
  const parts = [`${what}: ${state}`, reason, command.actor].filter(Boolean);
  return { ...LOOKS[command.state], what, state, reason, said, text: parts.join(" · ") };
}

/** The command that a task's row shows: the newest one of a person, while it is recent. */
export function shownCommand(commands: readonly ShownCommand[], nowMs: number): ShownCommand | null {
  const newest = commands.find((command) => command.kind !== "start");
  if (!newest) return null;
  if (isOpen(newest)) return newest;
  const age = nowMs - (newest.changedAt ?? 0);
  return age < (newest.state === "succeeded" ? DONE_MS : FAILED_MS) ? newest : null;
}

/** In the reader's language if the code is known, otherwise the server's text. */
export function reasonOf(code: string, message: string, labels: Labels): string {
  const known = Object.hasOwn(labels.reasons, code) ? labels.reasons[code] : undefined;
  // A function, because a node's message may contain "$&".
  return known?.replace("{message}", () => message) ?? (message || code);
}
