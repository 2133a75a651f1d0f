/** Parts of a page that are rendered once: later changes are patched, or a notice offers to reload the page. */

import type { NodeStatus, TaskInfo } from "../live/messages";
import { field, setChip, setHidden, setText } from "../tables/cells";
import { patchRunningTime } from "../tables/task-row";
import { stateOf } from "../tables/task-view";
import { element, type Page } from "./page";

export function wireOutdated(page: Page): void {
  wireWorkLog(page);
  wireNodeFacts(page);
}

/** Patches listed attempts. New ones are not added, because the list may be filtered: a notice appears instead. */
function wireWorkLog(page: Page): void {
  const list = element("work-log");
  const notice = element("work-log-more");
  if (!list || !notice) return;
  const draw = (task: TaskInfo | undefined): void => {
    if (!task) return;
    const row = list.querySelector<HTMLElement>(
      `tr[data-task="${CSS.escape(task.id)}"][data-attempt="${task.attempt}"]`,
    );
    if (row) patchAttempt(row, task, page);
    else if (task.state === "pending") setHidden(notice, false);
  };
  const drawAll = (): void => page.fleet.tasks.forEach(draw);
  page.fleet.onChange("tasks", (id) => draw(page.fleet.tasks.get(id)));
  page.fleet.onReplace("tasks", drawAll);
  document.addEventListener("htmx:after:swap", () => {
    setHidden(notice, true);
    drawAll();
  });
}

function patchAttempt(row: HTMLElement, task: TaskInfo, page: Page): void {
  setChip(field(row, "state"), stateOf(task, page.settings.labels));
  patchRunningTime(field(row, "elapsed"), task, page);
  if (task.exitCode !== null) setText(field(row, "exitCode"), String(task.exitCode));
}

/** A node's capabilities may change when it restarts; it may be retired, or be back. */
function wireNodeFacts(page: Page): void {
  const notice = element("node-changed");
  const id = element("node-head")?.dataset.node ?? "";
  if (!notice) return;
  const before = factsOf(page.fleet.nodes.get(id));
  const draw = (): void => setHidden(notice, factsOf(page.fleet.nodes.get(id)) === before);
  page.fleet.onChange("nodes", (changed) => changed === id && draw());
  page.fleet.onReplace("nodes", draw);
}

function factsOf(node: NodeStatus | undefined): string {
  return node ? JSON.stringify([node.role, node.parent, node.capabilities]) : "";
}
