/** What the messages of `/ws/` are about: nodes, tasks, commands, alerts and lines, in the words of docs/websocket.md. */

export type NodeState = "online" | "suspect" | "offline";
export type NodeRole = "leader" | "master" | "edge";
export type TaskState =
  | "pending"
  | "dispatched"
  | "running"
  | "paused"
  | "succeeded"
  | "failed"
  | "cancelled"
  | "timed_out"
  | "lost";
export type TaskHealth = "healthy" | "quiet" | "waiting" | "stalled";
export type LogLevel = "debug" | "info" | "warning" | "error";
export type LogStream = "stdout" | "stderr" | "system";
export type CommandState = "pending" | "sent" | "acked" | "succeeded" | "failed" | "expired" | "unknown";
export type Action = "pause" | "resume" | "cancel" | "retry" | "input";

export interface Usage {
  used: number | string | null;
  total: number | string | null;
  percent: number | null;
}

export interface NamedTask {
  name: string;
  argv: string[];
  timeoutSeconds: number;
  stallAfterSeconds: number;
  description: string;
}

export interface Project {
  name: string;
  path: string;
  types: string[];
  tasks: NamedTask[];
}

export interface Capabilities {
  projects?: Project[];
  allowsCommands?: boolean;
}

export interface NodeStatus {
  id: string;
  name: string;
  role: NodeRole;
  parent: string;
  state: NodeState;
  stateSince: number | null;
  cpu: number | null;
  memory: Usage | null;
  disk: Usage | null;
  load: number | null;
  link: { state: "ok" | "suspect" | "down"; rttMs: number | null };
  lastSeenAt: number | null;
  capabilities: Capabilities;
  slots: number;
  running: number;
  base: boolean;
}

/** The newest figures of a node; ephemeral, so it carries no position. */
export interface NodeMetrics {
  cpu: number | null;
  memory: Usage | null;
  disk: Usage | null;
  load: number | null;
  linkRttMs: number | null;
}

/** One clause of a message of AgentFlow's own; the values may be hostile. */
export interface MessagePart {
  code: string;
  values: Record<string, string>;
}

export interface TaskInfo {
  id: string;
  name: string;
  project: string;
  node: string | null;
  targetNode: string;
  state: TaskState;
  health: TaskHealth;
  attempt: number;
  progress: number | null;
  message: string;
  /** Missing in what an earlier version stored, like the other parts. */
  messageParts?: MessagePart[];
  exitCode: number | null;
  pendingReason: string;
  pendingParts?: MessagePart[];
  command: string;
  acceptsInput: boolean;
  partialPause: boolean;
  suppressedLines: number | string;
  createdBy: string;
  createdAt: number | null;
  startedAt: number | null;
  endedAt: number | null;
  nodeState: NodeState | null;
  unknownSince: number | null;
}

export interface CommandInfo {
  id: string;
  kind: string;
  task: string | null;
  attempt: number;
  node: string;
  state: CommandState;
  code: string;
  message: string;
  messageParts?: MessagePart[];
  ref: string;
  actor: string;
  createdAt: number | null;
  /** When it came to this state. */
  changedAt: number | null;
}

export interface AlertInfo {
  id: string;
  level: "error" | "warning";
  kind: string;
  message: string;
  messageParts?: MessagePart[];
  node: string;
  task: string;
  /** Also of a task that is gone. Missing in what an earlier version stored, like the attempt. */
  taskName?: string;
  /** 0 = it is about no task. */
  attempt?: number;
  /** Ids of what was seen; empty = nothing was. */
  evidence: string[];
  openedAt: number;
  resolvedAt: number | null;
  acknowledgedAt: number | null;
  acknowledgedBy: string;
}

/** One line of output: id, number in the attempt, origin's time, level, stream, text (hostile: text only, never HTML). */
export type WireLine = [id: string, number: number | string, atMs: number, level: LogLevel, stream: LogStream, text: string];
