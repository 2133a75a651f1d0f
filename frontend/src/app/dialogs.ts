/** Native dialogs: opened by `data-opens`, closed by `data-closes`, Esc or a click beside them. */

import type { Action, TaskInfo } from "../live/messages";
import { setText } from "../tables/cells";
import type { Actions } from "./actions";
import { element, type Page } from "./page";

/** Wires openers and closers. `onOpen` hears which dialog opens, and by which button. */
export function wireDialogs(onOpen: (dialog: HTMLDialogElement, opener: HTMLElement | null) => void): void {
  document.addEventListener("click", (event) => {
    if (!(event.target instanceof Element)) return;
    const opener = event.target.closest<HTMLElement>("[data-opens]");
    if (opener) openDialog(opener.dataset.opens ?? "", opener, onOpen);
    if (event.target.closest("[data-closes]")) event.target.closest("dialog")?.close("");
    // A click on the backdrop lands on the dialog itself.
    if (event.target instanceof HTMLDialogElement) event.target.close("");
  });
}

export function openDialog(id: string, opener: HTMLElement | null, onOpen: (dialog: HTMLDialogElement, opener: HTMLElement | null) => void): void {
  const dialog = element<HTMLDialogElement>(id);
  if (!dialog || dialog.open) return;
  dialog.returnValue = "";
  onOpen(dialog, opener);
  dialog.showModal();
}

/** Buttons of tasks: what needs a word from the person asks for it first. */
export function wireTaskButtons(page: Page, actions: Actions): void {
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest<HTMLElement>("button[data-action]") : null;
    const id = button?.closest<HTMLElement>("[data-task]")?.dataset.task;
    const task = id === undefined ? undefined : page.fleet.tasks.get(id);
    if (!button || !task) return;
    const action = button.dataset.action as Action;
    if (action === "cancel") askToCancel(page, task, () => actions.control(task, "cancel"));
    else if (action === "input") askForLine(page, task, actions);
    else actions.control(task, action);
  });
}

function askToCancel(page: Page, task: TaskInfo, then: () => void): void {
  const dialog = element<HTMLDialogElement>("cancel-dialog");
  if (!dialog) return;
  const { texts } = page;
  setText(element("cancel-title"), texts.say("task.cancelTitle", { name: task.name }));
  setText(element("cancel-text"), task.node ? texts.say("task.cancelText", { node: task.node }) : texts.say("task.cancelQueued"));
  confirmWith(dialog, then);
}

function askForLine(page: Page, task: TaskInfo, actions: Actions): void {
  const form = element("answer-form");
  if (form && !form.hidden) {
    form.querySelector("input")?.focus();
    return;
  }
  const dialog = element<HTMLDialogElement>("answer-dialog");
  const line = dialog?.querySelector<HTMLInputElement>("input[name=line]");
  const close = dialog?.querySelector<HTMLInputElement>("input[name=close]");
  if (!dialog || !line || !close) return;
  setText(element("answer-title"), page.texts.say("task.answerTitle", { name: task.name }));
  line.value = "";
  close.checked = false;
  confirmWith(dialog, () => sendLine(actions, task, line.value, close.checked));
  line.focus();
}

function confirmWith(dialog: HTMLDialogElement, then: () => void): void {
  dialog.returnValue = "";
  dialog.addEventListener("close", () => {
    if (dialog.returnValue === "yes") then();
  }, { once: true });
  dialog.showModal();
}

function sendLine(actions: Actions, task: TaskInfo, line: string, isLast: boolean): void {
  actions.control(task, "input", { input: `${line}\n`, ...(isLast ? { closeInput: true } : {}) });
}

/** The line under a task's log. */
export function wireAnswerForm(page: Page, actions: Actions): void {
  const form = element<HTMLFormElement>("answer-form");
  const line = form?.querySelector<HTMLInputElement>("input[name=line]");
  if (!form || !line) return;
  const task = (): TaskInfo | undefined => page.fleet.tasks.get(form.dataset.task ?? "");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const present = task();
    if (present) sendLine(actions, present, line.value, false);
    line.value = "";
  });
  form.querySelector("[data-end-of-file]")?.addEventListener("click", () => {
    const present = task();
    if (present) actions.control(present, "input", { input: "", closeInput: true });
  });
}
