/**
 * Updates server-rendered cells. Each function changes the DOM only if the value differs, and never replaces an element,
 * so the focus stays.
 */

import type { Look } from "../app/settings";
import { visible } from "../app/unseen";

export function field<T extends Element = HTMLElement>(row: ParentNode, name: string): T | null {
  return row.querySelector<T>(`[data-field="${name}"]`);
}

export function setText(element: Element | null, text: string): void {
  if (!element || element.textContent === text) return;
  const shown = visible(text);
  if (element.textContent !== shown) element.textContent = shown;
}

export function setHidden(element: Element | null, isHidden: boolean): void {
  if (element) element.toggleAttribute("hidden", isHidden);
}

export function setAttribute(element: Element | null, name: string, value: string | null): void {
  if (!element || element.getAttribute(name) === value) return;
  if (value === null) element.removeAttribute(name);
  else element.setAttribute(name, value);
}

/** Sets the text; hides the element if it is empty. */
export function setOptionalText(element: Element | null, text: string): void {
  setText(element, text);
  setHidden(element, text === "");
}

/** Sets icon, label and colour of a state; hides the chip without one. */
export function setChip(chip: HTMLElement | null, look: Look | null): void {
  if (!chip) return;
  setHidden(chip, look === null);
  if (look === null) return;
  setAttribute(chip, "data-tone", look.tone);
  setAttribute(chip.querySelector("use"), "href", `#${look.icon}`);
  setText(chip.querySelector(".chip-label"), look.label);
}

/** Sets a <meter> or <progress> and its figure. */
export function setMeter(pair: HTMLElement | null, value: number, text: string): void {
  const bar = pair?.querySelector<HTMLMeterElement | HTMLProgressElement>("meter, progress");
  if (!pair || !bar) return;
  if (bar.value !== value) bar.value = value;
  setText(bar.nextElementSibling, text);
}

/** Sets a point in time; the ticker writes its text. */
export function setTime(time: HTMLElement | null, atMs: number | null): void {
  setAttribute(time, "data-at", atMs === null ? null : String(atMs));
}
