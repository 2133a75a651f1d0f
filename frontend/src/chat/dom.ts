/** Builds DOM nodes. Text is always inserted as text. */

import { iconElement } from "../app/page";
import { visible } from "../app/unseen";

type Child = Node | string | null;

export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className = "",
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (className) element.className = className;
  for (const child of children) if (child !== null) element.append(typeof child === "string" ? visible(child) : child);
  return element;
}

export function button(
  className: string,
  icon: string,
  label: string,
  data: Record<string, string>,
): HTMLButtonElement {
  const made = make("button", className, iconElement(icon), label);
  made.type = "button";
  Object.assign(made.dataset, data);
  return made;
}

/** A required part of the template. */
export function need<T extends HTMLElement = HTMLElement>(root: ParentNode, selector: string): T {
  const found = root.querySelector<T>(selector);
  if (!found) throw new Error(`the chat has no ${selector}`);
  return found;
}

/** A child; an equal `version` means that it looks the same. */
export interface Item {
  key: string;
  version: string;
  build: () => HTMLElement;
}

const versions = new WeakMap<HTMLElement, string>();

/** Replaces the children with these. Unchanged ones stay; redrawn ones keep their open state and the focus. */
export function sync(parent: HTMLElement, items: readonly Item[]): void {
  const present = new Map(
    [...parent.children].map((child) => [(child as HTMLElement).dataset.key ?? "", child as HTMLElement]),
  );
  let before: Element | null = parent.firstElementChild;
  for (const { key, version, build } of items) {
    let child = present.get(key);
    present.delete(key);
    if (child === undefined || versions.get(child) !== version) {
      const made = build();
      made.dataset.key = key;
      versions.set(made, version);
      if (child) {
        if (child === before) before = made;
        replace(child, made);
      }
      child = made;
    }
    if (child === before) before = before.nextElementSibling;
    else parent.insertBefore(child, before);
  }
  for (const gone of present.values()) gone.remove();
}

function replace(old: HTMLElement, made: HTMLElement): void {
  const folds = made.querySelectorAll("details");
  old.querySelectorAll("details").forEach((was, index) => {
    const fold = folds[index];
    if (fold) fold.open = was.open;
  });
  const active = old.contains(document.activeElement) ? (document.activeElement as HTMLElement) : null;
  old.replaceWith(made);
  if (!active) return;
  // Focus the same part by its name, else the whole element, so that the focus never jumps to the top of the page.
  const name = active.dataset.part;
  const part =
    name === undefined ? null : made.querySelector<HTMLElement>(`[data-part="${CSS.escape(name)}"]:not(:disabled)`);
  if (!part && !made.hasAttribute("tabindex")) made.tabIndex = -1;
  (part ?? made).focus({ preventScroll: true });
}
