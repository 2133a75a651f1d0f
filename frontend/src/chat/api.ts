/** The panel's REST requests: lists, older turns, and texts too long for a frame. Events arrive over `/ws/`. */

import { getJson, postJson } from "../app/rest";
import type { ChatState, ConversationInfo, EngineStatus } from "../live/messages";

export interface ConversationList {
  results: ConversationInfo[];
  engine: EngineStatus;
}

export class ChatApi {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  contexts(): Promise<{ results: string[]; engine: EngineStatus }> {
    return getJson(`${this.#root}contexts/`);
  }

  conversations(context: string): Promise<ConversationList> {
    return getJson(`${this.#root}conversations/?${new URLSearchParams({ context, limit: "30" })}`);
  }

  conversation(id: string, before = 0): Promise<ChatState> {
    return getJson(`${this.#root}conversations/${encodeURIComponent(id)}/${before > 0 ? `?before=${before}` : ""}`);
  }

  /** Opens the context's conversation. `fresh`: closes the current one and opens a new one. */
  open(context: string, fresh: boolean): Promise<ChatState> {
    return postJson(`${this.#root}conversations/`, { context, ...(fresh ? { fresh } : {}) });
  }

  async sendMessage(context: string, text: string): Promise<{ conversation: string; turn: string }> {
    const { id } = await this.open(context, false);
    return postJson(`${this.#root}conversations/${encodeURIComponent(id)}/messages/`, { text });
  }
}
