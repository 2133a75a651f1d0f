/** Shown until a conversation has loaded: that it is loading, or why it failed. Never that it is empty. */

import { element, type Page } from "../app/page";
import { RestError } from "../app/rest";
import { setHidden, setText } from "../tables/cells";
import type { Talk } from "./talk";

/** A conversation arrives by push after it was requested; without a link it does not. */
const EXPECTED_WITHIN_MS = 20_000;

export class Loading {
  readonly #page: Page;
  readonly #talk: Talk;
  #phase: "loading" | "failed" | "here" = "loading";
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Retries what failed. */
  #again: () => void = () => undefined;

  constructor(page: Page, talk: Talk) {
    this.#page = page;
    this.#talk = talk;
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
      [this.#page.texts.say("chat.notLoaded"), code === "unavailable" ? "" : this.#talk.reasonOf(code, "")]
        .join(" ")
        .trim(),
    );
    this.#set("failed");
  }

  /** It has loaded completely; it may be empty. */
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
