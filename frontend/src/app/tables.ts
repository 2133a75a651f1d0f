/** Ties the rows and heads that the server rendered to what the page knows. */

import { Spark } from "../charts/spark";
import type { AlertInfo, NodeStatus, TaskInfo } from "../live/messages";
import { field, setAttribute, setHidden, setOptionalText, setText, setTime } from "../tables/cells";
import { LiveRows } from "../tables/live-rows";
import { nameNodeRow, patchNode } from "../tables/node-row";
import { nameTaskRow, patchTask, patchTaskHead } from "../tables/task-row";
import { isFinal, type Kind } from "./fleet";
import { wireHops } from "./hops";
import { element, type Page } from "./page";

const MAX_ROWS = 50;

/** Returns what draws all rows again, for when htmx has brought others. */
export function wireTables(page: Page): () => void {
  const tables = [wireTasks(page), wireNodes(page), wireAlerts(page)];
  tables.push(...wireHeads(page));
  return () => {
    for (const redraw of tables) redraw();
  };
}

function wireTasks(page: Page): () => void {
  const rows = liveRows<TaskInfo>(page, "tasks", "task-rows", {
    template: "task-row-template",
    idAttribute: "data-task",
    patch: (row, task) => patchTask(row, task, page),
    name: (row, task) => nameTaskRow(row, task, page),
    place: "first",
    isExpendable: isFinal,
    onCount: (count) => {
      setHidden(element("tasks-empty"), count > 0);
      setText(element("task-count"), page.texts.number(count));
    },
  });
  return follow(page, "tasks", rows);
}

function wireNodes(page: Page): () => void {
  const sparks = new Map<Element, Spark>();
  const rows = liveRows<NodeStatus>(page, "nodes", "node-rows", {
    template: "node-row-template",
    idAttribute: "data-node",
    patch: (row, node) => {
      patchNode(row, node, page);
      drawSpark(sparks, row, node, page);
    },
    name: (row, node) => nameNodeRow(row, node, page),
    place: "last",
    isExpendable: () => false,
    // The Leader alone is not a cluster yet: the page goes on saying how a node joins.
    onCount: () => setHidden(element("nodes-empty"), [...page.fleet.nodes.values()].some((node) => node.role !== "leader")),
  });
  return follow(page, "nodes", rows);
}

function wireAlerts(page: Page): () => void {
  const rows = liveRows<AlertInfo>(page, "alerts", "alert-list", {
    template: "alert-template",
    idAttribute: "data-alert",
    patch: (item, alert) => {
      setAttribute(item, "data-tone", alert.level === "error" ? "bad" : "warn");
      setText(field(item, "message"), alert.message);
      setTime(field(item, "at"), alert.openedAt);
      const by = alert.acknowledgedAt === null ? "" : page.texts.say("evidence.acknowledged", { name: alert.acknowledgedBy });
      setOptionalText(field(item, "by"), by);
      setHidden(field(item, "evidence"), alert.evidence.length === 0);
    },
    name: (item, alert) => {
      item.id = `alert-${alert.id}`;
      item.dataset.alert = alert.id;
      const picture = alert.level === "error" ? "circle-x" : "triangle-alert";
      setAttribute(item.querySelector("use"), "href", `#${picture}`);
      const node = field(item, "node");
      setText(node, alert.node);
      setAttribute(node, "href", page.nodeUrl(alert.node));
      setHidden(node, alert.node === "");
      const task = field(item, "task");
      setAttribute(task, "href", page.taskUrl(alert.task));
      setHidden(task, alert.task === "");
    },
    place: "first",
    isExpendable: () => true,
    onCount: (count) => setHidden(element("alerts-empty"), count > 0),
  });
  return follow(page, "alerts", rows);
}

/** The heads of a task's and of a node's own page. */
function wireHeads(page: Page): (() => void)[] {
  const heads: (() => void)[] = [];
  const taskHead = element("task-head");
  if (taskHead) {
    const form = element("answer-form");
    const draw = (): void => {
      const task = page.fleet.tasks.get(taskHead.dataset.task ?? "");
      if (!task) return;
      patchTaskHead(taskHead, task, page);
      setHidden(form, !(task.state === "running" && task.acceptsInput));
    };
    const evidence = field<HTMLButtonElement>(taskHead, "evidence");
    const drawEvidence = (): void => {
      const alert = [...page.fleet.alerts.values()].find((one) => one.task === taskHead.dataset.task && one.evidence.length > 0);
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
    const sparks = new Map<Element, Spark>();
    const draw = (): void => {
      const node = page.fleet.nodes.get(nodeHead.dataset.node ?? "");
      if (!node) return;
      patchNode(nodeHead, node, page);
      drawSpark(sparks, nodeHead, node, page);
    };
    page.fleet.onChange("nodes", (id) => id === nodeHead.dataset.node && draw());
    page.fleet.onReplace("nodes", draw);
    draw();
    heads.push(draw);
    wireHops(page, () => nodeHead.dataset.node ?? "");
  }
  return heads;
}

function drawSpark(sparks: Map<Element, Spark>, row: HTMLElement, node: NodeStatus, page: Page): void {
  const box = field(row, "spark");
  if (!box || node.cpu === null) return;
  const spark = sparks.get(box) ?? new Spark(box);
  sparks.set(box, spark);
  spark.push(node.cpu, page.now());
}

interface RowsPart<T> {
  template: string;
  idAttribute: string;
  patch: (row: HTMLElement, item: T) => void;
  name: (row: HTMLElement, item: T) => void;
  place: "first" | "last";
  isExpendable: (item: T) => boolean;
  onCount: (count: number) => void;
}

function liveRows<T extends AlertInfo | NodeStatus | TaskInfo>(page: Page, kind: Kind, bodyId: string, part: RowsPart<T>): LiveRows<T> {
  const items = page.fleet[kind] as unknown as Map<string, T>;
  // Looked up each time: the page may have no such table, and htmx may have put another in its place.
  const body = (): HTMLElement | null => element(bodyId);
  return new LiveRows<T>({
    ...part,
    body,
    template: element<HTMLTemplateElement>(part.template),
    get: (id) => items.get(id),
    isWanted: (item) => isWanted(item, body()?.dataset.rows ?? ""),
    maxRows: MAX_ROWS,
  });
}

/** A list that is filtered or paged ("known") takes no new rows, only changes; a node's page takes its own tasks. */
function isWanted(item: AlertInfo | NodeStatus | TaskInfo, rows: string): boolean {
  if (rows === "known") return false;
  return !rows.startsWith("node:") || ("node" in item && `node:${item.node}` === rows);
}

function follow<T extends { id: string }>(page: Page, kind: Kind, rows: LiveRows<T>): () => void {
  page.fleet.onChange(kind, (id) => rows.update(id));
  page.fleet.onReplace(kind, () => rows.updateAll(page.fleet[kind].keys()));
  rows.refresh();
  return () => rows.refresh();
}
