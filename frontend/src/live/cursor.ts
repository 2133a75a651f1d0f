/** Order in the feed: drops messages already applied; never compares numbers of two stores. */

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

  /** True when the message is new and may be applied; the position then moves to it. */
  accept(message: Cursor): boolean {
    if (message.store !== this.#store) {
      // The server sends a SNAPSHOT before anything of another store; a first message without one is a base client's case.
      if (this.#store !== "") return false;
      this.reset(message);
      return true;
    }
    if (compareSeq(message.seq, this.#seq) <= 0) return false;
    this.#seq = message.seq;
    return true;
  }

  /** Everything up to here that concerns this page has been received: frames of one socket arrive in order. */
  advance(position: Cursor): void {
    if (position.store === this.#store && compareSeq(position.seq, this.#seq) > 0) this.#seq = position.seq;
  }

  reset(position: Cursor): void {
    this.#store = position.store;
    this.#seq = position.seq;
  }
}
