/** What the server put into the page for its script: labels in the reader's language, addresses, the state it rendered. */

import type {
  Action,
  AlertLevel,
  ApprovalState,
  Confidence,
  Cursor,
  FixState,
  Gap,
  NodeRole,
  NodeState,
  Snapshot,
  StepState,
  TaskHealth,
  TaskState,
  TurnState,
  Verdict,
} from "../live/messages";
import type { ShownState } from "./commands";

export type Tone = "good" | "busy" | "warn" | "bad" | "calm" | "held";

export interface Look {
  label: string;
  icon: string;
  tone: Tone;
}

/** "unknown": while nobody can see its node. */
export type ShownTaskState = TaskState | "unknown";

/** What a task's row may say beside its state. */
export type NoteSource = "unknownSince" | "pendingReason" | "partialPause" | "message" | "exitCode";

/** What follows from a state, decided by the server (dashboard/pages/decisions.py) and looked up here. */
export interface Decisions {
  tasks: Record<
    ShownTaskState,
    {
      isFinal: boolean;
      isOccupying: boolean;
      showsHealth: boolean;
      /** Which of the overview's figures counts it; empty: none. */
      figure: string;
      /** The first that has a text is shown. */
      notes: readonly NoteSource[];
      /** At which time its running time ends, or stops being known. */
      ends: "endedAt" | "unknownSince";
      /** Without standard input, and with it. */
      actions: readonly [readonly Action[], readonly Action[]];
    }
  >;
  health: Record<TaskHealth, { waits: boolean; figure: string }>;
  nodes: Record<NodeState, { isReachable: boolean }>;
  roles: Record<NodeRole, { isMember: boolean }>;
  /** `staysSeconds`: for how long its task's row shows it; null: while it is open. */
  commands: Record<ShownState, { staysSeconds: number | null; explains: boolean }>;
  alerts: Record<AlertLevel, { figure: string }>;
  turns: Record<TurnState, { isOpen: boolean }>;
  fixes: Record<FixState, { mayBeAsked: boolean }>;
  /** What a fix does to its task, by its tool. */
  toolActions: Partial<Record<string, Action>>;
  /** How much a SNAPSHOT has at most: with as much, there may be more. */
  limits: { alerts: number; logLines: number };
  /** The figures that keep the overview from saying "all clear", in this order. */
  troubles: Record<"alerts" | "nodes" | "tasks", readonly string[]>;
}

export interface Labels {
  decisions: Decisions;
  nodeStates: Record<NodeState, Look>;
  taskStates: Record<ShownTaskState, Look>;
  /** "healthy" is missing: it is not shown. */
  taskHealth: Partial<Record<TaskHealth, Look>>;
  nodeRoles: Record<NodeRole, Look>;
  actions: Record<Action, Look>;
  /** The one command without a button. */
  start: string;
  commandStates: Record<ShownState, Look>;
  /** Without a word. */
  alertLevels: Record<AlertLevel, Look>;
  /** Why a command failed or was refused, by its code; for an unknown code the message is shown. */
  reasons: Record<string, string>;
  /** Why entries of a node are missing, by the reason. */
  gapReasons: Record<string, string>;
  /** Why the Leader cannot store anything. */
  storeReasons: Record<string, string>;
  chatTurns: Record<TurnState, Look>;
  chatSteps: Record<StepState, Look>;
  chatApprovals: Record<ApprovalState, Look>;
  chatConfidence: Record<Confidence, Look>;
  chatFixes: Record<FixState, Look>;
  /** "none" is missing: it is not shown. */
  chatVerdicts: Record<Exclude<Verdict, "none">, Look>;
  /** By the kind; one that is not here is shown by its name. */
  evidenceKinds: Record<string, string>;
  /** By the kernel's letter. */
  processStates: Record<string, string>;
  /** What a tool does, by its name; a tool that is not here is shown by its name. */
  chatTools: Record<string, string>;
  chatEffects: Record<string, string>;
  /** Why answers are rule-based. */
  chatEngines: Record<string, string>;
  chatReasons: Record<string, string>;
  /** AgentFlow's own texts, by the phrase's key. */
  phrases: Record<string, string>;
}

export interface Urls {
  ticket: string;
  login: string;
  /** With TASK and NODE as placeholders for the id. */
  task: string;
  taskLog: string;
  node: string;
  /** The root of conversations over REST. */
  chat: string;
  /** Alerts over REST, with their evidence. */
  alerts: string;
}

export interface Settings {
  language: string;
  strings: Record<string, string>;
  labels: Labels;
  urls: Urls;
}

/** The state that the server rendered, in the format of a SNAPSHOT. */
export type PageData = Partial<Pick<Snapshot, "nodes" | "tasks" | "alerts" | "commands" | "logs">> &
  Partial<Cursor> & {
    /** What is missing in what the server rendered. */
    gaps?: Gap[];
  };

export function readJson<T>(id: string, fallback: T): T {
  const text = document.getElementById(id)?.textContent;
  return text ? (JSON.parse(text) as T) : fallback;
}

export function metaContent(name: string): string {
  return document.querySelector<HTMLMetaElement>(`meta[name="${name}"]`)?.content ?? "";
}

export function startCursor(data: PageData): Cursor | undefined {
  return data.store !== undefined && data.seq !== undefined ? { store: data.store, seq: data.seq } : undefined;
}
