/** Options that all lists of rows have in common. */

export interface RowOptions<T> {
  template: HTMLTemplateElement | null;
  /** The data attribute with a row's id. */
  idAttribute: string;
  get: (id: string) => T | undefined;
  patch: (row: HTMLElement, item: T) => void;
  /** Fills the constant parts of a new row. */
  name: (row: HTMLElement, item: T) => void;
  /** Where new rows are added. */
  place: "first" | "last";
}

/** A new row from the template, with its id but not yet patched; null if the page has no template. */
export function newRow<T>(
  options: Pick<RowOptions<T>, "template" | "idAttribute" | "name">,
  item: T,
): HTMLElement | null {
  const source = options.template?.content.querySelector<HTMLElement>(`[${options.idAttribute}]`);
  if (!source) return null;
  const row = document.importNode(source, true);
  options.name(row, item);
  return row;
}
