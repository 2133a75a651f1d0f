/** The log panel of a page: its filter, its counts, what it shows at first, and older lines when the reader scrolls up. */

import { element, type Page } from "../app/page";
import { getJson } from "../app/rest";
import { plain } from "../chat/markdown";
import type { Gap, LogBatch } from "../live/messages";
import { setHidden, setText } from "../tables/cells";
import { LogBuffer } from "./buffer";
import { choiceOf, lineFilter } from "./filter";
import { entriesText } from "../app/node-gaps";
import { GapFinder, gapLine, gapReason, lostLines, mergedLines, withGaps } from "./gaps";
import { type LogLine, linesOf } from "./line";
import { LogView } from "./view";

/** What the server answers when it is asked for older lines. */
interface OlderLines {
  logs: LogBatch[];
  gaps: Gap[];
  hasMore: boolean;
  /** Lines before this number come next: all from there on are either here or gone. */
  before: number;
}

export class LogPanel {
  readonly #page: Page;
  readonly #box: HTMLElement;
  readonly #buffer = new LogBuffer();
  readonly #view: LogView;
  readonly #gaps: GapFinder;
  /** Set where the panel shows one attempt of one task. */
  readonly #task: string;
  readonly #attempt: number;
  #hasOlder: boolean;
  #before: number;
  #isLoading = false;
  #gapCount = 0;

