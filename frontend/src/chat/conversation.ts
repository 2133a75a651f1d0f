/** The page's copy of a conversation: the initial state and all messages since. Pure; no DOM. */

import type { Labels } from "../app/settings";
import type {
  ChatServerMessage,
  ChatState,
  ConversationInfo,
  EngineStatus,
  Fix,
  FullTurn,
  Phrases,
  Step,
  Turn,
} from "../live/messages";

/** An answer in progress, not stored yet. */
export interface Streaming {
  request: number;
  characters: string[];
  /** Pieces were missed: wait for the complete text. */
  isBroken: boolean;
}

export interface ShownTurn extends FullTurn {
  streaming: Streaming | null;
  retrying: { delaySeconds: number; reason: string } | null;
}

/** A part of an answer, in order. */
export type Part =
  | { kind: "text"; key: string; text: string; phrases?: Phrases }
  | { kind: "step"; key: string; step: Step };

export class Conversation {
  info: ConversationInfo;
  engine: EngineStatus;
  hasMore: boolean;
  readonly turns = new Map<string, ShownTurn>();

  readonly #labels: Pick<Labels, "decisions">;

  constructor(state: ChatState, labels: Pick<Labels, "decisions">) {
    this.#labels = labels;
    this.info = state;
    this.engine = state.engine;
    this.hasMore = state.hasMore;
    for (const turn of state.turns) this.turns.set(turn.id, { ...turn, streaming: null, retrying: null });
  }

  get inOrder(): ShownTurn[] {
    return [...this.turns.values()].sort((a, b) => a.number - b.number);
  }

  /** The turn that can be stopped. */
  get open(): ShownTurn | null {
    return this.inOrder.find((turn) => isOpen(turn, this.#labels)) ?? null;
  }

  /** The fix that started this turn. */
  fixOf(turn: string): Fix | null {
    for (const { analysis } of this.turns.values()) {
      const fix = analysis?.fixes.find((one) => one.turn === turn);
      if (fix) return fix;
    }
    return null;
  }

  /** Adds older turns from REST. */
  addOlder(turns: readonly FullTurn[], hasMore: boolean): void {
    for (const turn of turns)
      if (!this.turns.has(turn.id)) this.turns.set(turn.id, { ...turn, streaming: null, retrying: null });
    this.hasMore = hasMore;
  }

  /** Applies a message. Returns the changed turn; null if it is not about this conversation's turns. */
  apply(message: ChatServerMessage): ShownTurn | null {
    if (message.type === "CHAT_ACCEPTED" || message.conversation !== this.info.id) return null;
    if (message.type === "CHAT_CONVERSATION") {
      this.info = message.info;
      return null;
    }
    if (message.type === "CHAT_TURN") {
      const known = this.turns.get(message.turn.id);
      const rest = known ?? { messages: [], steps: [], analysis: null, streaming: null, retrying: null };
      const turn: ShownTurn = { ...rest, ...message.turn };
      if (!isOpen(turn, this.#labels)) turn.streaming = turn.retrying = null;
      this.turns.set(turn.id, turn);
      return turn;
    }
    const turn = this.turns.get(message.type === "CHAT_STEP" ? message.step.turn : message.turn);
    if (!turn) return null;
    switch (message.type) {
      case "CHAT_STEP":
        put(turn.steps, message.step);
        turn.retrying = null;
        break;
      case "CHAT_RESPONSE":
        put(turn.messages, message.message);
        turn.streaming = turn.retrying = null;
        break;
      case "CHAT_ANALYSIS":
        turn.analysis = message.analysis;
        break;
      case "CHAT_DELTA":
        turn.streaming = stream(turn.streaming, message.request, message.offset, message.text);
        turn.retrying = null;
        break;
      case "CHAT_RETRYING":
        turn.retrying = { delaySeconds: message.delaySeconds, reason: message.reason };
        break;
    }
    return turn;
  }
}

export function isOpen(turn: Pick<Turn, "state">, { decisions }: Pick<Labels, "decisions">): boolean {
  return decisions.turns[turn.state].isOpen;
}

/** Offsets count Unicode characters, not UTF-16 units as in JavaScript. */
export function stream(before: Streaming | null, request: number, offset: number, text: string): Streaming {
  const characters = before?.request === request ? before.characters : [];
  if (offset > characters.length) return { request, characters, isBroken: true };
  if (before?.request === request && before.isBroken && offset > 0) return before;
  return { request, characters: [...characters.slice(0, offset), ...text], isBroken: false };
}

/** Texts and steps of a turn, grouped by answer, with its text first. */
export function partsOf(turn: FullTurn): Part[] {
  const parts: [answer: number, position: number, part: Part][] = [
    ...turn.messages.map((text): [number, number, Part] => [
      Number(text.id),
      -1,
      { kind: "text", key: `m${text.id}`, text: text.text, ...(text.phrases && { phrases: text.phrases }) },
    ]),
    ...turn.steps.map((step): [number, number, Part] => [
      Number(step.message),
      step.position,
      { kind: "step", key: `s${step.id}`, step },
    ]),
  ];
  return parts.sort((a, b) => a[0] - b[0] || a[1] - b[1]).map(([, , part]) => part);
}

function put<T extends { id: string }>(items: T[], item: T): void {
  const index = items.findIndex((known) => known.id === item.id);
  if (index < 0) items.push(item);
  else items[index] = item;
}
