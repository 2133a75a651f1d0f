/**
 * The link's health: whether anything may be missing, whether the server still responds, and how long messages
 * take. Pure: it gets the time as an argument and sends nothing.
 */

import { compareSeq } from "./cursor";
import type { LinkStatus } from "./link";
import type { Cursor } from "./messages";

/** A message that took this long, or waits this long to be applied, means that the page may be behind. */
const BEHIND_MS = 3000;
/** How long the answer to that question may take. */
const PROBE_MS = 1000;

export class LinkHealth {
  heartbeatMs = 30_000;
  pushMs: number | null = null;
  heardAt = 0;
  pingedAt = 0;
  /** From when on something may be missing here; null = nothing is. */
  #missedSince: number | null = null;
  /** A message came late: since when the page may be behind, until a PONG says that it has everything. */
  #lateSince: number | null = null;
  /** The server's feed position when this link opened: the page has caught up only beyond it. */
  #goal: Cursor | null = null;

  get missedSince(): number | null {
    return this.#missedSince;
  }

  /** A link was opened; `cursor` is the server's feed position. */
  opened(goal: Cursor, heartbeatMs: number): void {
    this.#goal = goal;
    this.heartbeatMs = heartbeatMs;
  }

  /** The link is closed; events from `at` on are missed. */
  cut(at: number): void {
    this.#missedSince ??= at;
    this.#lateSince = null;
  }

  /** Everything up to now has arrived, as a whole. */
  replaced(): void {
    this.#missedSince = this.#lateSince = null;
  }

  /** Whether to ask if the page is behind: a message from `at` was long on its way. The clocks may differ, a PONG alone says it. */
  isLate(at: number, now: number): boolean {
    if (this.#missedSince !== null || this.#lateSince !== null || now - at < BEHIND_MS) return false;
    this.#lateSince = at;
    return true;
  }

  /** A PONG came, after everything before it: the page stands at `cursor`. */
  ponged(cursor: Cursor | null, pushMs: number | null): void {
    this.pushMs = pushMs ?? this.pushMs;
    this.#lateSince = null;
    if (cursor !== null && cursor.store === this.#goal?.store && compareSeq(cursor.seq, this.#goal.seq) >= 0)
      this.#missedSince = null;
  }

  /** Of an open link: live, behind since when, or silent since when. `queuedAt`: since when messages wait to be applied. */
  judge(now: number, queuedAt: number | null): LinkStatus {
    if (this.isSilent(now)) return { kind: "silent", since: this.heardAt };
    const isUnanswered = this.#lateSince !== null && now - this.pingedAt > PROBE_MS;
    const isUnapplied = queuedAt !== null && now - queuedAt > BEHIND_MS;
    const since = this.#missedSince ?? (isUnanswered ? this.#lateSince : isUnapplied ? queuedAt : null);
    return since === null ? { kind: "live", pushMs: this.pushMs } : { kind: "behind", since };
  }

  isSilent(now: number): boolean {
    return now - this.heardAt > 1.5 * this.heartbeatMs;
  }

  /** A half-open connection never reports anything; the close event of a dead peer may take minutes. */
  isDead(now: number): boolean {
    return now - this.heardAt > 2.5 * this.heartbeatMs;
  }
}
