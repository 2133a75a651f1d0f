/** Conversations as `/ws/` and REST carry them (docs/websocket.md). Texts are data: shown, never run. */

export type TurnState = "queued" | "running" | "waiting" | "done" | "stopped" | "failed" | "interrupted";
export type StepState = "proposed" | "waiting" | "approved" | "running" | "done" | "failed" | "denied" | "unknown";
export type ApprovalState = "waiting" | "approved" | "used" | "denied" | "expired" | "stale" | "withdrawn";

/** What AgentFlow says by itself: which sentence, and what is filled in. Worded by `chat/said.ts`. */
export interface Phrase {
  key: string;
  values: Record<string, PhraseValue>;
}

export type PhraseValue = string | number | Phrase | (string | Phrase)[];

/** By the field whose text it is; a field that is not here holds somebody's own words. */
export type Phrases = Record<string, Phrase | undefined>;

export interface Turn {
  id: string;
  number: number;
  /** Who began it: "person", or AgentFlow itself ("stall"). */
  trigger: string;
  state: TurnState;
  actor: string;
  text: string;
  engine: string;
  model: string;
  problem: string;
  message: string;
  phrases?: Phrases;
  /** Of the answers in it. */
  language?: string;
  usage: Partial<Record<"input" | "cacheRead" | "cacheWrite" | "output", number>>;
  costUsd: number;
  isCostPartial: boolean;
  createdAt: number;
  endedAt: number | null;
}

export interface Approval {
  id: string;
  state: ApprovalState;
  right: string;
  expiresAt: number;
  answeredBy: string;
  answeredAt: number | null;
}

export interface Step {
  id: string;
  turn: string;
  message: string;
  position: number;
  tool: string;
  arguments: unknown;
  risk: string;
  summary: string;
  state: StepState;
  acting: string;
  result: string;
  phrases?: Phrases;
  isError: boolean;
  createdAt: number;
  endedAt: number | null;
  approval: Approval | null;
}

export type EvidenceKind = "lines" | "processes" | "metrics" | "stacks";
export type Confidence = "high" | "medium" | "low";
export type FixState = "open" | "asked" | "done" | "refused" | "failed";
export type Verdict = "none" | "watching" | "helped" | "not-helped";

/** What a person may have done with one click and an approval. */
export interface Fix {
  number: number;
  label: string;
  why: string;
  phrases?: Phrases;
  tool: string;
  arguments: unknown;
  risk: string;
  state: FixState;
  /** The turn that a click began; empty = nobody has asked for it. */
  turn: string;
}

/** Why a task does not get on, what helps, and whether it did. Quotes are whatever a program printed. */
export interface Analysis {
  id: string;
  turn: string;
  alert: string;
  task: string;
  node: string;
  /** Tasks with the same trouble. */
  others: string[];
  kind: "waiting" | "stalled";
  engine: string;
  cause: string;
  confidence: Confidence;
  evidence: { id: string; kind: EvidenceKind; quote: string }[];
  fixes: Fix[];
  verdict: Verdict;
  /** Of which fix; 0 = none of them. */
  verdictFix: number;
  verdictText: string;
  verdictAt: number | null;
  phrases?: Phrases;
  /** Of what a model wrote in it. */
  language?: string;
  createdAt: number;
}

export interface ChatText {
  id: string;
  turn: string;
  text: string;
  phrases?: Phrases;
  createdAt: number;
}

export interface ConversationInfo {
  id: string;
  context: string;
  project: string;
  node: string;
  isOpen: boolean;
  createdAt: number;
  lastAt: number;
}

export interface EngineStatus {
  name: string;
  model: string;
  reason: string;
}

export interface FullTurn extends Turn {
  messages: ChatText[];
  steps: Step[];
  analysis?: Analysis | null;
}

export interface ChatState extends ConversationInfo {
  engine: EngineStatus;
  turns: FullTurn[];
  hasMore: boolean;
}

interface OfConversation {
  conversation: string;
}

interface InFeed extends OfConversation {
  store: string;
  seq: string;
  at: number;
}

export type ChatServerMessage =
  | { type: "CHAT_ACCEPTED"; ref: string; conversation: string; turn: string }
  | (InFeed & { type: "CHAT_TURN"; turn: Turn })
  | (InFeed & { type: "CHAT_STEP"; step: Step })
  | (InFeed & { type: "CHAT_RESPONSE"; turn: string; text: string; message: ChatText })
  | (InFeed & { type: "CHAT_ANALYSIS"; turn: string; analysis: Analysis })
  | (InFeed & { type: "CHAT_CONVERSATION"; info: ConversationInfo })
  | (OfConversation & { type: "CHAT_DELTA"; turn: string; request: number; offset: number; text: string })
  | (OfConversation & { type: "CHAT_RETRYING"; turn: string; delaySeconds: number; reason: string });

export type ChatClientMessage =
  | { type: "CHAT"; ref: string; text: string; targetContext: string }
  | { type: "CHAT_ANSWER"; ref: string; approval: string; decision: "approve" | "deny" }
  | { type: "CHAT_STOP"; ref: string; turn: string }
  | { type: "CHAT_RETRY"; ref: string; turn: string }
  | { type: "CHAT_FIX"; ref: string; turn: string; fix: number };

const isThing = (value: unknown): boolean => typeof value === "object" && value !== null && typeof (value as { id?: unknown }).id === "string";

const isAnalysis = (value: unknown): boolean => isThing(value) && Array.isArray((value as Analysis).evidence) && Array.isArray((value as Analysis).fixes);

export const CHAT_PAYLOAD: Record<ChatServerMessage["type"], (message: Record<string, unknown>) => boolean> = {
  CHAT_ACCEPTED: (m) => typeof m.ref === "string" && typeof m.conversation === "string",
  CHAT_TURN: (m) => isThing(m.turn),
  CHAT_STEP: (m) => isThing(m.step),
  CHAT_RESPONSE: (m) => isThing(m.message) && typeof m.turn === "string",
  CHAT_ANALYSIS: (m) => isAnalysis(m.analysis) && typeof m.turn === "string",
  CHAT_CONVERSATION: (m) => isThing(m.info),
  CHAT_DELTA: (m) => typeof m.turn === "string" && typeof m.text === "string" && typeof m.offset === "number",
  CHAT_RETRYING: (m) => typeof m.turn === "string" && typeof m.delaySeconds === "number",
};
