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

/** The Leader has stored the request; sent only to the requester. */
export interface Accepted {
  type: "ACCEPTED";
  ref: string;
  task: string;
  /** Empty for a new task and for `retry`. */
  command: string;
}

/** Everything up to `cursor` has been applied. Not answered. */
export interface Ack {
  type: "ACK";
  /** `{store, seq}`, or the `seq` alone. */
  cursor: string | number | Cursor;
  /** How long the client delayed this message. */
  heldMs?: number;
}

/** What a person can request for an existing task. */
export type Action = "cancel" | "input" | "pause" | "resume" | "retry";

export interface AlertInfo {
  id: string;
  level: AlertLevel;
  kind: string;
  message: string;
  phrases: Record<string, Phrase>;
  node: string;
  task: string;
  /** Also of a task that is gone. */
  taskName: string;
  /** 0 = it is about no task. */
  attempt: number;
  /** Changes with the message and the evidence of an open alert: what a person has seen. */
  digest: string;
  /** Ids of the evidence. */
  evidence: Array<string>;
  openedAt: number;
  /** Null = it is open. */
  resolvedAt: number | null;
  acknowledgedAt: number | null;
  acknowledgedBy: string;
}

/** An alert was opened, acknowledged or resolved. */
export interface AlertMessage {
  store: string;
  seq: string;
  /** Absent where a state is sent again to a client of the base messages. */
  at?: number;
  id: string;
  level: AlertLevel;
  kind: string;
  message: string;
  phrases: Record<string, Phrase>;
  node: string;
  task: string;
  /** Also of a task that is gone. */
  taskName: string;
  /** 0 = it is about no task. */
  attempt: number;
  /** Changes with the message and the evidence of an open alert: what a person has seen. */
  digest: string;
  /** Ids of the evidence. */
  evidence: Array<string>;
  openedAt: number;
  /** Null = it is open. */
  resolvedAt: number | null;
  acknowledgedAt: number | null;
  acknowledgedBy: string;
  type: "ALERT";
}

/** Why a task is stuck, what may help, and whether it did (of a turn with trigger `stall`). */
export interface Analysis {
  id: string;
  turn: string;
  alert: string;
  task: string;
  node: string;
  /** Ids of tasks with the same problem. */
  others: Array<string>;
  kind: StallKind;
  /** `offline` also if the model could not be used. */
  engine: EngineName;
  /** One or two sentences. */
  cause: string;
  confidence: Confidence;
  /** Quotes that support the cause. */
  evidence: Array<Quote>;
  /** At most three. */
  fixes: Array<Fix>;
  /** The stall detector's result after a fix. */
  verdict: Verdict;
  /** Number of the fix that was checked; 0 = none. */
  verdictFix: number;
  verdictText: string;
  verdictAt: number | null;
  phrases: Record<string, Phrase>;
  /** Language of the model's texts. */
  language: string;
  createdAt: number;
}

/** A person's permission for one step; `stale`: its target changed first. */
export interface Approval {
  id: string;
  /** Of the call and the state of its targets. An answer with another `seen` is refused. */
  digest: string;
  state: ApprovalState;
  /** Required to answer; as in `rights` of `GET /api/v1/me/`. */
  right: string;
  expiresAt: number;
  answeredBy: string;
  answeredAt: number | null;
}

/** Answered by `AUTH_OK`, or by close code 4401. */
export interface Auth {
  type: "AUTH";
  token: string;
  /** The client accepts an array of messages in one frame. */
  batch?: boolean;
}

/** The token is valid. */
export interface AuthOk {
  store: string;
  seq: string;
  type: "AUTH_OK";
  user: string;
  role: Role;
  heartbeatSeconds: number;
}

/** What a node can do; empty for a node that has not registered yet. */
export interface Capabilities {
  os?: string;
  architecture?: string;
  cpuCount?: number;
  memoryBytes?: number;
  pythonVersion?: string;
  agentVersion?: string;
  gpus?: Array<Gpu>;
  projects?: Array<Project>;
  slots?: number;
  allowsCommands?: boolean;
  pauseMethod?: string;
}

/** Answered by `CHAT_ACCEPTED`. Also subscribes the socket to the conversation's topic, so it gets the answer. */
export interface Chat {
  type: "CHAT";
  ref?: string;
  /** At most 32,000 characters. */
  text: string;
  /** `PROJECT:NODE`; either may be `*`; default: `*:*`. */
  targetContext?: string;
}

