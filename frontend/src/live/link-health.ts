/**
 * The link's health: whether anything may be missing, whether the server responds, and the latency of messages.
 * Pure: gets the time as an argument and sends nothing.
 */

import { compareSeq } from "./cursor";
import type { LinkStatus } from "./link";
import type { Cursor } from "./messages";

/** The page may be behind if a message took this long, or waits this long to be applied. */
const BEHIND_MS = 3000;
/** How long the PONG may take. */
const PROBE_MS = 1000;

export class LinkHealth {
  heartbeatMs = 30_000;
  pushMs: number | null = null;
  lastMessageAt = 0;
  pingedAt = 0;
  /** Since when something may be missing; null = nothing. */
  #missedSince: number | null = null;
  /** Since when the page may be behind because of a late message, until a PONG confirms that nothing is missing. */
  #lateSince: number | null = null;
  /** The server's feed position when the link opened; the page has caught up once it reaches it. */
  #goal: Cursor | null = null;

  get missedSince(): number | null {
    return this.#missedSince;
  }

  /** A link was opened; `cursor` is the server's feed position. */
  opened(goal: Cursor, heartbeatMs: number): void {
    this.#goal = goal;
    this.heartbeatMs = heartbeatMs;
  }

  /** The link is closed; events since `at` are missed. */
  disconnected(at: number): void {
    this.#missedSince ??= at;
    this.#lateSince = null;
  }

  /** A SNAPSHOT has replaced everything. */
  replaced(): void {
    this.#missedSince = this.#lateSince = null;
  }

  /** Whether to send a PING because a message from `at` was late. Clocks may differ, so only a PONG is reliable. */
  isLate(at: number, now: number): boolean {
    if (this.#missedSince !== null || this.#lateSince !== null || now - at < BEHIND_MS) return false;
    this.#lateSince = at;
    return true;
  }

  /** A PONG arrived after everything before it: the page is at `cursor`. */
  ponged(cursor: Cursor | null, pushMs: number | null): void {
    this.pushMs = pushMs ?? this.pushMs;
    this.#lateSince = null;
    if (cursor !== null && cursor.store === this.#goal?.store && compareSeq(cursor.seq, this.#goal.seq) >= 0)
      this.#missedSince = null;
  }

  /** Status of an open link: live, behind or silent. `queuedAt`: since when messages wait to be applied. */
  status(now: number, queuedAt: number | null): LinkStatus {
    if (this.isSilent(now)) return { kind: "silent", since: this.lastMessageAt };
    const isUnanswered = this.#lateSince !== null && now - this.pingedAt > PROBE_MS;
    const isUnapplied = queuedAt !== null && now - queuedAt > BEHIND_MS;
    const since = this.#missedSince ?? (isUnanswered ? this.#lateSince : isUnapplied ? queuedAt : null);
    return since === null ? { kind: "live", pushMs: this.pushMs } : { kind: "behind", since };
  }

  isSilent(now: number): boolean {
    return now - this.lastMessageAt > 1.5 * this.heartbeatMs;
  }

  /** Half-open connections report nothing, and the close event of a dead peer may take minutes. */
  isDead(now: number): boolean {
    return now - this.lastMessageAt > 2.5 * this.heartbeatMs;
  }
}
