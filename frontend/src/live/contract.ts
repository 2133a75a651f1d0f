// Written by `manage.py contract` from dashboard/live/contract.py and messages.py; do not edit.

export type AlertLevel = "error" | "warning";

export type ApprovalState = "waiting" | "approved" | "used" | "denied" | "expired" | "stale" | "withdrawn";

export type CommandKind = "start" | "pause" | "resume" | "cancel" | "input" | "retry";

export type CommandState = "pending" | "sent" | "acked" | "succeeded" | "failed" | "expired" | "unknown";

export type Confidence = "high" | "medium" | "low";

export type EngineName = "claude" | "offline";

export type FixState = "open" | "asked" | "done" | "refused" | "failed";

export type Lane = "states" | "logs";

export type LinkState = "ok" | "suspect" | "down";

export type LogLevel = "debug" | "info" | "warning" | "error";

export type LogStream = "stdout" | "stderr" | "system";

export type NodeRole = "leader" | "master" | "edge";

export type NodeState = "online" | "suspect" | "offline";

export type Risk = "" | "read" | "memory" | "mutating" | "destructive";

export type Role = "viewer" | "operator" | "admin";

export type StallKind = "waiting" | "stalled";

export type StepState = "proposed" | "waiting" | "approved" | "running" | "done" | "failed" | "denied" | "unknown";

export type StoreReason = "" | "full" | "locked" | "unreachable" | "error";

export type StoreState = "ok" | "failing";

export type TaskHealth = "healthy" | "quiet" | "waiting" | "stalled";

export type TaskState = "pending" | "dispatched" | "running" | "paused" | "succeeded" | "failed" | "cancelled" | "timed_out" | "lost";

export type Trigger = "person" | "stall";

export type TurnState = "queued" | "running" | "waiting" | "done" | "stopped" | "failed" | "interrupted";

export type Verdict = "none" | "watching" | "helped" | "not-helped";

/** The Leader has stored the request; to the asker alone. */
export interface Accepted {
  command: string;
  ref: string;
  task: string;
  type: "ACCEPTED";
}

export interface Ack {
  type: "ACK";
  cursor: string | number | Cursor;
  heldMs?: number;
}

/** What a person can request for an existing task. */
export type Action = "cancel" | "input" | "pause" | "resume" | "retry";

export interface AlertInfo {
  acknowledgedAt: number | null;
  acknowledgedBy: string;
  attempt: number;
  evidence: Array<string>;
  id: string;
  kind: string;
  level: AlertLevel;
  message: string;
  messageParts: Array<MessagePart>;
  node: string;
  openedAt: number;
  resolvedAt: number | null;
  task: string;
  taskName: string;
}

export interface AlertMessage {
  acknowledgedAt: number | null;
  acknowledgedBy: string;
  at?: number;
  attempt: number;
  evidence: Array<string>;
  id: string;
  kind: string;
  level: AlertLevel;
  message: string;
  messageParts: Array<MessagePart>;
  node: string;
  openedAt: number;
  resolvedAt: number | null;
  seq: string;
  store: string;
  task: string;
  taskName: string;
  type: "ALERT";
}

/** Why a task is stuck, what may help, and whether it did. Quotes are what programs printed. */
export interface Analysis {
  alert: string;
  cause: string;
  confidence: Confidence;
  createdAt: number;
  engine: EngineName;
  evidence: Array<Quote>;
  fixes: Array<Fix>;
  id: string;
  kind: StallKind;
  language: string;
  node: string;
  others: Array<string>;
  phrases: Record<string, Phrase>;
  task: string;
  turn: string;
  verdict: Verdict;
  verdictAt: number | null;
  verdictFix: number;
  verdictText: string;
}

export interface Approval {
  answeredAt: number | null;
  answeredBy: string;
  expiresAt: number;
  id: string;
  right: string;
  state: ApprovalState;
}

export interface Auth {
  type: "AUTH";
  token: string;
  batch?: boolean;
}

export interface AuthOk {
  heartbeatSeconds: number;
  role: Role;
  seq: string;
  store: string;
  type: "AUTH_OK";
  user: string;
}

/** Empty for a node that has not registered yet. */
export interface Capabilities {
  agentVersion?: string;
  allowsCommands?: boolean;
  architecture?: string;
  cpuCount?: number;
  gpus?: Array<Gpu>;
  memoryBytes?: number;
  os?: string;
  pauseMethod?: string;
  projects?: Array<Project>;
  pythonVersion?: string;
  slots?: number;
}

export interface Chat {
  type: "CHAT";
  ref?: string;
  text: string;
  targetContext?: string;
}