/** The Leader has stored the message or answer; sent only to the requester. */
export interface ChatAccepted {
  type: "CHAT_ACCEPTED";
  ref: string;
  conversation: string;
  turn: string;
}

/** Why a task is stuck and what may fix it. Every change sends the complete analysis. */
export interface ChatAnalysisMessage {
  store: string;
  seq: string;
  conversation: string;
  at: number;
  type: "CHAT_ANALYSIS";
  /** Id of the turn with trigger `stall`. */
  turn: string;
  analysis: Analysis;
}

/** Answered by `CHAT_ACCEPTED` or `ERROR`. */
export interface ChatAnswer {
  type: "CHAT_ANSWER";
  ref?: string;
  /** Its id. */
  approval: string;
  decision: "approve" | "deny";
  /** The `digest` of the approval that the person saw; a different one is refused as `stale`. */
  seen?: string;
}

/** A conversation was opened or closed. */
export interface ChatConversation {
  store: string;
  seq: string;
  conversation: string;
  at: number;
  type: "CHAT_CONVERSATION";
  info: ConversationInfo;
}

/** A piece of an answer: `text` replaces everything from `offset` on. Ephemeral. */
export interface ChatDelta {
  type: "CHAT_DELTA";
  conversation: string;
  /** Its id. */
  turn: string;
  /** Number of the answer in this turn. */
  request: number;
  /** In characters. */
  offset: number;
  text: string;
}

/** Answered by `CHAT_ACCEPTED` with a new turn, whose step waits for an approval; or by `ERROR`. */
export interface ChatFix {
  type: "CHAT_FIX";
  ref?: string;
  /** The turn of the analysis. */
  turn: string;
  /** 1 to 3. */
  fix: number;
  /** The `digest` of the fix that the person saw; a different one is refused as `stale`. */
  seen?: string;
}

/** A complete answer. A turn may have several, with steps in between. */
export interface ChatResponse {
  store: string;
  seq: string;
  conversation: string;
  at: number;
  type: "CHAT_RESPONSE";
  /** Its id. */
  turn: string;
  text: string;
  message: ChatText;
}

/** Answered by `CHAT_ACCEPTED` with the turn that runs. */
export interface ChatRetry {
  type: "CHAT_RETRY";
  ref?: string;
  /** A turn that failed, was stopped or interrupted. */
  turn: string;
}

/** The model did not respond and is retried. Ephemeral. */
export interface ChatRetrying {
  type: "CHAT_RETRYING";
  conversation: string;
  /** Its id. */
  turn: string;
  delaySeconds: number;
  reason: string;
}

/** A conversation as in `chats` and over REST. */
export interface ChatState {
  id: string;
  /** `PROJECT:NODE`. */
  context: string;
  project: string;
  node: string;
  isOpen: boolean;
  createdAt: number;
  lastAt: number;
  engine: EngineStatus;
  /** The latest 50, oldest first. */
  turns: Array<FullTurn>;
  /** Older turns are available over REST. */
  hasMore: boolean;
}

/** A tool call was proposed or changed. */
export interface ChatStepMessage {
  store: string;
  seq: string;
  conversation: string;
  at: number;
  type: "CHAT_STEP";
  step: Step;
}

/** Answered by `CHAT_ACCEPTED` once the turn has stopped. */
export interface ChatStop {
  type: "CHAT_STOP";
  ref?: string;
  turn: string;
}

/** An answer of a turn. */
export interface ChatText {
  id: string;
  turn: string;
  text: string;
  phrases: Record<string, Phrase>;
  createdAt: number;
}

/** A turn started or changed. */
export interface ChatTurnMessage {
  store: string;
  seq: string;
  conversation: string;
  at: number;
  type: "CHAT_TURN";
  turn: Turn;
}

/** A request to a node, and what has become of it. */
export interface CommandInfo {
  id: string;
  kind: CommandKind;
  task: string;
  attempt: number;
  node: string;
  state: CommandState;
  /** Why it failed, for programs. */
  code: string;
  message: string;
  phrases: Record<string, Phrase>;
  /** As the client that sent it chose it. */
  ref: string;
  /** Who sent it. */
  actor: string;
  createdAt: number;
  /** When it entered this state. */
  changedAt: number;
}

/** A command entered a new state. */
export interface CommandMessage {
  store: string;
  seq: string;
  type: "COMMAND";
  at: number;
  command: CommandInfo;
}

