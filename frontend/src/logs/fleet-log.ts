/** The log of all nodes or of one: the newest lines of many tasks in order of arrival, and gaps. */

import { entriesText } from "../app/node-gaps";
import type { Page } from "../app/page";
import type { Gap, LogBatch } from "../live/messages";
import { gapText } from "./attempt-log";
import type { LogBuffer } from "./buffer";
import { gapLine, lostLines, withGaps } from "./gaps";
import { type LogLine, linesOf } from "./line";
import type { LogView } from "./view";

export class FleetLog {
  readonly #page: Page;
  readonly #buffer: LogBuffer;
  readonly #view: LogView;
  /** Empty = all nodes. */
  readonly node: string;
  /** Maximum number of lines rendered by the server. */
  readonly #limit: number;
  #hasOlder = false;
  #gapCount = 0;

  constructor(page: Page, buffer: LogBuffer, view: LogView, place: { node: string; limit: number }) {
    this.#page = page;
    this.#buffer = buffer;
    this.#view = view;
    this.node = place.node;
    this.#limit = place.limit;
  }

  /** Whether the page has every line that the server has. */
  get isWhole(): boolean {
    return !this.#hasOlder && this.#buffer.dropped === 0;
  }

  /** The line from which on the log is complete. */
  get firstWhole(): LogLine | undefined {
    // A node's lines are those of its latest attempts; an older attempt may have printed in between.
    if (this.node !== "") return undefined;
    const { lines } = this.#buffer;
    return lines[lines.findLastIndex((line) => line.isGap) + 1];
  }

  begin(batches: readonly LogBatch[], gaps: readonly Gap[]): void {
    this.#hasOlder = this.node !== "" || batches.reduce((count, batch) => count + batch.lines.length, 0) >= this.#limit;
    this.#view.append(withGaps(batches, gaps, (gap) => this.#gapRow(gap)));
  }

  /** `isSnapshot`: these lines replace all earlier ones. */
  add(batches: readonly LogBatch[], isSnapshot: boolean): void {
    const lines = batches.flatMap(linesOf);
    if (isSnapshot && lines.length >= this.#page.settings.labels.decisions.limits.logLines) this.#markBreak(lines);
    this.#view.append(lines);
  }

  missing(gap: Gap): void {
    this.#hasOlder = true;
    this.#view.append([this.#gapRow(gap)]);
  }

  /** The page was disconnected for too long to get all missed lines. */
  #markBreak(lines: readonly LogLine[]): void {
    this.#hasOlder = true;
    const known = new Set(lines.map((line) => line.id));
    if (this.#buffer.lineCount === 0 || this.#buffer.lines.some((line) => known.has(line.id))) return;
    this.#gapCount += 1;
    this.#view.append([gapLine(`said-${this.#gapCount}`, this.#page.texts.get("log.gapUnknown"), lines[0])]);
  }

  /** Adds the gap where it was reported. */
  #gapRow(gap: Gap): LogLine {
    const { texts } = this.#page;
    const lost = lostLines(gap);
    const count = Number(gap.lines ?? gap.skipped ?? 0);
    const unplaced =
      entriesText(gap, this.#page) || (count > 0 ? texts.count("log.gap", count) : texts.get("log.gapUnknown"));
    const text = lost ? gapText(lost.first, lost.last, lost.reason, this.#page) : unplaced;
    this.#gapCount += 1;
    const named = gap.task ? (this.#page.fleet.tasks.get(gap.task)?.name ?? gap.task) : gap.node;
    return gapLine(
      gap.seq === undefined ? `said-${this.#gapCount}` : `gap-seq-${gap.seq}`,
      named ? `${named} · ${text}` : text,
      {
        node: gap.node ?? "",
        task: gap.task ?? "",
        atMs: gap.at ?? 0,
      },
    );
  }
}
