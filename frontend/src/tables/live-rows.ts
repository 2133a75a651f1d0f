/** Keeps the rows of a table in sync with the page's data. Never re-sorts visible rows. */

import { newRow, type RowOptions } from "./row-options";

export interface LiveRowsOptions<T> extends RowOptions<T> {
  body: () => HTMLElement | null;
  /** False: adds no row for this item (in a filtered list, or for another node's task). */
  isWanted: (item: T) => boolean;
  maxRows: number;
  /** Whether the row may be removed if there are too many. */
  isExpendable: (item: T) => boolean;
  onCount: (rows: number) => void;
}

export class LiveRows<T extends { id: string }> {
  readonly #options: LiveRowsOptions<T>;

  constructor(options: LiveRowsOptions<T>) {
    this.#options = options;
  }

  /** Patches, creates or removes an item's row. */
  update(id: string): void {
    const body = this.#options.body();
    if (!body) return;
    this.#update(body, id);
    this.#options.onCount(body.childElementCount);
  }

  /** After a snapshot: removes rows of missing items, patches the others, creates new ones. */
  updateAll(ids: Iterable<string>): void {
    const body = this.#options.body();
    if (!body) return;
    for (const row of [...body.children]) {
      if (this.#options.get(this.#idOf(row)) === undefined) row.remove();
    }
    for (const id of ids) this.#update(body, id);
    this.#options.onCount(body.childElementCount);
  }

  /** Patches the existing rows, for content that only the script draws. */
  refresh(): void {
    const body = this.#options.body();
    for (const row of body?.children ?? []) {
      const item = this.#options.get(this.#idOf(row));
      if (item !== undefined) this.#options.patch(row as HTMLElement, item);
    }
  }

  #update(body: HTMLElement, id: string): void {
    const { get, patch, idAttribute, isWanted } = this.#options;
    const item = get(id);
    let row = body.querySelector<HTMLElement>(`:scope > [${idAttribute}="${CSS.escape(id)}"]`);
    if (item === undefined) {
      row?.remove();
      return;
    }
    if (row === null && isWanted(item)) row = this.#create(body, item);
    if (row !== null) patch(row, item);
  }

  #create(body: HTMLElement, item: T): HTMLElement | null {
    const row = newRow(this.#options, item);
    if (row === null) return null;
    if (this.#options.place === "first") body.prepend(row);
    else body.append(row);
    this.#trim(body, row);
    return row;
  }

  #trim(body: HTMLElement, newest: HTMLElement): void {
    const { maxRows, get, isExpendable } = this.#options;
    for (const row of [...body.children].reverse()) {
      if (body.childElementCount <= maxRows) return;
      const item = get(this.#idOf(row));
      const isInUse = row === newest || row.contains(document.activeElement);
      if (!isInUse && (item === undefined || isExpendable(item))) row.remove();
    }
  }

  #idOf(row: Element): string {
    return row.getAttribute(this.#options.idAttribute) ?? "";
  }
}
