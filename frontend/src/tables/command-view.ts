/** What is said of a command, worked out from it alone: no DOM. */

import { isOpen, type ShownCommand } from "../app/commands";
import type { Tone, Words } from "../app/settings";
import type { Action } from "../live/messages";
import { inWords } from "./message-view";

export interface CommandView {
  tone: Tone;
  icon: string;
  what: string;
  state: string;
  reason: string;
  /** What the node said with it, where nothing else tells. */
  said: string;
  /** The whole in one line. */
  text: string;
}

/** For how long a task's row tells that a command was done, and that one was not. */
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

export function commandView(command: ShownCommand, words: Words): CommandView {
  const what = words.actions[command.kind as Action]?.label ?? words.start;
  const state = words.commandStates[command.state];
  const message = inWords(command.message, command.messageParts, words);
  const isKnown = Object.hasOwn(words.reasons, command.code);
  const reason = command.state === "succeeded" && !isKnown ? "" : reasonOf(command.code, message, words);
  const said = isKnown || message === reason ? "" : message;
  const parts = [`${what}: ${state}`, reason, command.actor].filter(Boolean);
  return { ...LOOKS[command.state], what, state, reason, said, text: parts.join(" · ") };
}

/** The one that a task's row tells of: the newest that a person asked for, while that is news. */
export function toldCommand(commands: readonly ShownCommand[], nowMs: number): ShownCommand | null {
  const newest = commands.find((command) => command.kind !== "start");
  if (!newest) return null;
  if (isOpen(newest)) return newest;
  const age = nowMs - (newest.changedAt ?? 0);
  return age < (newest.state === "succeeded" ? DONE_MS : FAILED_MS) ? newest : null;
}

/** In the reader's language where the code is one of ours, else as the server has said it. */
export function reasonOf(code: string, message: string, words: Words): string {
  const known = Object.hasOwn(words.reasons, code) ? words.reasons[code] : undefined;
  // A function: what a node says may hold "$&".
  return known?.replace("{message}", () => message) ?? (message || code);
}
