/** What every list of rows needs to know about its items. */

export interface RowOptions<T> {
  template: HTMLTemplateElement | null;
  /** The data attribute that holds a row's id. */
  idAttribute: string;
  get: (id: string) => T | undefined;
  patch: (row: HTMLElement, item: T) => void;
  /** Gives a new row its fixed parts. */
  name: (row: HTMLElement, item: T) => void;
  /** New rows come first or last. */
  place: "first" | "last";
}

/** A new row from the template, with its id set but not yet patched; null if the page has no template. */
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
