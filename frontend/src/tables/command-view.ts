/** How to show a command, computed from the command alone: no DOM. */

import type { ShownCommand } from "../app/commands";
import { phraseText } from "../app/phrases";
import type { Labels, Look } from "../app/settings";
import type { Action } from "../live/messages";

export interface CommandView {
  state: Look;
  what: string;
  reason: string;
  /** The node's own message, if nothing else explains the outcome. */
  ownMessage: string;
  /** Everything in one line. */
  text: string;
}

export function commandView(command: ShownCommand, labels: Labels): CommandView {
  const what = labels.actions[command.kind as Action]?.label ?? labels.start;
  const state = labels.commandStates[command.state];
  const message = phraseText(command, "message", labels);
  const isKnown = Object.hasOwn(labels.reasons, command.code);
  const explains = isKnown || labels.decisions.commands[command.state].explains;
  const reason = explains ? reasonOf(command.code, message, labels) : "";
  const ownMessage = isKnown || message === reason ? "" : message;
  const parts = [`${what}: ${state.label}`, reason, command.actor].filter(Boolean);
  return { what, state, reason, ownMessage, text: parts.join(" · ") };
}

/** The command that a task's row shows: the newest one from a person, while it is open or recent. */
export function shownCommand(commands: readonly ShownCommand[], labels: Labels, nowMs: number): ShownCommand | null {
  const newest = commands.find((command) => command.kind !== "start");
  return newest && msLeft(newest, labels, nowMs) > 0 ? newest : null;
}

/** How long its task's row still shows it; infinite while it is open. */
export function msLeft(command: ShownCommand, labels: Labels, nowMs: number): number {
  const { staysSeconds } = labels.decisions.commands[command.state];
  return staysSeconds === null ? Number.POSITIVE_INFINITY : staysSeconds * 1000 - (nowMs - (command.changedAt ?? 0));
}

/** In the reader's language for a known code, otherwise the server's text. */
export function reasonOf(code: string, message: string, labels: Labels): string {
  const known = Object.hasOwn(labels.reasons, code) ? labels.reasons[code] : undefined;
  // A function as replacement, because a node's message may contain "$&".
  return known?.replace("{message}", () => message) ?? (message || code);
}
