/**
 * The attempts of a task on its page. If the newest attempt is shown, the page switches to the next one when it starts.
 * An older attempt stays, and a notice links to the newest.
 */

import { element, type Page } from "../app/page";
import { getJson } from "../app/rest";
import type { TaskInfo, TaskState } from "../live/messages";
import { field, setAttribute, setChip, setHidden, setText } from "../tables/cells";
import { stateOf } from "../tables/task-view";
import type { LogPanel } from "./panel";

interface AttemptInfo {
  attempt: number;
  state: TaskState;
  node: string;
}

export class Attempts {
  readonly #page: Page;
  readonly #nav: HTMLElement;
  readonly #panel: LogPanel;
  readonly #task: string;
  #newest: number;
  #shown: number;
  /** The newest attempt has ended, so its row will not change. */
  #isSettled = false;

  private constructor(page: Page, nav: HTMLElement, panel: LogPanel) {
    this.#page = page;
    this.#nav = nav;
    this.#panel = panel;
    this.#task = nav.dataset.task ?? "";
    this.#newest = Number(nav.dataset.newest);
    this.#shown = Number(nav.dataset.shown);
    panel.onNewer = (attempt) => this.#reached(attempt);
    page.fleet.onChange("tasks", (id) => id === this.#task && this.#draw());
    page.fleet.onReplace("tasks", () => this.#draw());
    this.#draw();
  }

  static wire(page: Page, panel: LogPanel | null): void {
    const nav = element("attempts");
    if (nav && panel) new Attempts(page, nav, panel);
  }

  #draw(): void {
    const task = this.#page.fleet.tasks.get(this.#task);
    if (!task) return;
    this.#reached(task.attempt);
    // A message from before the retry may arrive again.
    if (task.attempt !== this.#newest) return;
    this.#isSettled = this.#page.settings.labels.decisions.tasks[task.state].isFinal;
    const look = stateOf(task, this.#page.settings.labels);
    const row = this.#row(this.#newest);
    setChip(field(row, "state"), look);
    setText(field(row, "node"), task.node ?? "");
    this.#drawNotice(task);
  }

  #drawNotice(task: TaskInfo): void {
    const { texts, settings } = this.#page;
    const notice = element("newer-attempt");
    setHidden(notice, this.#shown >= this.#newest);
    if (!notice) return;
    setText(
      notice.querySelector(":scope > span:not(.chip)"),
      texts.get("attempt.older", { shown: this.#shown, newest: this.#newest }),
    );
    setText(notice.querySelector("a"), texts.get("attempt.open", { number: this.#newest }));
    setChip(field(notice, "state"), stateOf(task, settings.labels));
  }

  #reached(attempt: number): void {
    if (attempt <= this.#newest) return;
    const isFollowing = this.#shown === this.#newest;
    const isUnseen = !this.#isSettled || attempt > this.#newest + 1;
    for (let number = this.#newest + 1; number <= attempt; number += 1) this.#row(number);
    this.#newest = attempt;
    this.#isSettled = false;
    setHidden(this.#nav, false);
    // The page has not seen how earlier attempts ended.
    if (isUnseen) void this.#readOlder();
    if (isFollowing) this.#show(attempt);
  }

  #show(attempt: number): void {
    this.#shown = attempt;
    for (const row of this.#nav.querySelectorAll("a"))
      setAttribute(row, "aria-current", row.dataset.attempt === String(attempt) ? "page" : null);
    setText(element("log-attempt"), `#${attempt}`);
    setHidden(element("log-pruned"), true);
    const download = element<HTMLAnchorElement>("log-download");
    if (download) download.search = `?attempt=${attempt}`;
    const name = this.#page.fleet.tasks.get(this.#task)?.name ?? this.#task;
    document.title = `${name} #${attempt} · AgentFlow`;
    // So that a reload, including in another language, shows the same attempt.
    history.replaceState(history.state, "", location.pathname + location.hash);
    for (const next of document.querySelectorAll<HTMLInputElement>("input[name=next]")) next.value = location.pathname;
    this.#panel.showAttempt(attempt);
  }

  async #readOlder(): Promise<void> {
    for (const row of this.#nav.querySelectorAll("a"))
      if (row.dataset.attempt !== String(this.#newest)) setChip(field(row, "state"), null);
    try {
      const { results } = await getJson<{ results: AttemptInfo[] }>(this.#nav.dataset.list ?? "");
      for (const { attempt, state, node } of results) {
        if (attempt >= this.#newest) continue;
        const row = this.#row(attempt);
        setChip(field(row, "state"), this.#page.settings.labels.taskStates[state]);
        setText(field(row, "node"), node);
      }
    } catch (error) {
      console.warn("could not read older attempts", error);
    }
  }

  /** Newest first. */
  #row(attempt: number): HTMLElement {
    const found = this.#nav.querySelector<HTMLElement>(`a[data-attempt="${attempt}"]`);
    if (found) return found;
    const source = element<HTMLTemplateElement>("attempt-template")?.content.querySelector("a");
    const row = source ? document.importNode(source, true) : document.createElement("a");
    row.dataset.attempt = String(attempt);
    row.search = `?attempt=${attempt}`;
    setText(row.querySelector("span"), `#${attempt}`);
    this.#nav.prepend(row);
    return row;
  }
}