/** The Leader has stored what was said or answered; to the asker alone. */
export interface ChatAccepted {
  conversation: string;
  ref: string;
  turn: string;
  type: "CHAT_ACCEPTED";
}

export interface ChatAnalysisMessage {
  analysis: Analysis;
  at: number;
  conversation: string;
  seq: string;
  store: string;
  turn: string;
  type: "CHAT_ANALYSIS";
}

/** To an approval. */
export interface ChatAnswer {
  type: "CHAT_ANSWER";
  ref?: string;
  approval: string;
  decision: "approve" | "deny";
}

export interface ChatConversation {
  at: number;
  conversation: string;
  info: ConversationInfo;
  seq: string;
  store: string;
  type: "CHAT_CONVERSATION";
}

/** From `offset` on, this answer's text is now `text`. Ephemeral. */
export interface ChatDelta {
  conversation: string;
  offset: number;
  request: number;
  text: string;
  turn: string;
  type: "CHAT_DELTA";
}

/** A click on a proposal of the analysis in this turn. */
export interface ChatFix {
  type: "CHAT_FIX";
  ref?: string;
  turn: string;
  fix: number;
}

export interface ChatResponse {
  at: number;
  conversation: string;
  message: ChatText;
  seq: string;
  store: string;
  text: string;
  turn: string;
  type: "CHAT_RESPONSE";
}

export interface ChatRetry {
  type: "CHAT_RETRY";
  ref?: string;
  turn: string;
}

/** Ephemeral. */
export interface ChatRetrying {
  conversation: string;
  delaySeconds: number;
  reason: string;
  turn: string;
  type: "CHAT_RETRYING";
}

export interface ChatState {
  context: string;
  createdAt: number;
  engine: EngineStatus;
  hasMore: boolean;
  id: string;
  isOpen: boolean;
  lastAt: number;
  node: string;
  project: string;
  turns: Array<FullTurn>;
}

export interface ChatStepMessage {
  at: number;
  conversation: string;
  seq: string;
  step: Step;
  store: string;
  type: "CHAT_STEP";
}

export interface ChatStop {
  type: "CHAT_STOP";
  ref?: string;
  turn: string;
}

export interface ChatText {
  createdAt: number;
  id: string;
  phrases: Record<string, Phrase>;
  text: string;
  turn: string;
}

export interface ChatTurnMessage {
  at: number;
  conversation: string;
  seq: string;
  store: string;
  turn: Turn;
  type: "CHAT_TURN";
}

export interface CommandInfo {
  actor: string;
  attempt: number;
  changedAt: number;
  code: string;
  createdAt: number;
  id: string;
  kind: CommandKind;
  message: string;
  messageParts: Array<MessagePart>;
  node: string;
  ref: string;
  state: CommandState;
  task: string;
}

export interface CommandMessage {
  at: number;
  command: CommandInfo;
  seq: string;
  store: string;
  type: "COMMAND";
}

export interface Control {
  type: "CONTROL";
  action: Action;
  input?: string;
  closeInput?: boolean;
  reason?: string;
  ref?: string;
  task: string;
}

export interface ConversationInfo {
  context: string;
  createdAt: number;
  id: string;
  isOpen: boolean;
  lastAt: number;
  node: string;
  project: string;
}

/** A position in the feed of one store. Two stores' numbers are never compared. */
export interface Cursor {
  store: string;
  seq: string | number;
}

export interface EngineStatus {
  model: string;
  name: EngineName;
  reason: string;
}

export interface ErrorMessage {
  code: string;
  message: string;
  messageParts?: Array<MessagePart>;
  ref?: string;
  type: "ERROR";
}

/** An action that a person can start with one click and an approval. */
export interface Fix {
  arguments: Record<string, unknown>;
  label: string;
  number: number;
  phrases: Record<string, Phrase>;
  risk: Risk;
  state: FixState;
  tool: string;
  turn: string;
  why: string;
}

export interface FullTurn {
  actor: string;
  analysis: Analysis | null;
  costUsd: number;
  createdAt: number;
  endedAt: number | null;
  engine: string;
  id: string;
  isCostPartial: boolean;
  isRetriable: boolean;
  language: string;
  message: string;
  messages: Array<ChatText>;
  model: string;
  number: number;
  phrases: Record<string, Phrase>;
  problem: string;
  state: TurnState;
  steps: Array<Step>;
  text: string;
  trigger: Trigger;
  usage: Record<string, number>;
}

export interface Gpu {
  memory: Usage | null;
  name: string;
  temperature: number | null;
  utilization: number | null;
}

