/** Native dialogs: opened by `data-opens`, closed by `data-closes`, Esc or a click outside. */

import type { Action, Seen, TaskInfo } from "../live/messages";
import { setText } from "../tables/cells";
import { offeredActions, stateOf } from "../tables/task-view";
import type { Actions } from "./actions";
import { AnswerDialog } from "./answers";
import { element, type Page } from "./page";

/** Wires openers and closers. `onOpen` gets the dialog and the button that opened it. */
export function wireDialogs(onOpen: (dialog: HTMLDialogElement, opener: HTMLElement | null) => void): void {
  document.addEventListener("click", (event) => {
    if (!(event.target instanceof Element)) return;
    const opener = event.target.closest<HTMLElement>("[data-opens]");
    if (opener) openDialog(opener.dataset.opens ?? "", opener, onOpen);
    if (event.target.closest("[data-closes]")) event.target.closest("dialog")?.close("");
    // The target of a click on the backdrop is the dialog itself.
    if (event.target instanceof HTMLDialogElement) event.target.close("");
  });
}

export function openDialog(
  id: string,
  opener: HTMLElement | null,
  onOpen: (dialog: HTMLDialogElement, opener: HTMLElement | null) => void,
): void {
  const dialog = element<HTMLDialogElement>(id);
  if (!dialog || dialog.open) return;
  dialog.returnValue = "";
  onOpen(dialog, opener);
  dialog.showModal();
}

/** Wires the buttons of tasks. Actions that need a confirmation or an input ask for it first. */
export function wireTaskButtons(page: Page, actions: Actions): void {
  const answers = AnswerDialog.wire(page, actions);
  const askToCancel = cancelQuestion(page);
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest<HTMLElement>("button[data-action]") : null;
    const id = button?.closest<HTMLElement>("[data-task]")?.dataset.task;
    const task = id === undefined ? undefined : page.fleet.tasks.get(id);
    if (!button || !task) return;
    const action = button.dataset.action as Action;
    if (action === "cancel") askToCancel(task, (seen) => actions.control(task, "cancel", { seen }));
    else if (action === "input") askForLine(task, answers);
    else actions.control(task, action);
  });
}

/** Returns a function that asks for confirmation before it cancels a task. */
function cancelQuestion(page: Page): (task: TaskInfo, then: (seen: Seen) => void) => void {
  const dialog = element<HTMLDialogElement>("cancel-dialog");
  const yes = dialog?.querySelector<HTMLButtonElement>("button[value=yes]");
  if (!dialog || !yes) return () => undefined;
  const { texts, fleet, settings } = page;
  let asked: TaskInfo | null = null;
  let shownNode = "";
  // Keep the text up to date: the task may start, move, end, or be retried while the dialog is open.
  const draw = (): void => {
    if (!asked) return;
    const task = fleet.tasks.get(asked.id) ?? asked;
    const isOver = task.attempt !== asked.attempt || !offeredActions(task, settings.labels).includes("cancel");
    const place = task.node ? texts.get("task.cancelText", { node: task.node }) : texts.get("task.cancelQueued");
    setText(
      element("cancel-text"),
      isOver ? texts.get("task.cancelOver", { state: stateOf(task, settings.labels).label }) : place,
    );
    yes.disabled = isOver;
    shownNode = task.node;
  };
  fleet.onChange("tasks", (id) => id === asked?.id && dialog.open && draw());
  fleet.onReplace("tasks", () => dialog.open && draw());
  return (task, then) => {
    asked = task;
    const { attempt } = task;
    setText(element("cancel-title"), texts.get("task.cancelTitle", { name: task.name }));
    draw();
    confirmWith(dialog, () => then({ attempt, node: shownNode }));
  };
}

/** The task's own page already shows the question with an input below it. */
function askForLine(task: TaskInfo, answers: AnswerDialog | null): void {
  const form = element("answer-form");
  if (form && !form.hidden) form.querySelector("input")?.focus();
  else answers?.open(task);
}

/** Calls `then` when the dialog is confirmed. */
export function confirmWith(dialog: HTMLDialogElement, then: () => void): void {
  dialog.returnValue = "";
  dialog.addEventListener(
    "close",
    () => {
      if (dialog.returnValue === "yes") then();
    },
    { once: true },
  );
  dialog.showModal();
}
