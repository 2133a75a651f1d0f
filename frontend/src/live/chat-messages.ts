/** Conversations as `/ws/` and REST carry them (docs/websocket.md). Texts are data: shown, never run. */

export type TurnState = "queued" | "running" | "waiting" | "done" | "stopped" | "failed" | "interrupted";
export type StepState = "proposed" | "waiting" | "approved" | "running" | "done" | "failed" | "denied" | "unknown";
export type ApprovalState = "waiting" | "approved" | "used" | "denied" | "expired" | "stale" | "withdrawn";

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
  isError: boolean;
  createdAt: number;
  endedAt: number | null;
  approval: Approval | null;
}

export interface ChatText {
  id: string;
  turn: string;
  text: string;
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
  | (InFeed & { type: "CHAT_CONVERSATION"; info: ConversationInfo })
  | (OfConversation & { type: "CHAT_DELTA"; turn: string; request: number; offset: number; text: string })
  | (OfConversation & { type: "CHAT_RETRYING"; turn: string; delaySeconds: number; reason: string });

export type ChatClientMessage =
  | { type: "CHAT"; ref: string; text: string; targetContext: string }
  | { type: "CHAT_ANSWER"; ref: string; approval: string; decision: "approve" | "deny" }
  | { type: "CHAT_STOP"; ref: string; turn: string }
  | { type: "CHAT_RETRY"; ref: string; turn: string };

const isThing = (value: unknown): boolean => typeof value === "object" && value !== null && typeof (value as { id?: unknown }).id === "string";

export const CHAT_PAYLOAD: Record<ChatServerMessage["type"], (message: Record<string, unknown>) => boolean> = {
  CHAT_ACCEPTED: (m) => typeof m.ref === "string" && typeof m.conversation === "string",
  CHAT_TURN: (m) => isThing(m.turn),
  CHAT_STEP: (m) => isThing(m.step),
  CHAT_RESPONSE: (m) => isThing(m.message) && typeof m.turn === "string",
  CHAT_CONVERSATION: (m) => isThing(m.info),
  CHAT_DELTA: (m) => typeof m.turn === "string" && typeof m.text === "string" && typeof m.offset === "number",
  CHAT_RETRYING: (m) => typeof m.turn === "string" && typeof m.delaySeconds === "number",
};
