/** Renders AgentFlow's own texts, which arrive as a key with values (docs/websocket.md), in the reader's language. */

import type { Page } from "../app/page";
import type { Phrase, Phrases, PhraseValue } from "../live/messages";
import { plain } from "./markdown";

/** These keys have no text of their own: they join their `parts`. */
const JOINTS = new Map([
  ["lines", "\n"],
  ["sentences", " "],
]);

/** The text of this field: rendered if it is a known phrase, otherwise as received. */
export function phraseText<F extends string>(
  thing: Record<F, string> & { phrases?: Phrases },
  field: F,
  page: Page,
): string {
  const phrase = thing.phrases?.[field];
  return plain(phrase && knows(phrase, page) ? inWords(phrase, page) : thing[field]);
}

export function inWords(value: PhraseValue, page: Page): string {
  if (typeof value === "string") return value;
  if (typeof value === "number") return page.texts.number(value);
  if (Array.isArray(value)) return value.map((one) => inWords(one, page)).join(", ");
  const { key, values } = value;
  const joint = JOINTS.get(key);
  if (joint !== undefined)
    return partsOf(values.parts)
      .map((part) => inWords(part, page))
      .join(joint);
  // An unknown key (such as a new state) is shown as received.
  const words = page.settings.labels.phrases[key] ?? key.slice(key.lastIndexOf(".") + 1);
  return words.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const inner = values[name];
    return inner === undefined ? whole : inWords(inner, page);
  });
}

/** Sets the language of a text that a person or a model wrote. */
export function inLanguage<E extends HTMLElement>(
  element: E,
  thing: { phrases?: Phrases },
  field: string,
  language: string | undefined,
): E {
  if (language && !thing.phrases?.[field]) element.lang = language;
  return element;
}

function knows({ key }: Phrase, page: Page): boolean {
  return JOINTS.has(key) || Object.hasOwn(page.settings.labels.phrases, key);
}

function partsOf(parts: PhraseValue | undefined): PhraseValue[] {
  return Array.isArray(parts) ? parts : [];
}
