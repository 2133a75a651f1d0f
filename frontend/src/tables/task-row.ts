/** Patches a task into its row, or into the head of its page. */

import type { Page } from "../app/page";
import type { Action, TaskInfo } from "../live/messages";
import { field, setAttribute, setChip, setHidden, setMeter, setOptionalText, setText, setTime } from "./cells";
import { commandView, msLeft, shownCommand } from "./command-view";
import { exitText, taskView } from "./task-view";

export function patchTask(row: HTMLElement, task: TaskInfo, page: Page): void {
  const view = taskView(task, page.settings.labels, page.texts, page.now());
  setAttribute(row, "data-state", task.state);
  setText(field(row, "name"), task.name);
  setText(field(row, "place"), view.place);
  setOptionalText(field(row, "attempt"), view.attempt);
  setOptionalText(field(row, "note"), view.note);
  patchCommand(field(row, "request"), task, page);
  setChip(field(row, "state"), view.state);
  setChip(field(row, "health"), view.health);
  row.toggleAttribute("data-waits", view.waits);
  const progress = field(row, "progress");
  setHidden(progress, view.progress === null);
  if (view.progress !== null) setMeter(progress, view.progress, `${Math.floor(view.progress * 100)}%`);
  const elapsed = field(row, "elapsed");
  setAttribute(elapsed, "data-started", task.startedAt === null ? null : String(task.startedAt));
  setAttribute(elapsed, "data-ended", endOf(task));
  for (const button of row.querySelectorAll<HTMLElement>("button[data-action]")) {
    setHidden(button, !view.actions.includes(button.dataset.action as Action));
  }
}

/** The command that was sent to it, and its state. */
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
  // A success is shown for some seconds only.
  box.dataset.ends = command.id;
  setTimeout(() => page.fleet.tellTask(task.id), msLeft(command, labels, page.now()) + 200);
}

/** When its running time stops growing: at its end, or when its node became unreachable. */
function endOf(task: TaskInfo): string | null {
  const end = task.endedAt ?? task.unknownSince;
  return end === null ? null : String(end);
}

/** Sets what a patch never changes, in a row cloned from the template. */
export function nameTaskRow(row: HTMLElement, task: TaskInfo, page: Page): void {
  row.id = `task-${task.id}`;
  row.dataset.task = task.id;
  setAttribute(field(row, "name"), "href", page.taskUrl(task.id));
}

/** The further cells of the task page's head. */
export function patchTaskHead(head: HTMLElement, task: TaskInfo, page: Page): void {
  patchTask(head, task, page);
  const node = field(head, "node");
  setText(node, task.node || task.targetNode || page.texts.say("task.anyNode"));
  setAttribute(node, "href", task.node ? page.nodeUrl(task.node) : null);
  setTime(field(head, "started"), task.startedAt);
  setTime(field(head, "ended"), task.endedAt);
  setText(field(head, "exitCode"), exitCell(task.exitCode, page));
  const dropped = Number(task.suppressedLines);
  const suppressed = field(head, "suppressed");
  setHidden(suppressed, dropped === 0);
  if (suppressed && dropped > 0)
    setText(suppressed.querySelector("span"), page.texts.count("task.suppressed", dropped));
}

function exitCell(code: number | null, page: Page): string {
  if (code === null) return "–";
  return code < 0 ? exitText(code, page.texts) : String(code);
}
