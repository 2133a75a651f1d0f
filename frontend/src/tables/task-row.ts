/** Updates a task's row, or the head of its page. */

import type { Page } from "../app/page";
import { isBarred } from "../app/rights";
import type { Action, TaskInfo } from "../live/messages";
import { field, setAttribute, setChip, setHidden, setMeter, setOptionalText, setText, setTime } from "./cells";
import { commandView, msLeft, shownCommand } from "./command-view";
import { patchFields, wholeFraction } from "./formats";
import { offeredActions, shownState, taskView } from "./task-view";

export function patchTask(row: HTMLElement, task: TaskInfo, page: Page): void {
  const view = taskView(task, page.settings.labels, page.texts, page.now());
  patchFields(row, task, page.texts);
  setAttribute(row, "data-state", task.state);
  setText(field(row, "name"), task.name);
  setText(field(row, "place"), view.place);
  setOptionalText(field(row, "note"), view.note);
  patchCommand(field(row, "request"), task, page);
  setChip(field(row, "state"), view.state);
  setChip(field(row, "health"), view.health);
  row.toggleAttribute("data-waits", view.waits);
  const progress = field(row, "progress");
  setHidden(progress, task.progress === null);
  if (task.progress !== null) setMeter(progress, task.progress, wholeFraction(task.progress));
  patchRunningTime(field(row, "elapsed"), task, page);
  for (const button of row.querySelectorAll<HTMLElement>("button[data-action]")) {
    const action = button.dataset.action as Action;
    setHidden(button, !view.actions.includes(action));
    const barred = isBarred(action, task);
    button.toggleAttribute("disabled", barred);
    const { label } = page.settings.labels.actions[action];
    setAttribute(button, "title", barred ? page.texts.get("task.needsCommands") : label);
  }
}

/** The command sent to the task, and its state. */
function patchCommand(box: HTMLElement | null, task: TaskInfo, page: Page): void {
  if (!box) return;
  const { labels } = page.settings;
  const command = shownCommand(page.fleet.commands.of(task.id), labels, page.now());
  setHidden(box, command === null);
  if (command === null) return;
  const view = commandView(command, labels);
  setAttribute(box, "data-tone", view.state.tone);
  setAttribute(box, "title", command.message || null);
  setAttribute(box.querySelector("use"), "href", `#${view.state.icon}`);
  setText(box.querySelector("span"), view.text);
  if (command.state !== "succeeded" || box.dataset.ends === command.id) return;
  // A success is shown for a few seconds only.
  box.dataset.ends = command.id;
  setTimeout(() => page.fleet.tellTask(task.id), msLeft(command, labels, page.now()) + 200);
}

/** Until its end, or until its node became unreachable; the ticker writes the text. */
export function patchRunningTime(cell: HTMLElement | null, task: TaskInfo, page: Page): void {
  const end = task[page.settings.labels.decisions.tasks[shownState(task)].ends];
  setAttribute(cell, "data-started", task.startedAt === null ? null : String(task.startedAt));
  setAttribute(cell, "data-ended", end === null ? null : String(end));
}

/** Fills the constant parts of a new row. */
export function nameTaskRow(row: HTMLElement, task: TaskInfo, page: Page): void {
  row.id = `task-${task.id}`;
  row.dataset.task = task.id;
  setAttribute(field(row, "name"), "href", page.taskUrl(task.id));
}

/** Additional cells in the head of the task's page. */
export function patchTaskHead(head: HTMLElement, task: TaskInfo, page: Page): void {
  patchTask(head, task, page);
  const node = field(head, "node");
  setText(node, task.node || task.targetNode || page.texts.get("task.anyNode"));
  setAttribute(node, "href", task.node ? page.nodeUrl(task.node) : null);
  setTime(field(head, "started"), task.startedAt);
  setTime(field(head, "ended"), task.endedAt);
  const barred = offeredActions(task, page.settings.labels).some((action) => isBarred(action, task));
  setOptionalText(field(head, "barred"), barred ? page.texts.get("task.needsCommands") : "");
  const { texts } = page;
  patchNotice(field(head, "suppressed"), task.suppressedLines, (count) => texts.count("task.suppressed", count));
  patchNotice(field(head, "withheld"), task.withheldLines, (count) => texts.count("task.withheld", count));
  patchNotice(field(head, "redacted"), task.redacted, (count) => texts.count("task.redacted", count));
}

/** A notice about what is missing in the output; hidden while nothing is. */
function patchNotice(notice: HTMLElement | null, count: number, sentence: (count: number) => string): void {
  setHidden(notice, count === 0);
  if (notice && count > 0) setText(notice.querySelector("span"), sentence(count));
}
