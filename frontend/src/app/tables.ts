/** Keeps the server-rendered rows and heads in sync with the page's data. */

import { Samples, Spark } from "../charts/spark";
import type { AlertInfo, NodeStatus, TaskInfo } from "../live/messages";
import { alertTask } from "../tables/alert-view";
import { field, setAttribute, setHidden, setOptionalText, setText, setTime } from "../tables/cells";
import { LiveRows } from "../tables/live-rows";
import { nameNodeRow, patchNode } from "../tables/node-row";
import { searchNode, searchTask } from "../tables/search";
import { nameTaskRow, patchTask, patchTaskHead } from "../tables/task-row";
import { offeredActions } from "../tables/task-view";
import { WindowedRows } from "../tables/windowed-rows";
import type { Kind } from "./fleet";
import { wireHops } from "./hops";
import { element, type Page } from "./page";
import { phraseText } from "./phrases";
import { isBarred } from "./rights";

const MAX_ROWS = 50;

/** Returns a function that redraws all rows; call it after htmx has replaced them. */
export function wireTables(page: Page): () => void {
  const tables = [wireTasks(page), wireNodes(page), wireAlerts(page)];
  tables.push(...wireHeads(page));
  return () => {
    for (const redraw of tables) redraw();
  };
}

function wireTasks(page: Page): () => void {
  return wireRows<TaskInfo>(page, "tasks", "task-rows", {
    template: "task-row-template",
    idAttribute: "data-task",
    patch: (row, task) => patchTask(row, task, page),
    name: (row, task) => nameTaskRow(row, task, page),
    place: "first",
    isExpendable: (task) => page.settings.labels.decisions.tasks[task.state].isFinal,
    onCount: (shown, all) => {
      setHidden(element("tasks-empty"), all > 0);
      setText(element("task-count"), countText(page, shown, all));
      setHidden(element("tasks-none"), shown > 0 || all === 0);
    },
    text: (task) => searchTask(task, page.settings.labels),
    estimatedHeight: 57,
  });
}

function wireNodes(page: Page): () => void {
  const drawSpark = sparkDrawer(page);
  return wireRows<NodeStatus>(page, "nodes", "node-rows", {
    template: "node-row-template",
    idAttribute: "data-node",
    patch: (row, node) => {
      patchNode(row, node, page);
      drawSpark(row, node);
    },
    name: (row, node) => nameNodeRow(row, node, page),
    place: "last",
    isExpendable: () => false,
    // With only the Leader, keep showing how to add a node.
    onCount: (shown, all) => {
      setHidden(
        element("nodes-empty"),
        [...page.fleet.nodes.values()].some((node) => page.settings.labels.decisions.roles[node.role].isMember),
      );
      setText(element("node-count"), countText(page, shown, all));
      setHidden(element("nodes-none"), shown > 0 || all === 0);
    },
    text: (node) => searchNode(node, page.settings.labels),
    estimatedHeight: 45,
  });
}

function wireAlerts(page: Page): () => void {
  return wireRows<AlertInfo>(page, "alerts", "alert-list", {
    template: "alert-template",
    idAttribute: "data-alert",
    patch: (item, alert) => {
      setAttribute(item, "data-tone", page.settings.labels.alertLevels[alert.level].tone);
      setText(field(item, "message"), phraseText(alert, "message", page.settings.labels));
      setTime(field(item, "at"), alert.openedAt);
      const by =
        alert.acknowledgedAt === null ? "" : page.texts.get("evidence.acknowledged", { name: alert.acknowledgedBy });
      setOptionalText(field(item, "by"), by);
      setHidden(field(item, "evidence"), alert.evidence.length === 0);
    },
    name: (item, alert) => {
      item.id = `alert-${alert.id}`;
      item.dataset.alert = alert.id;
      setAttribute(item.querySelector("use"), "href", `#${page.settings.labels.alertLevels[alert.level].icon}`);
      const node = field(item, "node");
      setText(node, alert.node);
      setAttribute(node, "href", page.nodeUrl(alert.node));
      setHidden(node, alert.node === "");
      const task = field(item, "task");
      setText(task, alertTask(alert));
      setAttribute(task, "href", page.taskUrl(alert.task));
      setHidden(task, alert.task === "");
      setHidden(field(item, "about"), alert.task === "" && alert.node === "");
    },
    place: "first",
    isExpendable: () => true,
    onCount: (_, all) => setHidden(element("alerts-empty"), all > 0),
    text: (alert) => alert.message,
    estimatedHeight: 66,
  });
}

