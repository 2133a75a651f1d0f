/** What the panel asks over REST: lists and older turns. What happens comes by `/ws/`. */

import type { ChatState, ConversationInfo, EngineStatus } from "../live/chat-messages";

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
    return this.#get("contexts/");
  }

  conversations(context: string): Promise<ConversationList> {
    return this.#get(`conversations/?${new URLSearchParams({ context, limit: "30" })}`);
  }

  conversation(id: string, before = 0): Promise<ChatState> {
    return this.#get(`conversations/${encodeURIComponent(id)}/${before > 0 ? `?before=${before}` : ""}`);
  }

  /** Closes the context's conversation and begins a new one. Throws with the server's words. */
  begin(context: string): Promise<ChatState> {
    const token = document.querySelector<HTMLInputElement>("input[name=csrfmiddlewaretoken]")?.value ?? "";
    return this.#ask("conversations/", {
      method: "POST",
      headers: { Accept: "application/json", "Content-Type": "application/json", "X-CSRFToken": token },
      body: JSON.stringify({ context, fresh: true }),
    });
  }

  #get<T>(path: string): Promise<T> {
    return this.#ask(path, { headers: { Accept: "application/json" } });
  }

  async #ask<T>(path: string, how: RequestInit): Promise<T> {
    const response = await fetch(this.#root + path, { ...how, redirect: "error", cache: "no-store" });
    const body: unknown = await response.json().catch(() => null);
    if (!response.ok) throw new ApiError(codeOf(body));
    return body as T;
  }
}

/** `code`: as ERROR has it; "unavailable" when the server says nothing. */
export class ApiError extends Error {
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

function codeOf(body: unknown): string {
  const { code, error } = (body ?? {}) as { code?: unknown; error?: { code?: unknown } };
  return typeof code === "string" ? code : typeof error?.code === "string" ? error.code : "unavailable";
}