/** Answered by `ACCEPTED` or `ERROR` with the `ref`, then by `COMMAND` with the `ref` at each change of state. A `retry` has no command: its result is the next attempt. */
export interface Control {
  type: "CONTROL";
  action: Action;
  /** For `input`: written to the task's standard input unchanged; include the newline. */
  input?: string;
  /** For `input`: closes it afterwards. */
  closeInput?: boolean;
  /** Shown with the command. */
  reason?: string;
  /** The client's own id for this request; `COMMAND` messages repeat it. */
  ref?: string;
  /** For `retry`: the `definition` in the `details` of an error `definition-changed`; accepts exactly that change. */
  definition?: string;
  /** What the person saw when they decided. */
  seen?: Seen;
  task: string;
}

/** A conversation without its turns. */
export interface ConversationInfo {
  id: string;
  /** `PROJECT:NODE`. */
  context: string;
  project: string;
  node: string;
  isOpen: boolean;
  createdAt: number;
  lastAt: number;
}

/** A position in the feed of one store. Numbers of different stores are never compared. */
export interface Cursor {
  store: string;
  seq: string | number;
}

/** Which engine answers. */
export interface EngineStatus {
  name: EngineName;
  model: string;
  /** Why it is the offline one: `no-key`, `chosen`, `daily-limit`. */
  reason: string;
}

/** A message or a request was refused. */
export interface ErrorMessage {
  phrases?: Record<string, Phrase>;
  /** For `definition-changed`: `definition` (send it with the retry to accept it), `nodes`, `before`, `after`. */
  details?: Record<string, unknown>;
  /** `ref` of the refused request. */
  ref?: string;
  type: "ERROR";
  /** Machine-readable. */
  code: string;
  /** Human-readable. */
  message: string;
}

/** An action that a person can start with one click and an approval. `asked`: a turn was started for it; `done`: it was sent, and its step shows the outcome. */
export interface Fix {
  number: number;
  /** Of the action. A request with another `seen` is refused. */
  digest: string;
  label: string;
  why: string;
  phrases: Record<string, Phrase>;
  tool: string;
  arguments: Record<string, unknown>;
  risk: Risk;
  state: FixState;
  /** Turn started by the click; empty = not clicked. */
  turn: string;
}

/** A turn with everything that belongs to it. */
export interface FullTurn {
  id: string;
  /** Position in its conversation, from 1. */
  number: number;
  trigger: Trigger;
  state: TurnState;
  /** Who sent it. */
  actor: string;
  text: string;
  /** `claude` or `offline`; empty = not known yet. */
  engine: string;
  model: string;
  /** Code of the reason why it failed. */
  problem: string;
  /** The reason as text. */
  message: string;
  phrases: Record<string, Phrase>;
  /** Language of AgentFlow's answers in it. */
  language: string;
  /** Whether `CHAT_RETRY` is allowed. */
  isRetriable: boolean;
  /** Tokens: `input`, `cacheRead`, `cacheWrite`, `output`. */
  usage: Record<string, number>;
  costUsd: number;
  /** `costUsd` is a lower limit: a request was cut off. */
  isCostPartial: boolean;
  createdAt: number;
  endedAt: number | null;
  messages: Array<ChatText>;
  steps: Array<Step>;
  analysis: Analysis | null;
}

export interface Gpu {
  name: string;
  /** Percent. */
  utilization: number | null;
  memory: Usage | null;
  /** Degrees Celsius. */
  temperature: number | null;
}

/** What a node dropped or no longer has: entries `from` to `to` of its journal ("0" if only lines are known). It cannot be recovered. */
export interface JournalGap {
  from: string;
  to: string;
  store: string;
  seq: string;
  /** `trimmed`, `oversize`, `damaged` (a replaced journal), `missing` … */
  reason: string;
  lane: Lane;
  node: string;
  /** Empty = unknown. */
  task: string;
  attempt: number;
  /** 0 = unknown. */
  firstLine: number;
  /** How many are missing from there on; 0 = unknown. */
  lines: number;
  type: "GAP";
  at: number;
}

/** The stream from a node to its parent. */
export interface Link {
  state: LinkState;
  rttMs: number | null;
}

/** New lines of output. */
export interface LogBatch {
  store: string;
  seq: string;
  type: "LOG";
  node: string;
  task: string;
  attempt: number;
  /** Each is `[id, number in the attempt, at, level, stream, text]`. */
  lines: Array<[string, number, number, LogLevel, LogStream, string]>;
}

/** Ephemeral: the newest wins; it has no position in the feed. */
export interface MetricsMessage {
  /** Percent. */
  cpu: number | null;
  memory: Usage | null;
  disk: Usage | null;
  /** Average of one minute. */
  load: number | null;
  gpus: Array<Gpu>;
  type: "METRICS";
  at: number;
  /** Its id. */
  node: string;
  linkRttMs: number | null;
}

