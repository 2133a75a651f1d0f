/** Rows of one table, kept in sync with the page's data; never re-sorted while the reader looks. */

import { newRow, type RowOptions } from "./row-options";

export interface LiveRowsOptions<T> extends RowOptions<T> {
  body: () => HTMLElement | null;
  /** False: this item gets no new row (a filtered list, another node's task). */
  isWanted: (item: T) => boolean;
  maxRows: number;
  /** Which row may go when there are too many. */
  isExpendable: (item: T) => boolean;
  onCount: (rows: number) => void;
}

export class LiveRows<T extends { id: string }> {
  readonly #options: LiveRowsOptions<T>;

  constructor(options: LiveRowsOptions<T>) {
    this.#options = options;
  }

  /** Updates one item's row: patches, creates or removes it. */
  update(id: string): void {
    const body = this.#options.body();
    if (!body) return;
    this.#update(body, id);
    this.#options.onCount(body.childElementCount);
  }

  /** After a snapshot: removes rows of items that are gone, patches the others, creates new ones. */
  updateAll(ids: Iterable<string>): void {
    const body = this.#options.body();
    if (!body) return;
    for (const row of [...body.children]) {
      if (this.#options.get(this.#idOf(row)) === undefined) row.remove();
    }
    for (const id of ids) this.#update(body, id);
    this.#options.onCount(body.childElementCount);
  }

  /** Patches the existing rows, for what only the script can draw. */
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
