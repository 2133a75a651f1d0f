/**
 * Acknowledges applied messages: the first of a burst at once, because it measures the push latency; later ones at most
 * four times a second.
 */

import type { ClientMessage, Cursor } from "./messages";

const INTERVAL_MS = 250;

export class Acknowledger {
  readonly #send: (message: ClientMessage) => boolean;
  readonly #now: () => number;
  #cursor: Cursor | null = null;
  #appliedAt = 0;
  #ackedSeq = "";
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Whether something was acknowledged since the last `takeNews`. */
  #hasNews = false;

  constructor(send: (message: ClientMessage) => boolean, now: () => number) {
    this.#send = send;
    this.#now = now;
  }

  /** Everything up to `cursor` has been applied. */
  applied(cursor: Cursor | null): void {
    this.#cursor = cursor;
    this.#appliedAt = this.#now();
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#acknowledge();
    }, INTERVAL_MS);
    this.#acknowledge();
  }

  get hasNews(): boolean {
    return this.#hasNews;
  }

  forgetNews(): void {
    this.#hasNews = false;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #acknowledge(): void {
    if (this.#cursor === null || this.#cursor.seq === this.#ackedSeq) return;
    // The delay of this ACK is not part of the push latency.
    const heldMs = this.#now() - this.#appliedAt;
    if (!this.#send({ type: "ACK", cursor: this.#cursor, heldMs })) return;
    this.#ackedSeq = this.#cursor.seq;
    this.#hasNews = true;
  }
}