/** A task that a node's configuration names. */
export interface NamedTask {
  name: string;
  argv: Array<string>;
  /** 0 = none. */
  timeoutSeconds: number;
  /** 0 = the node's default. */
  stallAfterSeconds: number;
  description: string;
}

/** A node and its newest metrics. */
export interface NodeStatus {
  /** Percent. */
  cpu: number | null;
  memory: Usage | null;
  disk: Usage | null;
  /** Average of one minute. */
  load: number | null;
  gpus: Array<Gpu>;
  id: string;
  name: string;
  role: NodeRole;
  /** Id of the node it is connected to. */
  parent: string;
  state: NodeState;
  /** When it entered this state. */
  stateSince: number | null;
  link: Link;
  lastSeenAt: number | null;
  capabilities: Capabilities;
  slots: number;
  /** Attempts that occupy a slot. */
  running: number;
  /** It supports only the base messages. */
  base: boolean;
  /** Since when it is retired, and so in no list; null = in use. */
  retiredAt: number | null;
  version: string;
}

/** A node changed. */
export interface NodeStatusMessage {
  store: string;
  seq: string;
  /** Absent where a state is sent again to a client of the base messages. */
  at?: number;
  type: "NODE_STATUS";
  node: NodeStatus;
}

/** One of AgentFlow's own texts: its key, and the values to fill in. */
export interface Phrase {
  key: string;
  values: Record<string, string | number | Phrase | Array<string | Phrase>>;
}

/** Answered by `PONG`. */
export interface Ping {
  type: "PING";
}

/** This socket has received everything up to `seq` that it subscribed to. */
export interface Pong {
  store: string;
  seq: string;
  type: "PONG";
  /** How long recent changes took from the commit to the client's ACK; null = not measured yet. */
  pushMs: number | null;
}

export interface Project {
  name: string;
  path: string;
  /** Found by marker files: "python", "node", "rust", "go", "make" … */
  types: Array<string>;
  tasks: Array<NamedTask>;
}

/** A quote from a piece of an alert's evidence. */
export interface Quote {
  /** Id of that piece. */
  id: string;
  kind: string;
  quote: string;
}

/** Exactly one of `namedTask`, `argv` and `shellLine` is set. Answered by `ACCEPTED` with the new task's id, or `ERROR`. */
export interface Run {
  type: "RUN";
  /** In which it runs. */
  project?: string;
  /** Shown to everyone; default: the named task, or "command" and the start of the task's id. */
  name?: string;
  /** Default: any node that has the project and a free slot. */
  node?: string;
  /** A command as a list of words; for administrators. */
  argv?: Array<string>;
  /** A line for the shell; for administrators. */
  shellLine?: string;
  /** A task that the node's configuration names; needs `project`. */
  namedTask?: string;
  /** For administrators; default: the project's folder. */
  workingDirectory?: string;
  /** For administrators; added to the agent's clean environment. */
  environment?: Record<string, string>;
  /** 0 = none. */
  timeoutSeconds?: number;
  /** 0 = the node's default. */
  stallAfterSeconds?: number;
  /** Its standard input is empty. */
  closeInput?: boolean;
  ref?: string;
}

/** The task as the person saw it. The request is refused with the code `stale` if it has changed since. */
export interface Seen {
  /** The newest attempt. */
  attempt: number;
  /** The node of that attempt; empty = none yet. */
  node?: string;
  /** The attempt's last line of output. */
  line?: number;
}

/** Log lines that were dropped in favour of newer ones because this socket reads too slowly: the feed's messages `from` to `to`. They are still available over REST. */
export interface SlowGap {
  from: string;
  to: string;
  type: "GAP";
  reason: "slow";
  lane: "logs";
  /** Number of lines. */
  skipped: number;
  messages: number;
}

/** The state of these topics at this position. Of the optional fields it contains those that the topics cover. */
export interface Snapshot {
  store: string;
  seq: string;
  nodes?: Array<NodeStatus>;
  tasks?: Array<TaskInfo>;
  alerts?: Array<AlertInfo>;
  /** Open ones, and those settled within ten minutes; with `tasks` or `task:<id>`. */
  commands?: Array<CommandInfo>;
  /** The newest lines. */
  logs?: Array<LogBatch>;
  /** Null = the database accepts writes. */
  trouble?: StoreTrouble | null;
  /** Conversations. */
  chats?: Array<ChatState>;
  type: "SNAPSHOT";
  topics: Array<string>;
}

