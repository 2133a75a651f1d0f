/** Words between the live client and those who use it. */

import type { Cursor } from "./messages";

/** `since`: from when on this page may have missed something; null before it ever was cut off. */
export type LinkStatus =
  | { kind: "connecting"; since: number | null }
  | { kind: "live"; pushMs: number | null }
  /** Connected, but what has happened since then is not yet on the page. */
  | { kind: "behind"; since: number }
  | { kind: "silent"; since: number }
  | { kind: "waiting"; retryAt: number; since: number }
  | { kind: "closed"; reason: "login" | "forbidden"; since: number };

/** Since when what the page shows may be old; null = it is current. */
export function oldSince(status: LinkStatus): number | null {
  return status.kind === "live" ? null : status.since;
}

/** A ticket could not be had: `login` = the person must log in again, `network` = try later. */
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
