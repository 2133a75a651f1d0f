/** Adds rows for missing lines to a log, so that a gap never looks like silence. Pure. */

import type { Labels } from "../app/settings";
import type { Gap, LogBatch } from "../live/messages";
import { type LogLine, linesOf } from "./line";

/** Permanently missing lines of an attempt, with the reason. */
export interface LostLines {
  attempt: number;
  first: number;
  last: number;
  reason: string;
}

/** In the reader's language for a known reason. */
export function gapReason(reason: string, labels: Labels): string {
  return (Object.hasOwn(labels.gapReasons, reason) ? labels.gapReasons[reason] : undefined) ?? reason;
}

/** Null for a gap without line numbers. */
export function lostLines(gap: Gap): LostLines | null {
  const first = Number(gap.firstLine ?? 0);
  const lines = Number(gap.lines ?? 0);
  return first > 0 && lines > 0
    ? { attempt: gap.attempt ?? 1, first, last: first + lines - 1, reason: gap.reason ?? "" }
    : null;
}

/** Text of a gap row; `reason` is empty for lines that the server may still have. */
type Describe = (first: number, last: number, reason: string) => string;

/** Line numbers, both ends inclusive. */
export interface Range {
  first: number;
  last: number;
}

export class GapFinder {
  readonly #describe: Describe;
  #lost: LostLines[] = [];
  #attempt = 0;
  #lastNumber = 0;
  #isFromStart = false;
  #holes: Range[] = [];

  constructor(describe: Describe) {
    this.#describe = describe;
  }

  /** Gaps whose lines may still be available, so they can be requested. In the order of the log. */
  get holes(): readonly Range[] {
    return this.#holes;
  }

  get lastNumber(): number {
    return this.#lastNumber;
  }

  learn(lost: LostLines): void {
    const isKnown = this.#lost.some(
      (one) => one.attempt === lost.attempt && one.first <= lost.first && one.last >= lost.last,
    );
    if (!isKnown) this.#lost.push(lost);
  }

  /** The lines of one task, with a gap row where numbers are not consecutive. */
  drawn(lines: readonly LogLine[]): LogLine[] {
    const rows: LogLine[] = [];
    for (const line of lines) {
      const isSameAttempt = line.attempt === this.#attempt;
      // Sent twice; the buffer already has it.
      if (isSameAttempt && line.number <= this.#lastNumber) {
        rows.push(line);
        continue;
      }
      if (isSameAttempt && (this.#lastNumber > 0 || this.#isFromStart))
        rows.push(...this.#between(this.#lastNumber + 1, line.number - 1, line));
      rows.push(line);
      this.#attempt = line.attempt;
      this.#lastNumber = line.number;
    }
    return rows;
  }

  /** Starts a log. `isFromStart`: it starts at line 1, so absent lines before its first line are missing. */
  redrawn(lines: readonly LogLine[], attempt: number, isFromStart: boolean): LogLine[] {
    this.#attempt = attempt;
    this.#lastNumber = 0;
    this.#isFromStart = isFromStart;
    this.#holes = [];
    const [first] = lines;
    const rows = this.drawn(lines);
    // After the last line, only reported gaps are known.
    const end = Math.max(0, ...this.#lost.filter((lost) => lost.attempt === attempt).map((lost) => lost.last));
    if (end > this.#lastNumber && (first !== undefined || isFromStart)) {
      rows.push(...this.#between(this.#lastNumber + 1, end, { ...lines.at(-1), attempt }));
    }
    return rows;
  }

  #between(first: number, last: number, beside: Partial<LogLine>): LogLine[] {
    const { attempt = 0 } = beside;
    return this.#parts(first, last, attempt).map((part) => {
      if (part.reason === "") this.#holes.push({ first: part.first, last: part.last });
      return gapLine(`gap-${attempt}.${part.first}`, this.#describe(part.first, part.last, part.reason), beside);
    });
  }

  /** Splits a range by what is known about its lines. */
  #parts(first: number, last: number, attempt: number): (Range & { reason: string })[] {
    const known = this.#lost.filter((lost) => lost.attempt === attempt && lost.first <= last && lost.last >= first);
    const parts: (Range & { reason: string })[] = [];
    for (let at = first; at <= last; ) {
      const lost = known.find((one) => one.first <= at && one.last >= at);
      const next = Math.min(last + 1, ...known.filter((one) => one.first > at).map((one) => one.first));
      const end = lost ? Math.min(last, lost.last) : next - 1;
      const before = parts.at(-1);
      if (before?.reason === (lost?.reason ?? "")) before.last = end;
      else parts.push({ first: at, last: end, reason: lost?.reason ?? "" });
      at = end + 1;
    }
    return parts;
  }
}

/** Merges lines of two sources by number, without gap rows. */
export function mergedLines(present: readonly LogLine[], more: readonly LogLine[]): LogLine[] {
  const byNumber = new Map<string, LogLine>();
  for (const line of [...present, ...more]) if (!line.isGap) byNumber.set(`${line.attempt}.${line.number}`, line);
  return [...byNumber.values()].sort((a, b) => a.attempt - b.attempt || a.number - b.number);
}

/** Lines of many tasks with gap rows, each before the next line that arrived. */
export function withGaps(batches: readonly LogBatch[], gaps: readonly Gap[], draw: (gap: Gap) => LogLine): LogLine[] {
  const rest = [...gaps].sort((a, b) => (a.at ?? 0) - (b.at ?? 0));
  const rows: LogLine[] = [];
  for (const line of batches.flatMap(linesOf)) {
    while (rest[0] && (rest[0].at ?? 0) < line.atMs) rows.push(draw(rest.shift() as Gap));
    rows.push(line);
  }
  return [...rows, ...rest.map(draw)];
}

/** A row about missing lines; `beside` is the line next to it. */
export function gapLine(id: string, text: string, beside?: Partial<LogLine>): LogLine {
  return {
    id,
    number: 0,
    atMs: beside?.atMs ?? 0,
    level: "warning",
    stream: "system",
    node: beside?.node ?? "",
    task: beside?.task ?? "",
    attempt: beside?.attempt ?? 0,
    text,
    isGap: true,
  };
}