/** A tool call as a person sees it. Every change sends the complete step; the latest one with an `id` wins. */
export interface Step {
  id: string;
  turn: string;
  /** Id of the answer that contains it. */
  message: string;
  /** Index in that answer. */
  position: number;
  tool: string;
  arguments: unknown;
  /** `memory`: changes only AgentFlow's memory. */
  risk: Risk;
  /** The exact action, described by AgentFlow. */
  summary: string;
  state: StepState;
  /** User in whose name it runs. */
  acting: string;
  result: string;
  phrases: Record<string, Phrase>;
  isError: boolean;
  createdAt: number;
  endedAt: number | null;
  /** Null = no approval needed. */
  approval: Approval | null;
  /** Its command is left out; REST has it, for people who may run commands. */
  isWithheld: boolean;
}

/** Whether the Leader's database accepts writes. While it does not, nothing new is stored or shown; reading works and tasks continue. It has no position in the feed. */
export interface StoreTrouble {
  type: "STORE";
  at: number;
  state: StoreState;
  reason: StoreReason;
  message: string;
  /** Since when it rejects writes. */
  since: number | null;
}

/** Answered by a `SNAPSHOT`, or by the missed messages and `PONG`. */
export interface Subscribe {
  type: "SUBSCRIBE";
  topics: Array<string>;
  /** The last position of a client that reconnects. */
  since?: string | number | Cursor | null;
  ref?: string;
}

/** A task and its latest attempt. */
export interface TaskInfo {
  id: string;
  name: string;
  project: string;
  node: string;
  /** The requested node; empty = any. */
  targetNode: string;
  state: TaskState;
  health: TaskHealth;
  attempt: number;
  /** 0 to 1. */
  progress: number | null;
  message: string;
  /** Negative = ended by this signal. */
  exitCode: number | null;
  /** Why it is not assigned yet. */
  pendingReason: string;
  phrases: Record<string, Phrase>;
  /** A person's own command, or a request that the Leader does not have: input and retry need the right to run commands, and only REST answers say what it runs, to those who have it. */
  isCommand: boolean;
  /** Its standard input is open. */
  acceptsInput: boolean;
  /** Some of its processes still run although it is paused. */
  partialPause: boolean;
  /** Lines of output that were dropped because they came too fast. */
  suppressedLines: number;
  /** Secrets that were replaced in its output. */
  redacted: number;
  /** Lines of output that were replaced as a whole, because the search for secrets would have taken too long. */
  withheldLines: number;
  createdBy: string;
  createdAt: number;
  startedAt: number | null;
  endedAt: number | null;
  nodeState: NodeState | null;
  /** Since when its node is unreachable while the task should be running. */
  unknownSince: number | null;
  version: string;
}

/** A task changed. */
export interface TaskUpdate {
  store: string;
  seq: string;
  /** Absent where a state is sent again to a client of the base messages. */
  at?: number;
  type: "TASK_UPDATE";
  task: TaskInfo;
}

/** A message, or an alert that started an analysis, and the state of its answer. */
export interface Turn {
  id: string;
  /** Position in its conversation, from 1. */
  number: number;
  trigger: Trigger;
  state: TurnState;
  /** Who sent it. */
  actor: string;
  text: string;
  /** `claude` or `offline`; empty = not known yet. */
  engine: string;
  model: string;
  /** Code of the reason why it failed. */
  problem: string;
  /** The reason as text. */
  message: string;
  phrases: Record<string, Phrase>;
  /** Language of AgentFlow's answers in it. */
  language: string;
  /** Whether `CHAT_RETRY` is allowed. */
  isRetriable: boolean;
  /** Tokens: `input`, `cacheRead`, `cacheWrite`, `output`. */
  usage: Record<string, number>;
  costUsd: number;
  /** `costUsd` is a lower limit: a request was cut off. */
  isCostPartial: boolean;
  createdAt: number;
  endedAt: number | null;
}

/** Not answered. */
export interface Unsubscribe {
  type: "UNSUBSCRIBE";
  topics: Array<string>;
}

/** In bytes. */
export interface Usage {
  used: number;
  total: number;
  percent: number | null;
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
  ALERT: [{"acknowledgedAt": false, "acknowledgedBy": false, "attempt": false, "digest": false, "evidence": false, "id": false, "kind": false, "level": false, "message": false, "node": false, "openedAt": false, "phrases": false, "resolvedAt": false, "seq": false, "store": false, "task": false, "taskName": false, "type": false}],
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
