/**
 * The page's state of the cluster: nodes, tasks and open alerts, from the latest messages.
 *
 * Applying a message is idempotent. Listeners are called for one item, or when a whole kind is replaced.
 */

import type { Action, AlertInfo, CommandInfo, MessageOf, NodeStatus, TaskInfo } from "../live/messages";
import { shownHealth, shownState } from "../tables/task-view";
import { Commands, type ShownCommand } from "./commands";
import type { Labels, PageData } from "./settings";

export type Kind = "nodes" | "tasks" | "alerts";
type Listener = (id: string) => void;

/** Above this number the oldest finished tasks are dropped; the work log still has them. */
const MAX_FINISHED = 500;

/** Keys as in `Decisions`; absent = 0. */
export type Counts = Partial<Record<string, number>>;

export interface Figures extends Record<Kind, Counts> {
  cpu: number | null;
  busiest: { node: string; cpu: number } | null;
}

export class Fleet {
  readonly nodes = new Map<string, NodeStatus>();
  readonly tasks = new Map<string, TaskInfo>();
  readonly alerts = new Map<string, AlertInfo>();
  /** Changes also call listeners to tasks. */
  readonly commands: Commands;
  readonly #labels: Pick<Labels, "decisions">;
  readonly #changed: Record<Kind, Set<Listener>> = { nodes: new Set(), tasks: new Set(), alerts: new Set() };
  readonly #replaced: Record<Kind, Set<() => void>> = { nodes: new Set(), tasks: new Set(), alerts: new Set() };

  constructor(labels: Pick<Labels, "decisions">, data: PageData = {}) {
    this.#labels = labels;
    this.commands = new Commands(labels);
    this.replace(data);
  }

  onChange(kind: Kind, listener: Listener): void {
    this.#changed[kind].add(listener);
  }

  onReplace(kind: Kind, listener: () => void): void {
    this.#replaced[kind].add(listener);
  }

  /** Applies a snapshot: items that it does not contain are removed. */
  replace(data: PageData): void {
    if (data.nodes) fill(this.nodes, data.nodes);
    if (data.tasks) fill(this.tasks, data.tasks);
    if (data.commands) this.commands.replace(data.commands);
    if (data.alerts) {
      const open = data.alerts.filter((alert) => alert.resolvedAt === null);
      fill(this.alerts, open);
    }
    for (const kind of ["nodes", "tasks", "alerts"] as const) {
      if (data[kind]) for (const listener of this.#replaced[kind]) listener();
    }
  }

  applyNode(node: NodeStatus): void {
    const before = this.nodes.get(node.id);
    // Messages of an earlier version do not have the field.
    if (node.retiredAt) this.nodes.delete(node.id);
    else this.nodes.set(node.id, node);
    this.#tell("nodes", node.id);
    if (before?.state !== node.state) this.#nodeMoved(node);
  }

  applyMetrics(message: MessageOf<"METRICS">): void {
    const { type, at, node: id, linkRttMs, ...figures } = message;
    const node = this.nodes.get(id);
    if (!node) return;
    const link = { ...node.link, rttMs: linkRttMs ?? node.link.rttMs };
    this.nodes.set(id, { ...node, ...figures, link, lastSeenAt: at });
    this.#tell("nodes", id);
  }

  applyTask(task: TaskInfo): void {
    this.tasks.set(task.id, task);
    if (this.tasks.size > MAX_FINISHED * 1.2) this.#forgetFinished();
    this.#tell("tasks", task.id);
  }

  applyCommand(command: CommandInfo): void {
    this.commands.apply(command);
    if (command.task) this.tellTask(command.task);
  }

  /** The reader pressed a button. */
  ask(ref: string, task: string, kind: Action, nowMs: number): void {
    this.commands.ask(ref, task, kind, nowMs);
    this.tellTask(task);
  }

  /** The outcome of a request before it became a command; null = it never becomes one. */
  answer(ref: string, change: (Pick<ShownCommand, "state"> & Partial<ShownCommand>) | null): void {
    const task = change === null ? this.commands.forget(ref) : this.commands.answer(ref, change);
    if (task !== "") this.tellTask(task);
  }

  /** Redraws a task because its command line has expired. */
  tellTask(task: string): void {
    this.#tell("tasks", task);
  }

  applyAlert(alert: AlertInfo): void {
    if (alert.resolvedAt === null) this.alerts.set(alert.id, alert);
    else this.alerts.delete(alert.id);
    this.#tell("alerts", alert.id);
  }

  /** Adds items from an HTML fragment. Known items were pushed and are newer. */
  learnTasks(tasks: readonly TaskInfo[]): void {
    for (const task of tasks) if (!this.tasks.has(task.id)) this.tasks.set(task.id, task);
  }

  learnNodes(nodes: readonly NodeStatus[]): void {
    for (const node of nodes) if (!this.nodes.has(node.id)) this.nodes.set(node.id, node);
  }

  figures(): Figures {
    const { decisions } = this.#labels;
    const figures: Figures = { nodes: {}, tasks: {}, alerts: {}, cpu: null, busiest: null };
    let sum = 0;
    let measured = 0;
    for (const node of this.nodes.values()) {
      count(figures.nodes, node.state);
      if (!decisions.nodes[node.state].isReachable || node.cpu === null) continue;
      sum += node.cpu;
      measured += 1;
      if (!figures.busiest || node.cpu > figures.busiest.cpu) figures.busiest = { node: node.name, cpu: node.cpu };
    }
    if (measured > 0) figures.cpu = sum / measured;
    for (const task of this.tasks.values()) {
      count(figures.tasks, decisions.tasks[shownState(task)].figure);
      const health = shownHealth(task, this.#labels);
      if (health !== null) count(figures.tasks, decisions.health[health].figure);
    }
    for (const alert of this.alerts.values()) count(figures.alerts, decisions.alerts[alert.level].figure);
    return figures;
  }

  /** A node's state affects its tasks: on an unreachable node a task is unknown, not running. */
  #nodeMoved(node: NodeStatus): void {
    const { decisions } = this.#labels;
    for (const task of this.tasks.values()) {
      if (task.node !== node.id || !decisions.tasks[task.state].isOccupying) continue;
      const unknownSince = decisions.nodes[node.state].isReachable ? null : node.stateSince;
      this.tasks.set(task.id, { ...task, nodeState: node.state, unknownSince });
      this.#tell("tasks", task.id);
    }
  }

  #forgetFinished(): void {
    const finished = [...this.tasks.values()].filter((task) => this.#labels.decisions.tasks[task.state].isFinal);
    finished.sort((a, b) => (a.endedAt ?? 0) - (b.endedAt ?? 0));
    for (const task of finished.slice(0, Math.max(0, finished.length - MAX_FINISHED))) this.tasks.delete(task.id);
  }

  #tell(kind: Kind, id: string): void {
    for (const listener of this.#changed[kind]) listener(id);
  }
}

function fill<T extends { id: string }>(map: Map<string, T>, items: readonly T[]): void {
  map.clear();
  for (const item of items) map.set(item.id, item);
}

function count(counts: Counts, figure: string): void {
  if (figure !== "") counts[figure] = (counts[figure] ?? 0) + 1;
}
