/** The lines of a log view: deduplicated, capped, and filtered. */

import type { LogLine } from "./line";

export type LineFilter = (line: LogLine) => boolean;

/** The effect of a change on the visible rows. */
export interface Change {
  appended: number;
  /** Rows were removed or added at the front, or all of them changed. */
  isRebuilt: boolean;
}

export class LogBuffer {
  readonly #capacity: number;
  #lines: LogLine[] = [];
  #visible: LogLine[] = [];
  #known = new Set<string>();
  /** Lines that the server found for the current filter, by id; not held otherwise. */
  #found: LogLine[] = [];
  #filter: LineFilter = () => true;
  #dropped = 0;
  #lineCount = 0;
  #matchCount = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get visible(): readonly LogLine[] {
    return this.#visible;
  }

  get lines(): readonly LogLine[] {
    return this.#lines;
  }

  /** Number of held lines, without gap rows. */
  get lineCount(): number {
    return this.#lineCount;
  }

  /** Number of lines that pass the filter, including those that the server found. */
  get matchCount(): number {
    return this.#matchCount;
  }

  /** Number of lines dropped at the front. */
  get dropped(): number {
    return this.#dropped;
  }

  append(lines: readonly LogLine[]): Change {
    const fresh = this.#unknown(lines);
    for (const line of fresh) this.#lines.push(line);
    // Trim a tenth at once, so that it happens rarely.
    const excess = this.#lines.length - this.#capacity;
    if (excess > this.#capacity / 10) {
      for (const line of this.#lines.splice(0, excess)) this.#known.delete(line.id);
      this.#dropped += excess;
      this.#redraw();
      return { appended: fresh.filter(this.#filter).length, isRebuilt: true };
    }
    let appended = 0;
    for (const line of fresh) {
      if (!line.isGap) this.#lineCount += 1;
      if (!this.#filter(line)) continue;
      if (!line.isGap) this.#matchCount += 1;
      this.#visible.push(line);
      appended += 1;
    }
    return { appended, isRebuilt: false };
  }

  /** Replaces all rows. */
  replace(lines: readonly LogLine[]): void {
    this.#lines = [...lines];
    this.#known = new Set(lines.map((line) => line.id));
    this.#redraw();
  }

  /** Starts another log; keeps the filter. */
  clear(): void {
    this.#found = [];
    this.#dropped = 0;
    this.replace([]);
  }

  /** Drops lines found for the last filter. */
  setFilter(filter: LineFilter): void {
    this.#filter = filter;
    this.#found = [];
    this.#redraw();
  }

  /** Adds found lines, which are shown while this filter is set. */
  addFound(lines: readonly LogLine[]): void {
    const held = new Set(this.#found.map((line) => line.id));
    const fresh = lines.filter((line) => !held.has(line.id) && !this.#known.has(line.id) && this.#filter(line));
    this.#found = [...this.#found, ...fresh].sort(byId);
    this.#redraw();
  }

  #redraw(): void {
    this.#visible = this.#lines.filter(this.#filter);
    if (this.#found.length > 0) {
      this.#found = this.#found.filter((line) => !this.#known.has(line.id));
      this.#visible = mixed(this.#found, this.#visible);
    }
    this.#lineCount = countLines(this.#lines);
    this.#matchCount = countLines(this.#visible);
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

function countLines(lines: readonly LogLine[]): number {
  return lines.reduce((count, line) => count + (line.isGap ? 0 : 1), 0);
}

/** Ids are decimal numbers that may be too large for a double. */
function byId(a: LogLine, b: LogLine): number {
  return a.id.length - b.id.length || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

/** Merges found lines into the held ones by id; gap rows keep their place. */
function mixed(found: readonly LogLine[], held: readonly LogLine[]): LogLine[] {
  const rows: LogLine[] = [];
  let next = 0;
  for (const line of held) {
    for (let one = found[next]; !line.isGap && one && byId(one, line) < 0; one = found[next]) {
      rows.push(one);
      next += 1;
    }
    rows.push(line);
  }
  return [...rows, ...found.slice(next)];
}
