/** The commands of a task on its page: action, user, time, state and reason. */

import { field, setAttribute, setChip, setHidden, setText, setTime } from "../tables/cells";
import { commandView } from "../tables/command-view";
import type { ShownCommand } from "./commands";
import { element, type Page } from "./page";

export function wireCommands(page: Page): void {
  const body = element("command-rows");
  const template = element<HTMLTemplateElement>("command-template");
  const task = element("task-head")?.dataset.task;
  if (!body || !template || task === undefined) return;
  const draw = (): void => {
    // Oldest first, because each row is added at the top.
    for (const command of [...page.fleet.commands.of(task)].reverse())
      patch(rowOf(body, template, command), command, page);
    const count = element("command-count");
    // The server renders only the latest; a "+" means that there may be older ones.
    setText(count, page.texts.number(body.childElementCount) + (count?.dataset.more ?? ""));
    setHidden(element("commands"), body.childElementCount === 0);
  };
  page.fleet.onChange("tasks", (id) => id === task && draw());
  page.fleet.onReplace("tasks", draw);
  draw();
}

function rowOf(body: HTMLElement, template: HTMLTemplateElement, command: ShownCommand): HTMLElement {
  for (const row of body.children as HTMLCollectionOf<HTMLElement>) {
    // This page's requests have no id until the Leader assigns one.
    if (row.dataset.commandId === command.id || (command.ref !== "" && row.dataset.ref === command.ref)) return row;
  }
  const row = document.importNode(template.content.querySelector("tr") as HTMLElement, true);
  body.prepend(row);
  return row;
}

function patch(row: HTMLElement, command: ShownCommand, page: Page): void {
  const view = commandView(command, page.settings.labels);
  row.dataset.commandId = command.id;
  row.dataset.ref = command.ref;
  setText(field(row, "what"), view.what);
  setText(field(row, "actor"), command.actor || "–");
  setTime(field(row, "asked"), command.createdAt);
  setText(field(row, "commandNode"), command.node || "–");
  setChip(field(row, "commandState"), view.state);
  setText(field(row, "reason"), view.reason);
  // The node's own message may add details.
  setAttribute(field(row, "reason"), "title", command.message || null);
  setText(field(row, "message"), view.ownMessage);
}
