/** Draws what is missing between two lines of one attempt, so that a hole is never taken for silence. Pure. */

import type { LogLine } from "./line";

export class GapFinder {
  readonly #words: (missing: number) => string;
  #attempt = 0;
  #lastNumber = 0;

  constructor(words: (missing: number) => string) {
    this.#words = words;
  }

  /** The lines, with a drawn gap before each one whose number does not follow. Only for lines of one task. */
  drawn(lines: readonly LogLine[]): LogLine[] {
    const rows: LogLine[] = [];
    for (const line of lines) {
      const isSameAttempt = line.attempt === this.#attempt;
      // Sent a second time: the buffer knows it already.
      if (isSameAttempt && line.number <= this.#lastNumber) {
        rows.push(line);
        continue;
      }
      const missing = isSameAttempt && this.#lastNumber > 0 ? line.number - this.#lastNumber - 1 : 0;
      if (missing > 0) rows.push(gapLine(`gap-${line.id}`, this.#words(missing), line));
      rows.push(line);
      this.#attempt = line.attempt;
      this.#lastNumber = line.number;
    }
    return rows;
  }

  /** The next line follows whatever came before: its gap has been drawn by another word. */
  forget(): void {
    this.#lastNumber = 0;
  }
}

/** The lines of two sources as one log in the order of their numbers, without drawn gaps. */
export function mergedLines(present: readonly LogLine[], more: readonly LogLine[]): LogLine[] {
  const byNumber = new Map<string, LogLine>();
  for (const line of [...present, ...more]) if (!line.isGap) byNumber.set(`${line.attempt}.${line.number}`, line);
  return [...byNumber.values()].sort((a, b) => a.attempt - b.attempt || a.number - b.number);
}

/** A row that says that something is missing; `beside` is the line whose place it shares. */
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
