/** Renders AgentFlow's own texts, which arrive as a key with values (docs/websocket.md), in the reader's language. */

import { plain } from "../chat/markdown";
import type { Phrases, PhraseValue } from "../live/messages";
import type { Labels } from "./settings";

type Words = Pick<Labels, "phrases">;

/** The text of this field: rendered if it is a known phrase, otherwise as received. */
export function phraseText<F extends string>(
  thing: Record<F, string> & { phrases?: Phrases },
  field: F,
  labels: Words,
): string {
  const phrase = thing.phrases?.[field];
  return plain(phrase && isKnown(phrase, labels) ? inWords(phrase, labels) : thing[field]);
}

export function inWords(value: PhraseValue, labels: Words): string {
  if (typeof value === "string") return value;
  if (typeof value === "number") return String(value);
  if (Array.isArray(value)) return value.map((one) => inWords(one, labels)).join(", ");
  const { key, values } = value;
  // An unknown word (a new state, say) is shown as received.
  const words = wordsOf(key, labels) ?? key.slice(key.lastIndexOf(".") + 1);
  const parts = partsOf(values);
  if (parts) return parts.map((part) => inWords(part, labels)).join(words);
  // In one pass, because a value may contain braces.
  return words.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const inner = Object.hasOwn(values, name) ? values[name] : undefined;
    return inner === undefined ? whole : inWords(inner, labels);
  });
}

/** Text written by a person or a model carries its language. */
export function inLanguage<E extends HTMLElement>(
  element: E,
  thing: { phrases?: Phrases },
  field: string,
  language: string | undefined,
): E {
  if (language && !thing.phrases?.[field]) element.lang = language;
  return element;
}

/** Whether each of its sentences has words here. */
function isKnown(value: PhraseValue, labels: Words): boolean {
  if (typeof value !== "object" || Array.isArray(value)) return true;
  return (
    wordsOf(value.key, labels) !== undefined && (partsOf(value.values) ?? []).every((part) => isKnown(part, labels))
  );
}

function wordsOf(key: string, { phrases }: Words): string | undefined {
  return Object.hasOwn(phrases, key) ? phrases[key] : undefined;
}

/** A phrase with these joins them with its words, as "lines" does. */
function partsOf({ parts }: Record<string, PhraseValue>): PhraseValue[] | null {
  return Array.isArray(parts) ? parts : null;
}