/** The heads of a task's and a node's page. */
function wireHeads(page: Page): (() => void)[] {
  const heads: (() => void)[] = [];
  const taskHead = element("task-head");
  if (taskHead) {
    const form = element("answer-form");
    const draw = (): void => {
      const task = page.fleet.tasks.get(taskHead.dataset.task ?? "");
      if (!task) return;
      patchTaskHead(taskHead, task, page);
      setHidden(form, !offeredActions(task, page.settings.labels).includes("input") || isBarred("input", task));
    };
    const evidence = field<HTMLButtonElement>(taskHead, "evidence");
    const drawEvidence = (): void => {
      const alert = [...page.fleet.alerts.values()].find(
        (one) => one.task === taskHead.dataset.task && one.evidence.length > 0,
      );
      setHidden(evidence, alert === undefined);
      setAttribute(evidence, "data-evidence", alert?.id ?? "");
    };
    page.fleet.onChange("alerts", drawEvidence);
    page.fleet.onReplace("alerts", drawEvidence);
    drawEvidence();
    page.fleet.onChange("tasks", (id) => id === taskHead.dataset.task && draw());
    page.fleet.onReplace("tasks", draw);
    draw();
    heads.push(draw);
  }
  const nodeHead = element("node-head");
  if (nodeHead) {
    const drawSpark = sparkDrawer(page);
    const draw = (): void => {
      const node = page.fleet.nodes.get(nodeHead.dataset.node ?? "");
      if (!node) return;
      patchNode(nodeHead, node, page);
      drawSpark(nodeHead, node);
    };
    page.fleet.onChange("nodes", (id) => id === nodeHead.dataset.node && draw());
    page.fleet.onReplace("nodes", draw);
    draw();
    heads.push(draw);
    wireHops(page, () => nodeHead.dataset.node ?? "");
  }
  return heads;
}

/** Draws a node's load if it is in the DOM; always keeps the samples. */
function sparkDrawer(page: Page): (row: HTMLElement, node: NodeStatus) => void {
  const samples = new Map<string, Samples>();
  const sparks = new WeakMap<Element, Spark>();
  const keep = (id: string): void => {
    const node = page.fleet.nodes.get(id);
    if (!node) samples.delete(id);
    else if (node.cpu !== null) samplesOf(samples, id).push(node.cpu, page.now());
  };
  page.fleet.onChange("nodes", keep);
  for (const id of page.fleet.nodes.keys()) keep(id);
  return (row, node) => {
    const box = field(row, "spark");
    if (!box || node.cpu === null) return;
    const spark = sparks.get(box) ?? new Spark(box, samplesOf(samples, node.id));
    sparks.set(box, spark);
    spark.draw(page.now());
  };
}

function samplesOf(samples: Map<string, Samples>, id: string): Samples {
  const found = samples.get(id) ?? new Samples();
  samples.set(id, found);
  return found;
}

interface RowsPart<T> {
  template: string;
  idAttribute: string;
  patch: (row: HTMLElement, item: T) => void;
  name: (row: HTMLElement, item: T) => void;
  place: "first" | "last";
  isExpendable: (item: T) => boolean;
  onCount: (shown: number, all: number) => void;
  /** The text that a filter searches. */
  text: (item: T) => string;
  estimatedHeight: number;
}

/** Returns a function that redraws the rows. */
function wireRows<T extends AlertInfo | NodeStatus | TaskInfo>(
  page: Page,
  kind: Kind,
  bodyId: string,
  part: RowsPart<T>,
): () => void {
  const items = page.fleet[kind] as unknown as Map<string, T>;
  const options = {
    ...part,
    template: element<HTMLTemplateElement>(part.template),
    get: (id: string) => items.get(id),
  };
  // Looked up each time: the page may not have this table, or htmx may have replaced it.
  const body = (): HTMLElement | null => element(bodyId);
  const box = body()?.closest<HTMLElement>("[data-window]");
  const rows = box
    ? new WindowedRows<T>({ ...options, body: body() as HTMLElement, box, ids: items.keys() })
    : new LiveRows<T>({
        ...options,
        body,
        isWanted: (item) => isWanted(item, body()?.dataset.rows ?? ""),
        maxRows: MAX_ROWS,
        onCount: (count) => part.onCount(count, count),
      });
  page.fleet.onChange(kind, (id) => rows.update(id));
  page.fleet.onReplace(kind, () => rows.updateAll(items.keys()));
  rows.refresh();
  if (rows instanceof WindowedRows) wireFilter(bodyId, rows, part.text);
  return () => rows.refresh();
}

/** All words must occur. */
function wireFilter<T extends { id: string }>(bodyId: string, rows: WindowedRows<T>, text: (item: T) => string): void {
  const input = document.querySelector<HTMLInputElement>(`[data-filters="${bodyId}"]`);
  input?.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    rows.setFilter(
      words.length === 0 ? null : (item) => words.every((word) => text(item).toLowerCase().includes(word)),
    );
  });
}

function countText(page: Page, shown: number, all: number): string {
  return shown === all
    ? page.texts.number(all)
    : page.texts.get("rows.filtered", { shown: page.texts.number(shown), all: page.texts.number(all) });
}

/** A filtered or paged list ("known") gets changes, but no new rows. A node's page shows only its own tasks. */
function isWanted(item: AlertInfo | NodeStatus | TaskInfo, rows: string): boolean {
  if (rows === "known") return false;
  return !rows.startsWith("node:") || ("node" in item && `node:${item.node}` === rows);
}
