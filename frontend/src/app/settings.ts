/** The server's data for the page's script: labels in the reader's language, URLs, and the rendered state. */

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

/** "unknown": its node is unreachable. */
export type ShownTaskState = TaskState | "unknown";

/** Notes that a task's row may show beside its state. */
export type NoteSource = "unknownSince" | "pendingReason" | "partialPause" | "message" | "exitCode";

/** What follows from a state, as decided by the server (dashboard/pages/decisions.py). */
export interface Decisions {
  tasks: Record<
    ShownTaskState,
    {
      isFinal: boolean;
      isOccupying: boolean;
      showsHealth: boolean;
      /** The overview's figure that counts it; empty: none. */
      figure: string;
      /** The first with a text is shown. */
      notes: readonly NoteSource[];
      /** The field with the time at which its running time ends or becomes unknown. */
      ends: "endedAt" | "unknownSince";
      /** Without standard input, and with it. */
      actions: readonly [readonly Action[], readonly Action[]];
    }
  >;
  health: Record<TaskHealth, { waits: boolean; figure: string }>;
  nodes: Record<NodeState, { isReachable: boolean }>;
  roles: Record<NodeRole, { isMember: boolean }>;
  /** `staysSeconds`: how long its task's row shows it; null: while it is open. */
  commands: Record<ShownState, { staysSeconds: number | null; explains: boolean }>;
  alerts: Record<AlertLevel, { figure: string }>;
  turns: Record<TurnState, { isOpen: boolean }>;
  fixes: Record<FixState, { mayBeAsked: boolean }>;
  /** What a fix does to its task, by its tool. */
  toolActions: Partial<Record<string, Action>>;
  /** Limits of a SNAPSHOT: if it reaches one, there may be more. */
  limits: { alerts: number; logLines: number };
  /** Figures that prevent the overview from showing "all clear", in display order. */
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
  /** Without a label. */
  alertLevels: Record<AlertLevel, Look>;
  /** Why a command failed or was refused, by code; for unknown codes the message is shown. */
  reasons: Record<string, string>;
  /** Why entries of a node are missing, by reason. */
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
  /** By kind; an unknown kind is shown as is. */
  evidenceKinds: Record<string, string>;
  /** By the kernel's state letter. */
  processStates: Record<string, string>;
  /** By the tool's name; an unknown tool is shown by its name. */
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
  /** With the placeholders TASK and NODE for ids. */
  task: string;
  taskLog: string;
  node: string;
  /** Conversations in the REST API. */
  chat: string;
  /** Tasks in the REST API. */
  tasks: string;
  /** Alerts with their evidence in the REST API. */
  alerts: string;
}

export interface Settings {
  language: string;
  strings: Record<string, string>;
  labels: Labels;
  urls: Urls;
}

/** The rendered state, in the format of a SNAPSHOT. */
export type PageData = Partial<Pick<Snapshot, "nodes" | "tasks" | "alerts" | "commands" | "logs">> &
  Partial<Cursor> & {
    /** Gaps in the rendered log. */
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
