/** Types shared by the live client and its users. */

import type { Cursor } from "./messages";

/** `since`: from when on this page may have missed something; null before the first break. */
export type LinkStatus =
  | { kind: "connecting"; since: number | null }
  | { kind: "live"; pushMs: number | null }
  /** Connected, but events since then are not yet on the page. */
  | { kind: "behind"; since: number }
  | { kind: "silent"; since: number }
  | { kind: "waiting"; retryAt: number; since: number }
  | { kind: "closed"; reason: "login" | "forbidden"; since: number };

/** Since when the page may be out of date; null = it is current. */
export function oldSince(status: LinkStatus): number | null {
  return status.kind === "live" ? null : status.since;
}

/** No ticket: `login` = the person must log in again, `network` = retry later. */
export class TicketError extends Error {
  readonly reason: "login" | "forbidden" | "network";

  constructor(reason: "login" | "forbidden" | "network") {
    super(reason);
    this.reason = reason;
  }
}

/** The part of a WebSocket that is used. */
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
  /** The page's own position: what the server rendered. */
  start?: Cursor;
  openSocket: () => Socket;
  /** A new ticket for AUTH. Raises `TicketError`. */
  ticket: () => Promise<string>;
  now?: () => number;
  random?: () => number;
  /** Runs what has arrived, once per frame on screen. */
  schedule?: (flush: () => void) => void;
}
