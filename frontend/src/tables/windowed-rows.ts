/**
 * A long list whose visible rows alone are in the DOM. Never re-sorts visible rows.
 *
 * A change of a row outside the view costs one entry in a map. The focused row stays in the DOM.
 */

import { setAttribute } from "./cells";
import { newRow, type RowOptions } from "./row-options";
import { RowWindow } from "./row-window";

export interface WindowedRowsOptions<T> extends RowOptions<T> {
  body: HTMLElement;
  /** The scrolling element. */
  box: HTMLElement;
  /** All items in list order; the server has rendered the first rows. */
  ids: Iterable<string>;
  /** Height of a row until one is measured. */
  estimatedHeight: number;
  /** Number of rows that pass the filter, and of all rows. */
  onCount: (shown: number, all: number) => void;
}

export class WindowedRows<T extends { id: string }> {
  readonly #options: WindowedRowsOptions<T>;
  readonly #window: RowWindow;
  readonly #rows = new Map<string, HTMLElement>();
  readonly #before = document.createElement("div");
  readonly #after = document.createElement("div");
  readonly #frame: HTMLElement;
  readonly #heights: ResizeObserver;
  /** All items in list order. */
  #ids: string[] = [];
  readonly #known = new Set<string>();
  /** Items that pass the filter, in order. */
  #shown: string[] = [];
  #passing = new Set<string>();
  #passes: ((item: T) => boolean) | null = null;
  #isListStale = false;
  #isDrawAsked = false;
  /** Scroll position of the box. */
  #top = 0;
  /** The box's height; null until measured, and until then the server's rows stay. */
  #height: number | null = null;

