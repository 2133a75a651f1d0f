/** Sends a person's requests about conversations and returns the Leader's answers. */

import type { Page } from "../app/page";
import { RestError } from "../app/rest";
import type { ChatClientMessage, ChatServerMessage } from "../live/messages";
import type { ChatApi } from "./api";
import { fitsFrame } from "./contexts";

const ANSWER_WITHIN_MS = 20_000;

export type Answer = { ok: true; conversation: string; turn: string } | { ok: false; code: string; reason: string };
type ChatRequest = ChatClientMessage extends infer M ? (M extends unknown ? Omit<M, "ref"> : never) : never;

interface Pending {
  settle: (answer: Answer) => void;
  timer: ReturnType<typeof setTimeout>;
}

export class ChatRequests {
  readonly #page: Page;
  readonly #api: ChatApi;
  readonly #pending = new Map<string, Pending>();
  #count = 0;

  constructor(page: Page, api: ChatApi) {
    this.#page = page;
    this.#api = api;
    page.live.on("CHAT_ACCEPTED", (message) => this.#accepted(message));
    page.live.on("ERROR", (message) => {
      if (message.ref !== undefined)
        this.#settle(message.ref, {
          ok: false,
          code: message.code,
          reason: this.reasonOf(message.code, message.message),
        });
    });
  }

  /** Uses `/ws/`, or REST if the text does not fit into a frame. */
  async sendMessage(context: string, text: string): Promise<Answer> {
    if (fitsFrame(text)) return this.send({ type: "CHAT", text, targetContext: context });
    try {
      return { ok: true, ...(await this.#api.sendMessage(context, text)) };
    } catch (error) {
      const code = error instanceof RestError ? error.code : "unavailable";
      return { ok: false, code, reason: this.reasonOf(code, "") };
    }
  }

  send(request: ChatRequest): Promise<Answer> {
    this.#count += 1;
    const ref = `chat-${this.#count}-${Math.floor(Math.random() * 1e9)}`;
    return new Promise((settle) => {
      const timer = setTimeout(() => this.#settle(ref, this.#failure("chat.noAnswer")), ANSWER_WITHIN_MS);
      this.#pending.set(ref, { settle, timer });
      if (!this.#page.live.send({ ...request, ref } as ChatClientMessage))
        this.#settle(ref, this.#failure("toast.notSent"));
    });
  }

  reasonOf(code: string, message: string): string {
    const { chatReasons, reasons } = this.#page.settings.labels;
    const text = chatReasons[code] ?? reasons[code];
    return text === undefined ? message || code : text.replace("{message}", message);
  }

  #failure(key: string): Answer {
    return { ok: false, code: "unavailable", reason: this.#page.texts.get(key) };
  }

  #accepted(message: ChatServerMessage & { type: "CHAT_ACCEPTED" }): void {
    this.#settle(message.ref, { ok: true, conversation: message.conversation, turn: message.turn });
  }

  #settle(ref: string, answer: Answer): void {
    const pending = this.#pending.get(ref);
    if (!pending) return;
    clearTimeout(pending.timer);
    this.#pending.delete(ref);
    pending.settle(answer);
  }
}