  constructor(page: Page, box: HTMLElement) {
    this.#page = page;
    this.#box = box;
    this.#task = box.dataset.scope === "task" ? (box.dataset.task ?? "") : "";
    this.#attempt = Number(box.dataset.attempt ?? 0);
    this.#hasOlder = box.dataset.older === "true";
    this.#before = Number(box.dataset.before ?? 0);
    this.#gaps = new GapFinder((first, last, reason) => this.#gapText(first, last, reason));
    this.#view = new LogView({
      box,
      buffer: this.#buffer,
      showNumbers: this.#task !== "",
      taskUrl: page.taskUrl,
      taskName: (id) => plain(page.fleet.tasks.get(id)?.name ?? ""),
      onChange: () => this.#changed(),
      onTop: () => void this.#loadOlder(),
    });
    element("log-more")?.addEventListener("click", () => this.#view.follow());
    this.#wireFilter();
    this.#offerNodes();
    page.fleet.onChange("nodes", () => this.#offerNodes());
    page.fleet.onReplace("nodes", () => this.#offerNodes());
    page.live.on("LOG", (batch) => this.#add([batch]));
    page.live.on("GAP", (gap) => this.#missing(gap));
    page.live.on("SNAPSHOT", (snapshot) => snapshot.logs && this.#add(snapshot.logs));
  }

  static wire(page: Page, initial: readonly LogBatch[], gaps: readonly Gap[]): LogPanel | null {
    const box = element("log");
    if (!box) return null;
    const panel = new LogPanel(page, box);
    panel.#begin(initial, gaps);
    return panel;
  }

  #begin(batches: readonly LogBatch[], gaps: readonly Gap[]): void {
    if (this.#task === "") {
      this.#view.append(withGaps(batches, gaps, (gap) => this.#gapRow(gap)));
      return;
    }
    this.#learn(gaps);
    this.#redraw(batches.flatMap((batch) => (this.#concerns(batch) ? linesOf(batch) : [])));
  }

  #add(batches: readonly LogBatch[]): void {
    const drawn = this.#show(batches);
    // Skipped because this page was slow: the server still has them. What stays drawn after that is truly missing.
    const gap = drawn.findIndex((row) => row.isGap);
    const after = drawn[gap + 1];
    if (gap >= 0 && after) void this.#load(after.number, (older) => this.#redraw(older.logs.flatMap(linesOf)));
  }

  #show(batches: readonly LogBatch[]): LogLine[] {
    const lines = batches.flatMap((batch) => (this.#concerns(batch) ? linesOf(batch) : []));
    if (lines.length === 0) return [];
    const rows = this.#task === "" ? lines : this.#gaps.drawn(lines);
    this.#view.append(rows);
    return rows;
  }

  /** The whole log of a task with these lines too, and with all that is known to be missing. */
  #redraw(more: readonly LogLine[]): void {
    const lines = mergedLines(this.#buffer.lines, more);
    this.#view.replace(this.#gaps.redrawn(lines, this.#attempt, !this.#hasOlder));
  }

  #learn(gaps: readonly Gap[]): void {
    for (const gap of gaps) {
      const lost = gap.lane !== "states" && gap.task === this.#task ? lostLines(gap) : null;
      if (lost) this.#gaps.learn(lost);
    }
  }

  /** Sets the node of the filter; "" = all. */
  chooseNode(node: string): void {
    const select = document.querySelector<HTMLSelectElement>("#log-filter select[name=node]");
    if (!select) return;
    select.value = [...select.options].some((option) => option.value === node) ? node : "";
    select.dispatchEvent(new Event("input", { bubbles: true }));
  }

  #concerns(batch: LogBatch): boolean {
    return this.#task === "" || (batch.task === this.#task && batch.attempt === this.#attempt);
  }

  /** Lines are gone, or were left out. On a task's page the line numbers show where. */
  #missing(gap: Gap): void {
    if (gap.lane === "states") return;
    if (this.#task === "") {
      this.#view.append([this.#gapRow(gap)]);
    } else if (gap.task === this.#task && gap.attempt === this.#attempt) {
      this.#learn([gap]);
      this.#redraw([]);
    }
  }

  /** For a log of many tasks: it stands where it was heard of. */
  #gapRow(gap: Gap): LogLine {
    const { texts } = this.#page;
    const lost = lostLines(gap);
    const count = Number(gap.lines ?? gap.skipped ?? 0);
    const unplaced = entriesText(gap, this.#page) || (count > 0 ? texts.count("log.gap", count) : texts.say("log.gapUnknown"));
    const text = lost ? this.#gapText(lost.first, lost.last, lost.reason) : unplaced;
    this.#gapCount += 1;
    const named = gap.task ? (this.#page.fleet.tasks.get(gap.task)?.name ?? gap.task) : gap.node;
    return gapLine(gap.seq === undefined ? `said-${this.#gapCount}` : `gap-seq-${gap.seq}`, named ? `${named} · ${text}` : text, {
      node: gap.node ?? "",
      task: gap.task ?? "",
      atMs: gap.at ?? 0,
    });
  }

  #gapText(first: number, last: number, reason: string): string {
    const { texts, settings } = this.#page;
    if (reason === "") return texts.count("log.gap", last - first + 1);
    const values = { first, last, reason: gapReason(reason, settings.words) };
    return texts.say(first === last ? "log.lostLine" : "log.lostLines", values);
  }

  #wireFilter(): void {
    const form = element<HTMLFormElement>("log-filter");
    if (!form) return;
    if (this.#box.dataset.scope === "node") {
      // The logs page holds one node's lines or all: another choice is another page.
      const select = form.querySelector<HTMLSelectElement>("select[name=node]");
      select?.addEventListener("change", () => {
        const { value } = select;
        location.assign(value === "" ? location.pathname : `${location.pathname}?node=${encodeURIComponent(value)}`);
      });
    }
    const apply = (): void => this.#view.setFilter(lineFilter(choiceOf(new FormData(form))));
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", apply);
    form.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !(event.target instanceof HTMLInputElement)) return;
      event.target.value = "";
      apply();
      this.#box.focus();
    });
    apply();
  }

  /** Nodes that have joined since the page was rendered can be chosen too. */
  #offerNodes(): void {
    const select = document.querySelector<HTMLSelectElement>("#log-filter select[name=node]");
    if (!select || select.options.length > this.#page.fleet.nodes.size) return;
    const offered = new Set([...select.options].map((option) => option.value));
    for (const id of this.#page.fleet.nodes.keys()) if (!offered.has(id)) select.add(new Option(id, id));
  }

  #changed(): void {
    const { texts } = this.#page;
    const { size, visible } = this.#buffer;
    const isFiltered = visible.length !== size;
    const all = texts.count("log.lines", size);
    setText(element("log-count"), isFiltered ? texts.say("log.filtered", { shown: visible.length, count: size }) : all);
    if (this.#buffer.dropped > 0) setText(element("log-note"), texts.say("log.dropped", { count: size }));
    const more = element("log-more");
    setHidden(more, this.#view.isFollowing || this.#view.unseen === 0);
    setText(more?.querySelector("span") ?? null, texts.count("log.newLines", this.#view.unseen));
    const empty = element("log-empty");
    setHidden(empty, visible.length > 0);
    setText(empty, texts.say(size === 0 ? "log.empty" : "log.noMatch"));
  }

  async #loadOlder(): Promise<void> {
    if (!this.#hasOlder) return;
    await this.#load(this.#before, (older) => {
      this.#hasOlder = older.hasMore;
      this.#before = older.before;
      this.#redraw(older.logs.flatMap(linesOf));
    });
  }

  /** Lines just before a line number; one request at a time. */
  async #load(before: number, then: (older: OlderLines) => void): Promise<void> {
    if (this.#isLoading || this.#task === "") return;
    this.#isLoading = true;
    this.#note("log.loading");
    try {
      const older = await this.#fetchLines(before);
      this.#learn(older.gaps);
      then(older);
      this.#note("");
    } catch (error) {
      console.warn("older lines could not be loaded", error);
      this.#note("log.loadFailed");
    } finally {
      this.#isLoading = false;
    }
  }

  #fetchLines(before: number): Promise<OlderLines> {
    const address = this.#page.settings.urls.taskLog.replace("TASK", encodeURIComponent(this.#task));
    const query = new URLSearchParams({ attempt: String(this.#attempt), before: String(before) });
    return getJson<OlderLines>(`${address}?${query}`);
  }

  #note(key: string): void {
    setText(element("log-note"), key === "" ? "" : this.#page.texts.say(key));
  }
}
