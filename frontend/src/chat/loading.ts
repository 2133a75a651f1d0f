/** Shown until a conversation has loaded: "loading", or why it failed. */

import { element, type Page } from "../app/page";
import { RestError } from "../app/rest";
import { setHidden, setText } from "../tables/cells";
import type { ChatRequests } from "./requests";

/** A requested conversation arrives by push, so not without a link. */
const EXPECTED_WITHIN_MS = 20_000;

export class Loading {
  readonly #page: Page;
  readonly #requests: ChatRequests;
  #phase: "loading" | "failed" | "here" = "loading";
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Retries the failed request. */
  #again: () => void = () => undefined;

  constructor(page: Page, requests: ChatRequests) {
    this.#page = page;
    this.#requests = requests;
    element("chat-again")?.addEventListener("click", () => {
      element("chat-log")?.focus();
      this.#again();
    });
  }

  get isHere(): boolean {
    return this.#phase === "here";
  }

  begin(again: () => void): void {
    this.#set("loading");
    this.#again = again;
    this.#timer = setTimeout(() => this.failed(new RestError("unavailable")), EXPECTED_WITHIN_MS);
  }

  failed(error: unknown): void {
    const code = error instanceof RestError ? error.code : "unavailable";
    setText(
      element("chat-failed-text"),
      [this.#page.texts.get("chat.notLoaded"), code === "unavailable" ? "" : this.#requests.reasonOf(code, "")]
        .join(" ")
        .trim(),
    );
    this.#set("failed");
  }

  /** The conversation has loaded; it may be empty. */
  done(): void {
    this.#set("here");
  }

  #set(phase: "loading" | "failed" | "here"): void {
    clearTimeout(this.#timer);
    this.#phase = phase;
    setHidden(element("chat-loading"), phase !== "loading");
    setHidden(element("chat-failed"), phase !== "failed");
  }
}
