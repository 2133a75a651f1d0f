/** The log panel of a page: filter, counts, initial lines, and loading of further lines. */

import { element, type Page } from "../app/page";
import { getJson } from "../app/rest";
import { plain } from "../chat/markdown";
import type { Gap, LogBatch } from "../live/messages";
import { setText } from "../tables/cells";
import { AttemptLog } from "./attempt-log";
import { LogBuffer } from "./buffer";
import { choiceOf, type FilterChoice, isNarrow, isPossible, lineFilter } from "./filter";
import { FleetLog } from "./fleet-log";
import { LogSearch, type SearchAnswer } from "./search";
import { drawStatus } from "./status";
import { LogView } from "./view";

/** People read an attempt's log completely. The fleet's log stays open for weeks, and its newest lines matter. */
const TASK_LINES = 100_000;
const FLEET_LINES = 10_000;

export class LogPanel {
  readonly #page: Page;
  readonly #box: HTMLElement;
  readonly #buffer: LogBuffer;
  readonly #view: LogView;
  readonly #search: LogSearch;
  /** Empty for a log of many tasks. */
  readonly #task: string;
  #log: AttemptLog | FleetLog;
  #choice: FilterChoice = { node: "", levels: new Set(), text: "" };
  /** Called on output of an attempt after the shown one. */
  onNewer: (attempt: number) => void = () => undefined;

