/** The page's topics: the initial ones and those subscribed to later. Pure. */

import type { ClientMessage, Cursor } from "./messages";

/** Topics of an AUTH without SUBSCRIBE. */
const DEFAULT_TOPICS = ["nodes", "tasks", "alerts"];

export class Topics {
  readonly #first: readonly string[];
  /** Subscribed topics; true = their state has arrived, so only missed messages are requested. */
  readonly #followed = new Map<string, boolean>();

  constructor(first: readonly string[]) {
    this.#first = first;
  }

  /** Adds a topic; false if it is already subscribed. */
  add(topic: string): boolean {
    if (this.#followed.has(topic)) return false;
    this.#followed.set(topic, false);
    return true;
  }

  remove(topic: string): boolean {
    return this.#followed.delete(topic);
  }

  /** The state of these topics has arrived. */
  came(topics: readonly string[]): void {
    for (const topic of topics) if (this.#followed.has(topic)) this.#followed.set(topic, true);
  }

  /** The subscriptions of a new connection. `since`: the position to resume from. */
  requests(since: Cursor | null): ClientMessage[] {
    const unwanted = DEFAULT_TOPICS.filter((topic) => !this.#first.includes(topic));
    const known = [...this.#followed.keys()].filter((topic) => this.#followed.get(topic));
    const unknown = [...this.#followed.keys()].filter((topic) => !this.#followed.get(topic));
    const asked: ClientMessage[] = unwanted.length > 0 ? [{ type: "UNSUBSCRIBE", topics: unwanted }] : [];
    asked.push({ type: "SUBSCRIBE", topics: [...this.#first, ...known], ...(since ? { since } : {}) });
    if (unknown.length > 0) asked.push({ type: "SUBSCRIBE", topics: unknown });
    return asked;
  }
}