export interface JournalGap {
  at: number;
  attempt: number;
  firstLine: number;
  from: string;
  lane: Lane;
  lines: number;
  node: string;
  reason: string;
  seq: string;
  store: string;
  task: string;
  to: string;
  type: "GAP";
}

/** From a node to its parent. */
export interface Link {
  rttMs: number | null;
  state: LinkState;
}

export interface LogBatch {
  attempt: number;
  lines: Array<[string, number, number, LogLevel, LogStream, string]>;
  node: string;
  seq: string;
  store: string;
  task: string;
  type: "LOG";
}

/** One of AgentFlow's own messages: its code, and the values to fill in. */
export interface MessagePart {
  code: string;
  values: Record<string, string>;
}

/** Ephemeral: the newest wins; it has no position in the feed. */
export interface MetricsMessage {
  at: number;
  cpu: number | null;
  disk: Usage | null;
  gpus: Array<Gpu>;
  linkRttMs: number | null;
  load: number | null;
  memory: Usage | null;
  node: string;
  type: "METRICS";
}

export interface NamedTask {
  argv: Array<string>;
  description: string;
  name: string;
  stallAfterSeconds: number;
  timeoutSeconds: number;
}

export interface NodeStatus {
  base: boolean;
  capabilities: Capabilities;
  cpu: number | null;
  disk: Usage | null;
  gpus: Array<Gpu>;
  id: string;
  lastSeenAt: number | null;
  link: Link;
  load: number | null;
  memory: Usage | null;
  name: string;
  parent: string;
  role: NodeRole;
  running: number;
  slots: number;
  state: NodeState;
  stateSince: number | null;
  version: string;
}

export interface NodeStatusMessage {
  at?: number;
  node: NodeStatus;
  seq: string;
  store: string;
  type: "NODE_STATUS";
}

/** One of AgentFlow's own texts: its key, and the values to fill in. */
export interface Phrase {
  key: string;
  values: Record<string, string | number | Phrase | Array<string | Phrase>>;
}

export interface Ping {
  type: "PING";
}

/** This socket has been sent everything up to `seq` that it listens to. */
export interface Pong {
  pushMs: number | null;
  seq: string;
  store: string;
  type: "PONG";
}

export interface Project {
  name: string;
  path: string;
  tasks: Array<NamedTask>;
  types: Array<string>;
}

export interface Quote {
  id: string;
  kind: string;
  quote: string;
}

export interface Run {
  type: "RUN";
  project?: string;
  name?: string;
  node?: string;
  argv?: Array<string>;
  shellLine?: string;
  namedTask?: string;
  workingDirectory?: string;
  environment?: Record<string, string>;
  timeoutSeconds?: number;
  stallAfterSeconds?: number;
  closeInput?: boolean;
  ref?: string;
}

/** Log lines that made room for newer ones because this socket reads too slowly. */
export interface SlowGap {
  from: string;
  lane: "logs";
  messages: number;
  reason: "slow";
  skipped: number;
  to: string;
  type: "GAP";
}

/** The state of these topics at this place in the feed. */
export interface Snapshot {
  alerts?: Array<AlertInfo>;
  chats?: Array<ChatState>;
  commands?: Array<CommandInfo>;
  logs?: Array<LogBatch>;
  nodes?: Array<NodeStatus>;
  seq: string;
  store: string;
  tasks?: Array<TaskInfo>;
  topics: Array<string>;
  trouble?: StoreTrouble | null;
  type: "SNAPSHOT";
}

/** A tool call as a person sees it. */
export interface Step {
  acting: string;
  approval: Approval | null;
  arguments: unknown;
  createdAt: number;
  endedAt: number | null;
  id: string;
  isError: boolean;
  message: string;
  phrases: Record<string, Phrase>;
  position: number;
  result: string;
  risk: Risk;
  state: StepState;
  summary: string;
  tool: string;
  turn: string;
}

/** Whether the Leader can store new data. */
export interface StoreTrouble {
  at: number;
  message: string;
  reason: StoreReason;
  since: number | null;
  state: StoreState;
  type: "STORE";
}

export interface Subscribe {
  type: "SUBSCRIBE";
  topics: Array<string>;
  since?: string | number | Cursor | null;
  ref?: string;
}

export interface TaskInfo {
  acceptsInput: boolean;
  attempt: number;
  command: string;
  createdAt: number;
  createdBy: string;
  endedAt: number | null;
  exitCode: number | null;
  health: TaskHealth;
  id: string;
  message: string;
  messageParts: Array<MessagePart>;
  name: string;
  node: string;
  nodeState: NodeState | null;
  partialPause: boolean;
  pendingParts: Array<MessagePart>;
  pendingReason: string;
  progress: number | null;
  project: string;
  startedAt: number | null;
  state: TaskState;
  suppressedLines: number;
  targetNode: string;
  unknownSince: number | null;
  version: string;
}

