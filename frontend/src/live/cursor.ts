/** The position in the feed: drops messages that were already applied. Never compares numbers of different stores. */

import type { Cursor } from "./messages";

/** Compares two feed numbers, which may be larger than a double holds exactly. */
export function compareSeq(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : a > b ? 1 : 0;
}

export class FeedPosition {
  #store = "";
  #seq = "0";

  constructor(start?: Cursor) {
    if (start) this.reset(start);
  }

  /** Null until a position is known. */
  get cursor(): Cursor | null {
    return this.#store === "" ? null : { store: this.#store, seq: this.#seq };
  }

  /** Whether the message is new and may be applied; moves the position to it. */
  accept(message: Cursor): boolean {
    if (message.store !== this.#store) {
      // The server sends a SNAPSHOT before messages of another store; only base clients get a first message without one.
      if (this.#store !== "") return false;
      this.reset(message);
      return true;
    }
    if (compareSeq(message.seq, this.#seq) <= 0) return false;
    this.#seq = message.seq;
    return true;
  }

  /** Everything for this page up to here was received, because frames of a socket arrive in order. */
  advance(position: Cursor): void {
    if (position.store === this.#store && compareSeq(position.seq, this.#seq) > 0) this.#seq = position.seq;
  }

  reset(position: Cursor): void {
    this.#store = position.store;
    this.#seq = position.seq;
  }
}
