/**
 * A virtual list of log lines: rows have a fixed height, and only visible ones are in the DOM.
 *
 * Follow mode keeps the end in view until the person scrolls up, and resumes when the person reaches the end again.
 */

import { visible } from "../app/unseen";
import { ansiFragment } from "./ansi";
import type { LineFilter, LogBuffer } from "./buffer";
import type { LogLine } from "./line";

/** Must match `.log-line` in the style sheet. */
const ROW_HEIGHT = 22;
const OVERSCAN = 10;

export interface LogViewOptions {
  box: HTMLElement;
  buffer: LogBuffer;
  /** Shown instead of the node's name if all lines are of one task. */
  showNumbers: boolean;
  taskUrl: (task: string) => string;
  /** Empty for a task that the page does not know. */
  taskName: (task: string) => string;
  /** Called after a paint that changed a count or the follow mode. */
  onChange: (view: LogView) => void;
  /** The person reached the top. */
  onTop?: () => void;
}

export class LogView {
  readonly #options: LogViewOptions;
  readonly #pad: HTMLElement;
  readonly #rows = new Map<number, HTMLElement>();
  readonly #time: Intl.DateTimeFormat;
  #isFollowing = true;
  #unseen = 0;
  #lastTop = 0;
  #frame = 0;
  #isDirty = true;

  constructor(options: LogViewOptions) {
    this.#options = options;
    this.#pad = document.createElement("div");
    this.#pad.className = "log-pad";
    options.box.replaceChildren(this.#pad);
    this.#time = new Intl.DateTimeFormat(document.documentElement.lang, {
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
      fractionalSecondDigits: 3,
      hourCycle: "h23",
    });
    options.box.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.#paintSoon()).observe(options.box);
    this.#paintSoon();
  }

  get isFollowing(): boolean {
    return this.#isFollowing;
  }

  /** Number of new lines below the visible ones. */
  get unseen(): number {
    return this.#unseen;
  }

  append(lines: readonly LogLine[]): void {
    const change = this.#options.buffer.append(lines);
    if (!this.#isFollowing) this.#unseen += change.appended;
    if (change.isRebuilt) this.#forgetRows();
    this.#dirty();
  }

  setFilter(filter: LineFilter): void {
    this.#options.buffer.setFilter(filter);
    this.#unseen = 0;
    this.#forgetRows();
    this.#dirty();
  }

  /** Starts another log. */
  clear(): void {
    this.#options.buffer.clear();
    this.#forgetRows();
    this.follow();
  }

  /** Replaces all rows; keeps the line at the top of the view. */
  replace(lines: readonly LogLine[]): void {
    this.#changeInPlace(() => this.#options.buffer.replace(lines));
  }

  addFound(lines: readonly LogLine[]): void {
    this.#changeInPlace(() => this.#options.buffer.addFound(lines));
  }

  /** Schedules a paint and `onChange` without new lines. */
  tell(): void {
    this.#dirty();
  }

  #changeInPlace(change: () => void): void {
    const { box, buffer } = this.#options;
    const top = Math.floor(box.scrollTop / ROW_HEIGHT);
    const held = buffer.visible.slice(top).find((line) => !line.isGap);
    change();
    this.#forgetRows();
    this.#resize();
    const index = held === undefined ? -1 : buffer.visible.findIndex((line) => line.id === held.id);
    if (!this.#isFollowing && index >= 0)
      box.scrollTop = this.#lastTop = index * ROW_HEIGHT + (box.scrollTop % ROW_HEIGHT);
    this.#dirty();
  }

  follow(): void {
    this.#isFollowing = true;
    this.#unseen = 0;
    this.#dirty();
  }

  #scrolled(): void {
    const { box } = this.#options;
    const top = box.scrollTop;
    // Only scrolling up ends follow mode, because a growing list also fires scroll events.
    if (top < this.#lastTop - 1) this.#isFollowing = false;
    else if (top + box.clientHeight >= this.#height() - 4) {
      this.#isFollowing = true;
      this.#unseen = 0;
    }
    this.#lastTop = top;
    if (top === 0 && !this.#isFollowing) this.#options.onTop?.();
    this.#dirty();
  }

  #height(): number {
    return this.#options.buffer.visible.length * ROW_HEIGHT;
  }

  #dirty(): void {
    this.#isDirty = true;
    this.#paintSoon();
  }

  #forgetRows(): void {
    for (const row of this.#rows.values()) row.remove();
    this.#rows.clear();
  }

  #paintSoon(): void {
    if (this.#frame !== 0) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.#paint();
    });
  }

  #resize(): void {
    this.#pad.style.height = `${this.#height()}px`;
  }

  #paint(): void {
    const { box, buffer } = this.#options;
    if (this.#isDirty) {
      this.#isDirty = false;
      this.#resize();
      this.#options.onChange(this);
    }
    if (this.#isFollowing) {
      box.scrollTop = this.#height();
      this.#lastTop = box.scrollTop;
    }
    const lines = buffer.visible;
    const first = Math.max(0, Math.floor(box.scrollTop / ROW_HEIGHT) - OVERSCAN);
    const end = Math.min(lines.length, Math.ceil((box.scrollTop + box.clientHeight) / ROW_HEIGHT) + OVERSCAN);
    for (const [index, row] of this.#rows) {
      if (index >= first && index < end) continue;
      row.remove();
      this.#rows.delete(index);
    }
    const fresh = document.createDocumentFragment();
    for (let index = first; index < end; index += 1) {
      const line = lines[index];
      if (line === undefined || this.#rows.has(index)) continue;
      const row = this.#row(line, index);
      this.#rows.set(index, row);
      fresh.append(row);
    }
    this.#pad.append(fresh);
  }

  #row(line: LogLine, index: number): HTMLElement {
    const row = document.createElement("div");
    row.className = "log-line";
    row.dataset.level = line.level;
    if (line.isGap) row.dataset.gap = "";
    else if (line.stream === "system") row.dataset.system = "";
    row.style.top = `${index * ROW_HEIGHT}px`;
    if (this.#options.showNumbers) row.append(cell("log-number", line.isGap ? "" : String(line.number)));
    row.append(
      cell("log-time", line.isGap ? "" : this.#time.format(line.atMs)),
      cell("log-level", LEVEL_WORDS[line.level] ?? ""),
    );
    if (!this.#options.showNumbers) row.append(this.#source(line));
    const text = cell("log-text", "");
    text.append(ansiFragment(line.text));
    row.append(text);
    return row;
  }

  /** Links to the line's node and task. */
  #source(line: LogLine): HTMLElement {
    if (line.task === "") return cell("log-node", line.node);
    const link = document.createElement("a");
    link.className = "log-node";
    link.href = this.#options.taskUrl(line.task);
    link.textContent = visible([line.node, this.#options.taskName(line.task)].filter(Boolean).join(" · "));
    link.title = link.textContent;
    link.tabIndex = -1;
    return link;
  }
}

const LEVEL_WORDS: Record<string, string> = { debug: "DEBUG", info: "INFO", warning: "WARN", error: "ERROR" };

function cell(className: string, text: string): HTMLSpanElement {
  const span = document.createElement("span");
  span.className = className;
  span.textContent = text;
  return span;
}