export interface TaskUpdate {
  at?: number;
  seq: string;
  store: string;
  task: TaskInfo;
  type: "TASK_UPDATE";
}

export interface Turn {
  actor: string;
  costUsd: number;
  createdAt: number;
  endedAt: number | null;
  engine: string;
  id: string;
  isCostPartial: boolean;
  isRetriable: boolean;
  language: string;
  message: string;
  model: string;
  number: number;
  phrases: Record<string, Phrase>;
  problem: string;
  state: TurnState;
  text: string;
  trigger: Trigger;
  usage: Record<string, number>;
}

export interface Unsubscribe {
  type: "UNSUBSCRIBE";
  topics: Array<string>;
}

export interface Usage {
  percent: number | null;
  total: number;
  used: number;
}

export type ClientMessage =
  | Auth
  | Subscribe
  | Unsubscribe
  | Control
  | Run
  | Ack
  | Ping
  | Chat
  | ChatAnswer
  | ChatStop
  | ChatRetry
  | ChatFix;

export type ServerMessage =
  | NodeStatusMessage
  | MetricsMessage
  | TaskUpdate
  | LogBatch
  | AlertMessage
  | CommandMessage
  | JournalGap
  | StoreTrouble
  | ChatTurnMessage
  | ChatStepMessage
  | ChatResponse
  | ChatAnalysisMessage
  | ChatConversation
  | ChatDelta
  | ChatRetrying
  | AuthOk
  | Snapshot
  | SlowGap
  | Accepted
  | ChatAccepted
  | Pong
  | ErrorMessage;

/** What a message of a type must have, and which of it are objects; a type may have several forms. */
export const REQUIRED: Record<ServerMessage["type"], readonly Readonly<Record<string, boolean>>[]> = {
  ACCEPTED: [{"command": false, "ref": false, "task": false, "type": false}],
  ALERT: [{"acknowledgedAt": false, "acknowledgedBy": false, "attempt": false, "evidence": false, "id": false, "kind": false, "level": false, "message": false, "messageParts": false, "node": false, "openedAt": false, "resolvedAt": false, "seq": false, "store": false, "task": false, "taskName": false, "type": false}],
  AUTH_OK: [{"heartbeatSeconds": false, "role": false, "seq": false, "store": false, "type": false, "user": false}],
  CHAT_ACCEPTED: [{"conversation": false, "ref": false, "turn": false, "type": false}],
  CHAT_ANALYSIS: [{"analysis": true, "at": false, "conversation": false, "seq": false, "store": false, "turn": false, "type": false}],
  CHAT_CONVERSATION: [{"at": false, "conversation": false, "info": true, "seq": false, "store": false, "type": false}],
  CHAT_DELTA: [{"conversation": false, "offset": false, "request": false, "text": false, "turn": false, "type": false}],
  CHAT_RESPONSE: [{"at": false, "conversation": false, "message": true, "seq": false, "store": false, "text": false, "turn": false, "type": false}],
  CHAT_RETRYING: [{"conversation": false, "delaySeconds": false, "reason": false, "turn": false, "type": false}],
  CHAT_STEP: [{"at": false, "conversation": false, "seq": false, "step": true, "store": false, "type": false}],
  CHAT_TURN: [{"at": false, "conversation": false, "seq": false, "store": false, "turn": true, "type": false}],
  COMMAND: [{"at": false, "command": true, "seq": false, "store": false, "type": false}],
  ERROR: [{"code": false, "message": false, "type": false}],
  GAP: [{"at": false, "attempt": false, "firstLine": false, "from": false, "lane": false, "lines": false, "node": false, "reason": false, "seq": false, "store": false, "task": false, "to": false, "type": false}, {"from": false, "lane": false, "messages": false, "reason": false, "skipped": false, "to": false, "type": false}],
  LOG: [{"attempt": false, "lines": false, "node": false, "seq": false, "store": false, "task": false, "type": false}],
  METRICS: [{"at": false, "cpu": false, "disk": false, "gpus": false, "linkRttMs": false, "load": false, "memory": false, "node": false, "type": false}],
  NODE_STATUS: [{"node": true, "seq": false, "store": false, "type": false}],
  PONG: [{"pushMs": false, "seq": false, "store": false, "type": false}],
  SNAPSHOT: [{"seq": false, "store": false, "topics": false, "type": false}],
  STORE: [{"at": false, "message": false, "reason": false, "since": false, "state": false, "type": false}],
  TASK_UPDATE: [{"seq": false, "store": false, "task": true, "type": false}],
};
