/** Types shared by the live client and its users. */

import type { Cursor } from "./messages";

/** `since`: since when the page may have missed something; null before the first disconnect. */
export type LinkStatus =
  | { kind: "connecting"; since: number | null }
  | { kind: "live"; pushMs: number | null }
  /** Connected, but later events are not yet on the page. */
  | { kind: "behind"; since: number }
  | { kind: "silent"; since: number }
  | { kind: "waiting"; retryAt: number; since: number }
  | { kind: "closed"; reason: "login" | "forbidden"; since: number };

/** Since when the page may be out of date; null = it is current. */
export function oldSince(status: LinkStatus): number | null {
  return status.kind === "live" ? null : status.since;
}

/** There is no ticket. `login`: the person must log in again; `network`: retry later. */
export class TicketError extends Error {
  readonly reason: "login" | "forbidden" | "network";

  constructor(reason: "login" | "forbidden" | "network") {
    super(reason);
    this.reason = reason;
  }
}

/** The used part of WebSocket. */
export interface Socket {
  readonly readyState: number;
  onopen: (() => void) | null;
  onmessage: ((event: { data: string }) => void) | null;
  onclose: ((event: { code: number }) => void) | null;
  send(text: string): void;
  close(code?: number): void;
}

export interface LiveOptions {
  topics: readonly string[];
  /** The position of the rendered page. */
  start?: Cursor;
  openSocket: () => Socket;
  /** Fetches a ticket for AUTH. Throws `TicketError`. */
  ticket: () => Promise<string>;
  now?: () => number;
  random?: () => number;
  /** Schedules work for the next animation frame. */
  schedule?: (flush: () => void) => void;
}
