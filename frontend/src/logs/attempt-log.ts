/**
 * The log of one attempt: its lines by number, its gaps, and what the server still has.
 *
 * Lines are pushed in order. Earlier lines and lines that the page missed are requested by number.
 */

import type { Page } from "../app/page";
import { getJson } from "../app/rest";
import type { Gap, LogBatch } from "../live/messages";
import type { LogBuffer } from "./buffer";
import { GapFinder, gapReason, lostLines, mergedLines } from "./gaps";
import { type LogLine, linesOf } from "./line";
import type { LogView } from "./view";

/** The server's response to a request for older lines. */
interface OlderLines {
  logs: LogBatch[];
  gaps: Gap[];
  hasMore: boolean;
  /** Next, request lines before this number: all later ones are loaded or lost. */
  before: number;
}

export interface AttemptPlace {
  task: string;
  attempt: number;
  /** Lines before this number are not loaded; 1 = all are. */
  before: number;
  /** The highest line number. */
  last: number;
}

const RETRY_AFTER_MS = 5_000;

export class AttemptLog {
  readonly #page: Page;
  readonly #buffer: LogBuffer;
  readonly #view: LogView;
  readonly #place: AttemptPlace;
  readonly #gaps: GapFinder;
  readonly #note: (key: string) => void;
  #isLoading = false;
  #isClosed = false;
  #retryAt = 0;

  constructor(page: Page, buffer: LogBuffer, view: LogView, place: AttemptPlace, note: (key: string) => void) {
    this.#page = page;
    this.#buffer = buffer;
    this.#view = view;
    this.#place = place;
    this.#note = note;
    this.#gaps = new GapFinder((first, last, reason) => gapText(first, last, reason, page));
  }

  get attempt(): number {
    return this.#place.attempt;
  }

  /** Number of lines, as far as the page knows, including lost ones. */
  get total(): number {
    return Math.max(this.#place.last, this.#gaps.lastNumber);
  }

  /** Whether every line is loaded or lost. */
  get isWhole(): boolean {
    return !this.#hasOlder && this.#gaps.holes.length === 0;
  }

  /** The line from which on the log is complete. */
  get firstWhole(): LogLine | undefined {
    const hole = this.#gaps.holes.at(-1)?.last ?? 0;
    return this.#buffer.lines.find((line) => !line.isGap && line.number > hole);
  }

  get #hasOlder(): boolean {
    return this.#place.before > 1;
  }

  /** Switches to another attempt; pending responses are ignored. */
  close(): void {
    this.#isClosed = true;
    this.#note("");
  }

  begin(batches: readonly LogBatch[], gaps: readonly Gap[]): void {
    this.#learn(gaps);
    this.#redraw(this.#linesOf(batches));
  }

  add(batches: readonly LogBatch[]): void {
    const lines = this.#linesOf(batches);
    if (lines.length === 0) return;
    const dropped = this.#buffer.dropped;
    this.#view.append(this.#gaps.drawn(lines));
    // The server still has lines that the buffer dropped.
    if (this.#buffer.dropped > dropped)
      this.#place.before = this.#buffer.lines.find((line) => !line.isGap)?.number ?? 1;
    if (this.#gaps.holes.length > 0 && Date.now() >= this.#retryAt) void this.#fill();
  }

  missing(gap: Gap): void {
    if (gap.task !== this.#place.task || gap.attempt !== this.#place.attempt) return;
    this.#learn([gap]);
    this.#redraw([]);
  }

  async loadOlder(): Promise<void> {
    if (this.#hasOlder) await this.#load(this.#place.before, true);
  }

  #linesOf(batches: readonly LogBatch[]): LogLine[] {
    const { task, attempt } = this.#place;
    return batches.filter((batch) => batch.task === task && batch.attempt === attempt).flatMap(linesOf);
  }

  #learn(gaps: readonly Gap[]): void {
    for (const gap of gaps) {
      const lost = gap.lane !== "states" && gap.task === this.#place.task ? lostLines(gap) : null;
      if (lost) this.#gaps.learn(lost);
    }
  }

  /** Rebuilds the log with these lines and all known gaps. */
  #redraw(more: readonly LogLine[]): void {
    const lines = mergedLines(this.#buffer.lines, more);
    this.#view.replace(this.#gaps.redrawn(lines, this.#place.attempt, !this.#hasOlder));
  }

  /** Requests lines that the page missed. Gaps that remain are really missing. */
  async #fill(): Promise<void> {
    for (let hole = this.#gaps.holes.at(-1); hole && !this.#isClosed; hole = this.#gaps.holes.at(-1)) {
      // Before the first line: loaded when the reader scrolls there.
      const isFront = hole.first === 1;
      const reached = await this.#load(hole.last + 1, isFront);
      if (reached === null || reached > hole.last) return;
    }
  }

  /** Loads lines before a line number, one request at a time. Returns how far back it got; null = it failed. */
  async #load(before: number, isFront: boolean): Promise<number | null> {
    if (this.#isLoading) return null;
    this.#isLoading = true;
    this.#note("log.loading");
    try {
      const older = await this.#fetchLines(before);
      if (this.#isClosed) return null;
      this.#learn(older.gaps);
      if (isFront) this.#place.before = older.hasMore ? older.before : 1;
      this.#redraw(older.logs.flatMap(linesOf));
      this.#note("");
      return older.before;
    } catch (error) {
      if (this.#isClosed) return null;
      console.warn("could not load older lines", error);
      this.#retryAt = Date.now() + RETRY_AFTER_MS;
      this.#note("log.loadFailed");
      return null;
    } finally {
      this.#isLoading = false;
    }
  }

  #fetchLines(before: number): Promise<OlderLines> {
    const { task, attempt } = this.#place;
    const address = this.#page.settings.urls.taskLog.replace("TASK", encodeURIComponent(task));
    return getJson<OlderLines>(
      `${address}?${new URLSearchParams({ attempt: String(attempt), before: String(before) })}`,
    );
  }
}

/** `reason` is empty for lines that may still arrive. */
export function gapText(first: number, last: number, reason: string, { texts, settings }: Page): string {
  if (reason === "") return texts.count("log.gap", last - first + 1);
  return texts.get(first === last ? "log.lostLine" : "log.lostLines", {
    first,
    last,
    reason: gapReason(reason, settings.labels),
  });
}
