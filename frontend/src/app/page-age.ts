/** Whether the page is current. If it is not, nothing on it may look live. */

import type { LiveClient } from "../live/client";
import { oldSince } from "../live/link";

export class PageAge {
  readonly #listeners = new Set<() => void>();
  #oldSince: number | null;
  #pushMs: number | null = null;

  constructor(live: LiveClient) {
    this.#oldSince = oldSince(live.status);
    live.onStatus((status) => {
      const pushMs = status.kind === "live" ? status.pushMs : null;
      if (oldSince(status) === this.#oldSince && pushMs === this.#pushMs) return;
      this.#oldSince = oldSince(status);
      this.#pushMs = pushMs;
      for (const listener of this.#listeners) listener();
    });
  }

  /** Since when the page may be out of date; null = it is current. */
  get oldSince(): number | null {
    return this.#oldSince;
  }

  /** Latency of recent changes, from the Leader's commit to this page; null = not measured, or disconnected. */
  get pushMs(): number | null {
    return this.#pushMs;
  }

  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }
}
