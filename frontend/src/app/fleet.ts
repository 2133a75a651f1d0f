/**
 * The page's state of the cluster: nodes, tasks and open alerts, from the latest messages.
 *
 * Applying a message twice changes nothing. Listeners are called for one item at a time, or when a whole kind is replaced.
 */

import type { Action, AlertInfo, CommandInfo, MessageOf, NodeStatus, TaskInfo } from "../live/messages";
import { Commands, type ShownCommand } from "./commands";
import type { PageData } from "./settings";

export type Kind = "nodes" | "tasks" | "alerts";
type Listener = (id: string) => void;

const OCCUPYING = new Set(["dispatched", "running", "paused"]);
const FINAL = new Set(["succeeded", "failed", "cancelled", "timed_out", "lost"]);
/** Finished tasks beyond this number are dropped, oldest first; the work log has them. */
const MAX_FINISHED = 500;

export interface Figures {
  nodes: number;
  online: number;
  suspect: number;
  offline: number;
  running: number;
  /** Running as far as is known, but their node is unreachable. */
  unknown: number;
  queued: number;
  waiting: number;
  stalled: number;
  alerts: number;
  errors: number;
  cpu: number | null;
  busiest: { node: string; cpu: number } | null;
}

export class Fleet {
  readonly nodes = new Map<string, NodeStatus>();
  readonly tasks = new Map<string, TaskInfo>();
  readonly alerts = new Map<string, AlertInfo>();
  /** Part of their tasks: listeners to tasks are called for them. */
  readonly commands = new Commands();
  readonly #changed: Record<Kind, Set<Listener>> = { nodes: new Set(), tasks: new Set(), alerts: new Set() };
  readonly #replaced: Record<Kind, Set<() => void>> = { nodes: new Set(), tasks: new Set(), alerts: new Set() };

  constructor(data: PageData = {}) {
    this.replace(data);
  }

  onChange(kind: Kind, listener: Listener): void {
    this.#changed[kind].add(listener);
  }

  onReplace(kind: Kind, listener: () => void): void {
    this.#replaced[kind].add(listener);
  }

  /** Applies a snapshot: what it does not contain is gone. */
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
    this.nodes.set(node.id, node);
    this.#tell("nodes", node.id);
    if (before?.state !== node.state) this.#nodeMoved(node);
  }

  applyMetrics(message: MessageOf<"METRICS">): void {
    const node = this.nodes.get(message.node);
    if (!node) return;
    const { cpu, memory, disk, load } = message;
    const link = { ...node.link, rttMs: message.linkRttMs ?? node.link.rttMs };
    this.nodes.set(node.id, { ...node, cpu, memory, disk, load, link, lastSeenAt: message.at });
    this.#tell("nodes", node.id);
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

  /** The outcome before it was a command; null = it never becomes one. */
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

  /** Items that came with an HTML fragment; known ones came by push and are newer. */
  learnTasks(tasks: readonly TaskInfo[]): void {
    for (const task of tasks) if (!this.tasks.has(task.id)) this.tasks.set(task.id, task);
  }

  learnNodes(nodes: readonly NodeStatus[]): void {
    for (const node of nodes) if (!this.nodes.has(node.id)) this.nodes.set(node.id, node);
  }

  figures(): Figures {
    const figures: Figures = {
      nodes: this.nodes.size,
      online: 0,
      suspect: 0,
      offline: 0,
      running: 0,
      unknown: 0,
      queued: 0,
      waiting: 0,
      stalled: 0,
      alerts: this.alerts.size,
      errors: 0,
      cpu: null,
      busiest: null,
    };
    let sum = 0;
    let measured = 0;
    for (const node of this.nodes.values()) {
      figures[node.state] += 1;
      if (node.state !== "online" || node.cpu === null) continue;
      sum += node.cpu;
      measured += 1;
      if (!figures.busiest || node.cpu > figures.busiest.cpu) figures.busiest = { node: node.name, cpu: node.cpu };
    }
    if (measured > 0) figures.cpu = sum / measured;
    for (const task of this.tasks.values()) {
      if (task.state === "pending") figures.queued += 1;
      else if (task.unknownSince !== null) figures.unknown += 1;
      else if (OCCUPYING.has(task.state)) figures.running += 1;
      if (task.state !== "running" || task.unknownSince !== null) continue;
      if (task.health === "waiting" || task.health === "stalled") figures[task.health] += 1;
    }
    for (const alert of this.alerts.values()) if (alert.level === "error") figures.errors += 1;
    return figures;
  }

  /** A node's state is part of its tasks' state: on an unreachable node a task is not "running" but unknown. */
  #nodeMoved(node: NodeStatus): void {
    for (const task of this.tasks.values()) {
      if (task.node !== node.id || !OCCUPYING.has(task.state)) continue;
      const unknownSince = node.state === "online" ? null : (task.unknownSince ?? node.stateSince);
      this.tasks.set(task.id, { ...task, nodeState: node.state, unknownSince });
      this.#tell("tasks", task.id);
    }
  }

  #forgetFinished(): void {
    const finished = [...this.tasks.values()].filter((task) => FINAL.has(task.state));
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

export function isFinal(task: TaskInfo): boolean {
  return FINAL.has(task.state);
}