  private constructor(page: Page, box: HTMLElement) {
    this.#page = page;
    this.#box = box;
    this.#task = box.dataset.scope === "task" ? (box.dataset.task ?? "") : "";
    this.#buffer = new LogBuffer(this.#task === "" ? FLEET_LINES : TASK_LINES);
    this.#view = new LogView({
      box,
      buffer: this.#buffer,
      showNumbers: this.#task !== "",
      taskUrl: page.taskUrl,
      taskName: (id) => plain(page.fleet.tasks.get(id)?.name ?? ""),
      onChange: () => this.#changed(),
      onTop: () => this.#reachedTop(),
    });
    this.#search = new LogSearch({
      ask: (before) => this.#ask(before),
      onFound: (lines) => this.#view.addFound(lines),
      onChange: () => this.#view.tell(),
    });
    const { attempt, before, last } = box.dataset;
    this.#log =
      this.#task === ""
        ? new FleetLog(page, this.#buffer, this.#view, {
            node: box.dataset.node ?? "",
            limit: Number(box.dataset.limit),
          })
        : this.#attemptLog(Number(attempt), Number(before), Number(last));
    element("log-more")?.addEventListener("click", () => this.#view.follow());
    element("log-search-more")?.addEventListener("click", () => this.#search.more());
    this.#wireFilter();
    this.#offerNodes();
    page.fleet.onChange("nodes", () => this.#offerNodes());
    page.fleet.onReplace("nodes", () => this.#offerNodes());
    page.fleet.onChange("tasks", (id) => id === this.#task && this.#buffer.lineCount === 0 && this.#changed());
    page.live.on("LOG", (batch) => this.#came(batch));
    page.live.on("GAP", (gap) => gap.lane !== "states" && this.#log.missing(gap));
    page.live.on("SNAPSHOT", (snapshot) => snapshot.logs && this.#log.add(snapshot.logs, true));
  }

  static wire(page: Page, initial: readonly LogBatch[], gaps: readonly Gap[]): LogPanel | null {
    const box = element("log");
    if (!box) return null;
    const panel = new LogPanel(page, box);
    panel.#log.begin(initial, gaps);
    return panel;
  }

  /** Switches to another attempt of the task. */
  showAttempt(attempt: number): void {
    if (this.#log instanceof AttemptLog) this.#log.close();
    this.#search.stop();
    this.#box.dataset.attempt = String(attempt);
    this.#log = this.#attemptLog(attempt, 1, 0);
    this.#view.clear();
    this.#log.begin([], []);
  }

  /** Sets the node of the filter; "" = all. */
  chooseNode(node: string): void {
    const select = document.querySelector<HTMLSelectElement>("#log-filter select[name=node]");
    if (!select) return;
    select.value = [...select.options].some((option) => option.value === node) ? node : "";
    select.dispatchEvent(new Event("input", { bubbles: true }));
  }

  #attemptLog(attempt: number, before: number, last: number): AttemptLog {
    const note = (key: string): void => setText(element("log-note"), key === "" ? "" : this.#page.texts.get(key));
    return new AttemptLog(this.#page, this.#buffer, this.#view, { task: this.#task, attempt, before, last }, note);
  }

  #came(batch: LogBatch): void {
    if (this.#log instanceof AttemptLog && batch.task === this.#task && batch.attempt > this.#log.attempt)
      this.onNewer(batch.attempt);
    this.#log.add([batch], false);
  }

  #wireFilter(): void {
    const form = element<HTMLFormElement>("log-filter");
    if (!form) return;
    if (this.#box.dataset.scope === "node") {
      // On the logs page, another node is another page.
      const select = form.querySelector<HTMLSelectElement>("select[name=node]");
      select?.addEventListener("change", () => {
        const { value } = select;
        location.assign(value === "" ? location.pathname : `${location.pathname}?node=${encodeURIComponent(value)}`);
      });
    }
    const apply = (): void => {
      this.#choice = choiceOf(new FormData(form));
      this.#search.stop();
      this.#view.setFilter(lineFilter(this.#choice));
    };
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

  /** Adds nodes that have joined since the page was rendered. */
  #offerNodes(): void {
    const select = document.querySelector<HTMLSelectElement>("#log-filter select[name=node]");
    if (!select || select.options.length > this.#page.fleet.nodes.size) return;
    const offered = new Set([...select.options].map((option) => option.value));
    for (const id of this.#page.fleet.nodes.keys()) if (!offered.has(id)) select.add(new Option(id, id));
  }

  get #isNarrow(): boolean {
    // On a page about one node, the node is not a filter.
    const node = this.#log instanceof FleetLog && this.#log.node !== "" ? "" : this.#choice.node;
    return isNarrow({ ...this.#choice, node });
  }

  #changed(): void {
    const isNarrow = this.#isNarrow;
    if (isNarrow && isPossible(this.#choice) && this.#search.state === "off" && !this.#log.isWhole) {
      this.#search.start(this.#log.firstWhole?.id ?? "");
    }
    drawStatus({
      page: this.#page,
      buffer: this.#buffer,
      view: this.#view,
      search: this.#search,
      log: this.#log,
      isNarrow,
      emptiness: this.#emptiness,
    });
  }

  /** Why the log is empty; more lines can arrive only while the task runs. */
  get #emptiness(): string {
    if (!(this.#log instanceof AttemptLog)) return "log.empty";
    const { attempt } = this.#log;
    if (this.#box.dataset.pruned === "true" && String(attempt) === this.#box.dataset.attempt) return "log.pruned";
    const task = this.#page.fleet.tasks.get(this.#task);
    return task && (this.#page.settings.labels.decisions.tasks[task.state].isFinal || task.attempt !== attempt)
      ? "log.nothing"
      : "log.empty";
  }

  #reachedTop(): void {
    if (this.#isNarrow) this.#search.more();
    else if (this.#log instanceof AttemptLog) void this.#log.loadOlder();
  }

  #ask(before: string): Promise<SearchAnswer> {
    const { node, levels, text } = this.#choice;
    const query = new URLSearchParams({ text });
    for (const level of levels) query.append("level", level);
    if (before !== "") query.set("before", before);
    if (this.#log instanceof FleetLog) query.set("node", this.#log.node || node);
    else {
      query.set("task", this.#task);
      query.set("attempt", String(this.#log.attempt));
    }
    return getJson<SearchAnswer>(`${this.#box.dataset.search}?${query}`);
  }
}
