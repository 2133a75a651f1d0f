/** Lines for a task's standard input: a dialog that shows the task's question, and the input below its log. */

import type { LogBatch, Seen, TaskInfo } from "../live/messages";
import { ansiFragment } from "../logs/ansi";
import { linesOf } from "../logs/line";
import { setHidden, setText } from "../tables/cells";
import { offeredActions, stateOf } from "../tables/task-view";
import type { Actions } from "./actions";
import { confirmWith } from "./dialogs";
import { element, type Page } from "./page";
import type { Outcome } from "./requests";
import { getJson } from "./rest";

const LINES_SHOWN = 12;
const REFRESH_MS = 300;

interface Draft {
  line: string;
  isLast: boolean;
}

export class AnswerDialog {
  readonly #page: Page;
  readonly #actions: Actions;
  readonly #dialog: HTMLDialogElement;
  readonly #line: HTMLInputElement;
  readonly #close: HTMLInputElement;
  readonly #send: HTMLButtonElement;
  /** By task: answers that were not accepted. */
  readonly #drafts = new Map<string, Draft>();
  #task = "";
  /** Of the shown output. */
  #lastLine = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  private constructor(page: Page, actions: Actions, dialog: HTMLDialogElement) {
    this.#page = page;
    this.#actions = actions;
    this.#dialog = dialog;
    this.#line = dialog.querySelector("input[name=line]") as HTMLInputElement;
    this.#close = dialog.querySelector("input[name=close]") as HTMLInputElement;
    this.#send = dialog.querySelector("button[value=yes]") as HTMLButtonElement;
    page.fleet.onChange("tasks", (id) => id === this.#task && this.#changed());
    page.fleet.onReplace("tasks", () => this.#changed());
    page.live.on("LOG", (batch) => batch.task === this.#task && this.#changed());
  }

  /** Null if the page has no such dialog, because the person may not answer. */
  static wire(page: Page, actions: Actions): AnswerDialog | null {
    const dialog = element<HTMLDialogElement>("answer-dialog");
    return dialog ? new AnswerDialog(page, actions, dialog) : null;
  }

  open(task: TaskInfo): void {
    this.#task = task.id;
    this.#lastLine = 0;
    const draft = this.#drafts.get(task.id) ?? { line: "", isLast: false };
    this.#drafts.delete(task.id);
    setText(element("answer-title"), this.#page.texts.get("task.answerTitle", { name: task.name }));
    this.#line.value = draft.line;
    this.#close.checked = draft.isLast;
    element("answer-lines")?.replaceChildren(this.#page.texts.get("evidence.loading"));
    this.#drawState();
    void this.#read();
    confirmWith(this.#dialog, () => {
      const sent = { line: this.#line.value, isLast: this.#close.checked };
      // The answer is for the question on screen, and never for a later one.
      const seen = { attempt: task.attempt, line: this.#lastLine };
      sendLine(this.#actions, task, sent, () => this.#drafts.set(task.id, sent), seen);
    });
    this.#line.focus();
  }

  /** The question may have changed in the meantime. */
  #changed(): void {
    if (!this.#dialog.open) return;
    this.#drawState();
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      if (this.#dialog.open) void this.#read();
    }, REFRESH_MS);
  }

  #drawState(): void {
    const { fleet, settings, texts } = this.#page;
    const task = fleet.tasks.get(this.#task);
    const mayAnswer = task !== undefined && offeredActions(task, settings.labels).includes("input");
    this.#send.disabled = !mayAnswer;
    const problem = element("answer-problem");
    setText(
      problem,
      mayAnswer || !task ? "" : texts.get("answer.closed", { state: stateOf(task, settings.labels).label }),
    );
    setHidden(problem, mayAnswer);
  }

  async #read(): Promise<void> {
    const task = this.#task;
    const box = element("answer-lines");
    try {
      const address = this.#page.settings.urls.taskLog.replace("TASK", encodeURIComponent(task));
      const { logs } = await getJson<{ logs: LogBatch[] }>(`${address}?limit=${LINES_SHOWN}`);
      if (task !== this.#task || !box) return;
      this.#lastLine = Math.max(0, ...logs.flatMap((batch) => batch.lines.map((line) => line[1])));
      const lines = logs.flatMap(linesOf);
      box.replaceChildren(...lines.map((line, index) => lineElement(line.text, index === lines.length - 1)));
      if (lines.length === 0) box.textContent = this.#page.texts.get("log.empty");
      box.scrollTop = box.scrollHeight;
    } catch (error) {
      console.warn("could not read the output of a task", error);
      if (task === this.#task) setText(box, this.#page.texts.get("answer.unread"));
    }
  }
}

/** The last line is the prompt. */
function lineElement(text: string, isLast: boolean): HTMLElement {
  const line = document.createElement(isLast ? "strong" : "span");
  line.append(ansiFragment(text));
  return line;
}

/** Calls `notTaken` if the Leader refuses the line or does not respond. */
function sendLine(
  actions: Actions,
  task: TaskInfo,
  { line, isLast }: Draft,
  notTaken: () => void,
  seen: Seen = { attempt: task.attempt },
): void {
  const onOutcome = (outcome: Outcome): void => {
    if (outcome.kind === "failed" || outcome.kind === "no-answer") notTaken();
  };
  actions.control(task, "input", { input: `${line}\n`, seen, ...(isLast ? { closeInput: true } : {}) }, onOutcome);
}

/** Wires the input below a task's log. */
export function wireAnswerForm(page: Page, actions: Actions): void {
  const form = element<HTMLFormElement>("answer-form");
  const line = form?.querySelector<HTMLInputElement>("input[name=line]");
  if (!form || !line) return;
  const task = (): TaskInfo | undefined => page.fleet.tasks.get(form.dataset.task ?? "");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const present = task();
    if (!present) return;
    const typed = line.value;
    line.value = "";
    sendLine(actions, present, { line: typed, isLast: false }, () => {
      if (line.value === "") line.value = typed;
    });
  });
  form.querySelector("[data-end-of-file]")?.addEventListener("click", () => {
    const present = task();
    if (present) actions.control(present, "input", { input: "", closeInput: true });
  });
}
