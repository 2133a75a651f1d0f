/** The lines a page holds: capped, each once, and which of them the filter lets through. */

import type { LogLine } from "./line";

export type LineFilter = (line: LogLine) => boolean;

/** What a change did to the visible rows. */
export interface Change {
  appended: number;
  /** Rows were taken from or put at the front, or all of them changed. */
  isRebuilt: boolean;
}

export class LogBuffer {
  readonly #capacity: number;
  #lines: LogLine[] = [];
  #visible: LogLine[] = [];
  #known = new Set<string>();
  #filter: LineFilter = () => true;
  #dropped = 0;

  constructor(capacity = 100_000) {
    this.#capacity = capacity;
  }

  get visible(): readonly LogLine[] {
    return this.#visible;
  }

  get lines(): readonly LogLine[] {
    return this.#lines;
  }

  get size(): number {
    return this.#lines.length;
  }

  /** Lines that the cap pushed out at the front. */
  get dropped(): number {
    return this.#dropped;
  }

  get first(): LogLine | undefined {
    return this.#lines[0];
  }

  get last(): LogLine | undefined {
    return this.#lines.at(-1);
  }

  append(lines: readonly LogLine[]): Change {
    const fresh = this.#unknown(lines);
    for (const line of fresh) this.#lines.push(line);
    // Trimmed in blocks of a tenth: once in a while instead of at every line.
    const excess = this.#lines.length - this.#capacity;
    if (excess > this.#capacity / 10) {
      for (const line of this.#lines.splice(0, excess)) this.#known.delete(line.id);
      this.#dropped += excess;
      this.#visible = this.#lines.filter(this.#filter);
      return { appended: fresh.filter(this.#filter).length, isRebuilt: true };
    }
    let appended = 0;
    for (const line of fresh) {
      if (!this.#filter(line)) continue;
      this.#visible.push(line);
      appended += 1;
    }
    return { appended, isRebuilt: false };
  }

  /** Puts these rows in the place of all that are here. */
  replace(lines: readonly LogLine[]): void {
    this.#lines = [...lines];
    this.#known = new Set(lines.map((line) => line.id));
    this.#visible = this.#lines.filter(this.#filter);
  }

  setFilter(filter: LineFilter): void {
    this.#filter = filter;
    this.#visible = this.#lines.filter(filter);
  }

  #unknown(lines: readonly LogLine[]): LogLine[] {
    const fresh: LogLine[] = [];
    for (const line of lines) {
      if (this.#known.has(line.id)) continue;
      this.#known.add(line.id);
      fresh.push(line);
    }
    return fresh;
  }
}
