/**
 * The messages of `/ws/` as this page reads and writes them (docs/websocket.md), checked at the door.
 *
 * Ids and 64-bit numbers are strings; times named `…At` and `at` are Unix milliseconds; unknown messages are left alone.
 */

import { CHAT_PAYLOAD, type ChatClientMessage, type ChatServerMessage, type ChatState } from "./chat-messages";
import type { Action, AlertInfo, CommandInfo, MessagePart, NodeMetrics, NodeStatus, TaskInfo, WireLine } from "./things";

export type * from "./things";

/** Where in which store's feed the page stands. */
export interface Cursor {
  store: string;
  seq: string;
}

interface Positioned {
  store: string;
  seq: string;
}

export interface LogBatch extends Partial<Positioned> {
  type: "LOG";
  node: string;
  task: string;
  attempt: number;
  lines: WireLine[];
}

export interface Snapshot extends Positioned {
  type: "SNAPSHOT";
  topics: string[];
  nodes?: NodeStatus[];
  tasks?: TaskInfo[];
  alerts?: AlertInfo[];
  /** Those on their way, and those settled lately. */
  commands?: CommandInfo[];
  logs?: LogBatch[];
  trouble?: StoreTrouble | null;
  chats?: ChatState[];
}

/**
 * Something is missing. Without a `seq`: lines that were not sent because this page read too slowly. With one: entries that
 * the node dropped or nobody can send again.
 */
export interface Gap extends Partial<Positioned> {
  type: "GAP";
  reason?: string;
  skipped?: number | string;
  at?: number;
  lane?: "logs" | "states";
  node?: string;
  task?: string;
  attempt?: number;
  firstLine?: number | string;
  lines?: number | string;
  /** Numbers in the node's journal. */
  from?: number | string;
  to?: number | string;
}

/** Whether the Leader can store what comes in. */
export interface StoreTrouble {
  state: "ok" | "failing";
  reason: string;
  message: string;
  since: number | null;
}

export type ServerMessage =
  | ChatServerMessage
  | (Positioned & { type: "AUTH_OK"; user: string; role: string; heartbeatSeconds: number })
  | Snapshot
  | (Positioned & { type: "NODE_STATUS"; at: number; node: NodeStatus })
  | ({ type: "METRICS"; at: number; node: string } & NodeMetrics)
  | (Positioned & { type: "TASK_UPDATE"; at: number; task: TaskInfo })
  | LogBatch
  | (Positioned & { type: "ALERT"; at: number } & AlertInfo)
  | (Positioned & { type: "COMMAND"; at: number; command: CommandInfo })
  | { type: "ACCEPTED"; ref: string; task: string; command: string }
  | Gap
  | ({ type: "STORE"; at: number } & StoreTrouble)
  | (Partial<Positioned> & { type: "PONG"; pushMs: number | null })
  | { type: "ERROR"; code: string; message: string; messageParts?: MessagePart[]; ref?: string };

export type MessageType = ServerMessage["type"];
export type MessageOf<T extends MessageType> = Extract<ServerMessage, { type: T }>;

export interface RunRequest {
  project: string;
  node: string;
  name: string;
  namedTask?: string;
  argv?: string[];
  shellLine?: string;
  workingDirectory?: string;
  environment?: Record<string, string>;
  timeoutSeconds?: number;
  stallAfterSeconds?: number;
  closeInput?: boolean;
}

export interface ControlRequest {
  task: string;
  action: Action;
  input?: string;
  closeInput?: boolean;
  reason?: string;
}

export type ClientMessage =
  | { type: "AUTH"; token: string; batch: true }
  | { type: "SUBSCRIBE"; topics: string[]; since?: Cursor }
  | { type: "UNSUBSCRIBE"; topics: string[] }
  | ({ type: "CONTROL"; ref: string } & ControlRequest)
  | ({ type: "RUN"; ref: string } & RunRequest)
  | { type: "ACK"; cursor: Cursor; heldMs: number }
  | ChatClientMessage
  | { type: "PING" };

const PAYLOAD: Record<MessageType, (message: Record<string, unknown>) => boolean> = {
  AUTH_OK: (m) => typeof m.heartbeatSeconds === "number",
  SNAPSHOT: (m) => isPositioned(m) && Array.isArray(m.topics),
  NODE_STATUS: (m) => isPositioned(m) && isRecord(m.node) && typeof m.node.id === "string",
  METRICS: (m) => typeof m.node === "string",
  TASK_UPDATE: (m) => isPositioned(m) && isRecord(m.task) && typeof m.task.id === "string",
  LOG: (m) => Array.isArray(m.lines) && typeof m.task === "string",
  ALERT: (m) => isPositioned(m) && typeof m.message === "string",
  COMMAND: (m) => isPositioned(m) && isRecord(m.command),
  ACCEPTED: (m) => typeof m.ref === "string" && typeof m.task === "string",
  GAP: () => true,
  STORE: (m) => m.state === "ok" || m.state === "failing",
  PONG: () => true,
  ERROR: (m) => typeof m.code === "string",
  ...CHAT_PAYLOAD,
};

/** The messages of one frame: an object, or an array of them. What is not understood is left out, never guessed. */
export function parseFrame(text: string): ServerMessage[] {
  let frame: unknown;
  try {
    frame = JSON.parse(text);
  } catch {
    return [];
  }
  return (Array.isArray(frame) ? frame : [frame]).filter(isMessage);
}

function isMessage(value: unknown): value is ServerMessage {
  if (!isRecord(value) || typeof value.type !== "string") return false;
  return Object.hasOwn(PAYLOAD, value.type) && PAYLOAD[value.type as MessageType](value);
}

function isPositioned(message: Record<string, unknown>): boolean {
  return typeof message.store === "string" && typeof message.seq === "string";
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
