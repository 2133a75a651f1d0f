/**
 * The log of one attempt: its lines in the order of their numbers, what is missing in it, and what the server still has.
 *
 * Lines come by push, in order; earlier lines and lines that this page missed are requested by their numbers.
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
  /** Lines before this number come next: all from there on are either here or gone. */
  before: number;
}

export interface AttemptPlace {
  task: string;
  attempt: number;
  /** Lines before this number are not here yet; 1 = there are none. */
  before: number;
  /** The highest line number there is. */
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

  /** Lines there are, as far as this page knows; those that are gone count. */
  get total(): number {
    return Math.max(this.#place.last, this.#gaps.lastNumber);
  }

  /** Nothing is left to request: every line is here, or gone. */
  get isWhole(): boolean {
    return !this.#hasOlder && this.#gaps.holes.length === 0;
  }

  /** The line from which on nothing is left out. */
  get firstWhole(): LogLine | undefined {
    const hole = this.#gaps.holes.at(-1)?.last ?? 0;
    return this.#buffer.lines.find((line) => !line.isGap && line.number > hole);
  }

  get #hasOlder(): boolean {
    return this.#place.before > 1;
  }

  /** Another attempt is shown: responses still in flight are dropped. */
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
    // Lines dropped here are still on the server.
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

  /** The whole log with these lines too, and with all that is known to be missing. */
  #redraw(more: readonly LogLine[]): void {
    const lines = mergedLines(this.#buffer.lines, more);
    this.#view.replace(this.#gaps.redrawn(lines, this.#place.attempt, !this.#hasOlder));
  }

  /** Lines that this page missed: the server has them. Gaps that remain after that are truly missing. */
  async #fill(): Promise<void> {
    for (let hole = this.#gaps.holes.at(-1); hole && !this.#isClosed; hole = this.#gaps.holes.at(-1)) {
      // Before the first line: the rest comes when the reader scrolls there.
      const isFront = hole.first === 1;
      const reached = await this.#load(hole.last + 1, isFront);
      if (reached === null || reached > hole.last) return;
    }
  }

  /** Lines just before a line number; one request at a time. Returns how far back it got; null = not at all. */
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
      console.warn("older lines could not be loaded", error);
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

/** `reason` is empty for lines that are not here and may still come. */
export function gapText(first: number, last: number, reason: string, { texts, settings }: Page): string {
  if (reason === "") return texts.count("log.gap", last - first + 1);
  return texts.say(first === last ? "log.lostLine" : "log.lostLines", {
    first,
    last,
    reason: gapReason(reason, settings.labels),
  });
}
