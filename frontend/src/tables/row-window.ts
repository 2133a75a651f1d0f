/**
 * Computes which rows of a long list belong in the DOM: visible rows and a few around them, by the heights measured when
 * they were last shown. Pure: gets all numbers as arguments.
 */

export interface Span {
  /** Shown rows: from `start` to before `end`. */
  start: number;
  end: number;
  /** Height in pixels of the rows before and after. */
  before: number;
  after: number;
}

/** Extra rows on either side, for scrolling and the Tab key. */
const AROUND = 6;

export class RowWindow {
  readonly #heights = new Map<string, number>();
  #estimate: number;

  constructor(estimate: number) {
    this.#estimate = estimate;
  }

  heightOf(id: string): number {
    return this.#heights.get(id) ?? this.#estimate;
  }

  /** Stores a measured height; true if it changed, so that later rows have moved. */
  measured(id: string, height: number): boolean {
    if (height === 0 || this.heightOf(id) === height) {
      if (height > 0) this.#heights.set(id, height);
      return false;
    }
    // Assume that rows not yet shown are as high as the first shown one.
    if (this.#heights.size === 0) this.#estimate = height;
    this.#heights.set(id, height);
    return true;
  }

  forget(id: string): void {
    this.#heights.delete(id);
  }

  /** `top`: scroll position of the list; `height`: of the scrolling box. */
  span(ids: readonly string[], top: number, height: number): Span {
    let start = 0;
    let y = 0;
    while (start < ids.length && y + this.heightOf(ids[start] as string) <= top)
      y += this.heightOf(ids[start++] as string);
    let end = start;
    while (end < ids.length && y < top + height) y += this.heightOf(ids[end++] as string);
    start = Math.max(0, start - AROUND);
    end = Math.min(ids.length, end + AROUND);
    return { start, end, before: this.#sum(ids, 0, start), after: this.#sum(ids, end, ids.length) };
  }

  #sum(ids: readonly string[], from: number, to: number): number {
    let sum = 0;
    for (let index = from; index < to; index += 1) sum += this.heightOf(ids[index] as string);
    return sum;
  }
}
