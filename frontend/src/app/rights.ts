/** What this person may do, as far as the page knows. It only explains: the server decides. */

import { button, make } from "../chat/dom";
import type { Action, TaskInfo } from "../live/messages";
import type { Page } from "./page";

/** To answer or retry a command is to run a command. */
const NEEDS_COMMANDS: readonly Action[] = ["input", "retry"];

export function mayRunCommands(): boolean {
  return document.body.classList.contains("may-run-commands");
}

/** Whether the action is for people who may run commands, and this person may not. */
export function isBarred(action: Action, task: Pick<TaskInfo, "isCommand">): boolean {
  return task.isCommand && NEEDS_COMMANDS.includes(action) && !mayRunCommands();
}

/** In place of what could not be loaded: the reason, and a button that calls `again`. */
export function loadFailure(page: Page, again: () => void): HTMLElement[] {
  const retry = button("btn btn-xs", "rotate-cw", page.texts.get("chat.retry"), {});
  retry.addEventListener("click", again, { once: true });
  return [make("span", "sub", page.texts.get("command.unread")), retry];
}