  constructor(options: WindowedRowsOptions<T>) {
    const { body, box, ids, estimatedHeight, idAttribute } = options;
    this.#options = options;
    this.#window = new RowWindow(estimatedHeight);
    // Spacers are outside the table, so that its head stays in place and its body contains only rows.
    this.#frame = body.closest("table") ?? body;
    this.#frame.before(this.#before);
    this.#frame.after(this.#after);
    this.#heights = new ResizeObserver((entries) => this.#resized(entries));
    for (const row of [...body.children] as HTMLElement[]) {
      const id = row.getAttribute(idAttribute) ?? "";
      this.#add(id, "last");
      this.#rows.set(id, row);
      this.#heights.observe(row);
    }
    for (const id of ids) if (!this.#known.has(id)) this.#add(id, "last");
    box.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.#heights.observe(box);
  }

  /** Marks an item as added, changed or removed. */
  update(id: string): void {
    const item = this.#options.get(id);
    const isKnown = this.#known.has(id);
    if (item === undefined) {
      if (isKnown) this.#remove(id);
      return;
    }
    if (!isKnown) this.#add(id, this.#options.place);
    else if (this.#passes !== null && this.#passes(item) !== this.#passing.has(id)) this.#listChanged();
    const row = this.#rows.get(id);
    if (row) this.#options.patch(row, item);
  }

  /** After a snapshot: removes missing items; keeps the order of the others. */
  updateAll(ids: Iterable<string>): void {
    for (const id of [...this.#ids]) if (this.#options.get(id) === undefined) this.#remove(id);
    for (const id of ids) this.update(id);
  }

  /** Patches the existing rows, for changes that are not in their items. */
  refresh(): void {
    for (const [id, row] of this.#rows) {
      const item = this.#options.get(id);
      if (item !== undefined) this.#options.patch(row, item);
    }
  }

  /** Null: no filter. */
  setFilter(passes: ((item: T) => boolean) | null): void {
    this.#passes = passes;
    this.#options.box.scrollTop = this.#top = 0;
    this.#listChanged();
  }

  /** Does not force a layout, because observers report the sizes. */
  #draw(): void {
    if (this.#isListStale) this.#listAgain();
    if (this.#height === null) return;
    const { start, end, before, after } = this.#window.span(this.#shown, this.#top, this.#height);
    const places = Array.from({ length: end - start }, (_, index) => start + index);
    const kept = this.#focusedPlace();
    const keptHeight = kept < 0 ? 0 : this.#window.heightOf(this.#shown[kept] as string);
    const isAbove = kept >= 0 && kept < start;
    const isBelow = kept >= end;
    if (isAbove) places.unshift(kept);
    if (isBelow) places.push(kept);
    this.#put(places);
    setHeight(this.#before, isAbove ? Math.max(0, before - keptHeight) : before);
    setHeight(this.#after, isBelow ? Math.max(0, after - keptHeight) : after);
  }

  #put(places: readonly number[]): void {
    const { body } = this.#options;
    const keep = new Set(places.map((place) => this.#shown[place]));
    for (const [id, row] of this.#rows) if (!keep.has(id)) this.#drop(id, row);
    let next = body.firstElementChild;
    for (const place of places) {
      const id = this.#shown[place] as string;
      const row = this.#rows.get(id) ?? this.#create(id);
      if (row === null) continue;
      if (row === next) next = row.nextElementSibling;
      else body.insertBefore(row, next);
      this.#tellPlace(row, place);
    }
  }

  /** Tells screen readers how long the list is. */
  #tellPlace(row: HTMLElement, place: number): void {
    const isTable = this.#frame !== this.#options.body;
    // The table's head counts as the first row.
    setAttribute(row, isTable ? "aria-rowindex" : "aria-posinset", String(place + (isTable ? 2 : 1)));
    if (isTable) setAttribute(this.#frame, "aria-rowcount", String(this.#shown.length + 1));
    else setAttribute(row, "aria-setsize", String(this.#shown.length));
  }

  #create(id: string): HTMLElement | null {
    const item = this.#options.get(id);
    const row = item === undefined ? null : newRow(this.#options, item);
    if (row === null || item === undefined) return null;
    this.#options.patch(row, item);
    this.#rows.set(id, row);
    this.#heights.observe(row);
    return row;
  }

  #drop(id: string, row: HTMLElement): void {
    this.#heights.unobserve(row);
    this.#rows.delete(id);
    row.remove();
  }

  #add(id: string, place: "first" | "last"): void {
    if (place === "first") this.#ids.unshift(id);
    else this.#ids.push(id);
    this.#known.add(id);
    this.#listChanged();
  }

  #remove(id: string): void {
    this.#ids.splice(this.#ids.indexOf(id), 1);
    this.#known.delete(id);
    this.#window.forget(id);
    this.#listChanged();
  }

  /** Draws once for all changes of this frame. */
  #listChanged(): void {
    if (this.#isListStale) return;
    this.#isListStale = true;
    queueMicrotask(() => this.#isListStale && this.#draw());
  }

  #listAgain(): void {
    const { get, onCount } = this.#options;
    // Also remove items that the page has dropped.
    for (const id of this.#ids.filter((one) => get(one) === undefined)) this.#remove(id);
    this.#isListStale = false;
    this.#shown = this.#ids.filter((id) => this.#passes === null || this.#passes(get(id) as T));
    this.#passing = new Set(this.#shown);
    onCount(this.#shown.length, this.#ids.length);
  }

  /** Index of the focused row; -1 = none. */
  #focusedPlace(): number {
    const { body, idAttribute } = this.#options;
    const row = document.activeElement?.closest(`[${idAttribute}]`);
    return row?.parentElement === body ? this.#shown.indexOf(row.getAttribute(idAttribute) ?? "") : -1;
  }

  #resized(entries: readonly ResizeObserverEntry[]): void {
    let hasMoved = false;
    for (const { target, borderBoxSize, contentRect } of entries) {
      if (target === this.#options.box) {
        hasMoved ||= this.#height !== contentRect.height;
        this.#height = contentRect.height;
      } else {
        const id = target.getAttribute(this.#options.idAttribute) ?? "";
        const height = borderBoxSize[0]?.blockSize ?? 0;
        if (this.#rows.get(id) === target && this.#window.measured(id, height)) hasMoved = true;
      }
    }
    if (hasMoved) this.#drawSoon();
  }

  #scrolled(): void {
    this.#top = this.#options.box.scrollTop;
    this.#drawSoon();
  }

  #drawSoon(): void {
    if (this.#isDrawAsked) return;
    this.#isDrawAsked = true;
    requestAnimationFrame(() => {
      this.#isDrawAsked = false;
      this.#draw();
    });
  }
}

function setHeight(element: HTMLElement, pixels: number): void {
  const height = `${pixels}px`;
  if (element.style.height !== height) element.style.height = height;
}
