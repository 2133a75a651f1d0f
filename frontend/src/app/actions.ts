/** Sends a person's requests and shows their outcome. */

import { plain } from "../chat/markdown";
import type { Action, ClientMessage, ControlRequest, Phrases, RunRequest, TaskInfo } from "../live/messages";
import { reasonOf } from "../tables/command-view";
import type { Page } from "./page";
import { phraseText } from "./phrases";
import { type Outcome, Requests } from "./requests";
import type { Link, ToastContent, Toasts } from "./toasts";

export class Actions {
  readonly #page: Page;
  readonly #toasts: Toasts;
  readonly #requests: Requests;
  /** By ref: the task of a retry, until it is answered. */
  readonly #retries = new Map<string, TaskInfo>();
  /** Asks whether to retry a task whose definition has changed; false = it cannot, so the retry reads as refused. */
  onChangedDefinition: (task: TaskInfo, details: Record<string, unknown>) => boolean = () => false;

  constructor(page: Page, toasts: Toasts) {
    this.#page = page;
    this.#toasts = toasts;
    this.#requests = new Requests(page.settings.labels);
    page.live.on("ACCEPTED", (message) => {
      page.fleet.answer(message.ref, message.command === "" ? null : { state: "pending", id: message.command });
      this.#requests.accepted(message);
    });
    page.live.on("COMMAND", (message) => this.#requests.commandChanged(message.command));
    page.live.on("ERROR", (message) => {
      const { ref = "", code, details } = message;
      const retried = this.#retries.get(ref);
      if (retried && code === "definition-changed" && details && this.onChangedDefinition(retried, details)) {
        page.fleet.answer(ref, null);
        this.#requests.questioned(ref);
        return;
      }
      const isMine = ref !== "" && this.#refuse(ref, code, message.message, message.phrases);
      if (!isMine) console.warn("the server refused a message:", code, message.message);
    });
  }

  /** Calls `onOutcome` with every outcome that the notice shows. */
  control(
    task: TaskInfo,
    action: Action,
    more: Partial<ControlRequest> = {},
    onOutcome?: (outcome: Outcome) => void,
  ): void {
    const about = [{ text: plain(task.name), href: this.#page.taskUrl(task.id) }];
    if (task.node) about.push({ text: plain(task.node), href: this.#page.nodeUrl(task.node) });
    const narrate = this.#narrator(this.#page.settings.labels.actions[action].label, about);
    const ref = this.#requests.note((outcome) => {
      narrate(outcome);
      onOutcome?.(outcome);
      if (outcome.kind !== "asked" && outcome.kind !== "progress") this.#retries.delete(ref);
      if (outcome.kind === "no-answer")
        this.#page.fleet.answer(ref, { state: "unanswered", changedAt: this.#page.now() });
    });
    if (action === "retry") this.#retries.set(ref, task);
    this.#page.fleet.ask(ref, task.id, action, this.#page.now());
    // The Leader refuses a request about an attempt that the person did not see.
    this.#send({ type: "CONTROL", ref, task: task.id, action, seen: { attempt: task.attempt }, ...more });
  }

  run(request: RunRequest, title: string, onOutcome: (outcome: Outcome) => void): void {
    const narrate = this.#narrator(this.#page.texts.get("toast.started", { name: plain(title) }), []);
    const ref = this.#requests.note((outcome) => {
      narrate(outcome);
      onOutcome(outcome);
    });
    this.#send({ type: "RUN", ref, ...request });
  }

  #send(message: ClientMessage & { ref: string }): void {
    if (!this.#page.live.send(message)) this.#refuse(message.ref, "", this.#page.texts.get("toast.notSent"));
  }

  #refuse(ref: string, code: string, message: string, phrases: Phrases = {}): boolean {
    const { labels } = this.#page.settings;
    this.#page.fleet.answer(ref, { state: "refused", code, message, phrases, changedAt: this.#page.now() });
    return this.#requests.refused(ref, reasonOf(code, phraseText({ message, phrases }, "message", labels), labels));
  }

  #narrator(title: string, about: Link[]): (outcome: Outcome) => void {
    let toast: ReturnType<Toasts["show"]> | null = null;
    return (outcome) => {
      if (outcome.kind === "question") {
        toast?.close();
        return;
      }
      const content = this.#words(outcome, title, about);
      if (toast) toast.update(content);
      else toast = this.#toasts.show(content);
    };
  }

  #words(outcome: Exclude<Outcome, { kind: "question" }>, title: string, about: Link[]): ToastContent {
    const { texts, settings } = this.#page;
    const states = settings.labels.commandStates;
    switch (outcome.kind) {
      case "asked":
        return { tone: "busy", title, about, text: texts.get("toast.asked"), lifeSeconds: 0 };
      case "progress":
        return { tone: "busy", title, about, text: states[outcome.state].label, lifeSeconds: 0 };
      case "done": {
        const isNew = about.length === 0;
        const text = isNew ? texts.get("toast.accepted") : states.succeeded.label;
        return {
          tone: "good",
          title,
          about,
          text,
          lifeSeconds: 5,
          ...(isNew && outcome.task ? { href: this.#page.taskUrl(outcome.task) } : {}),
        };
      }
      case "failed": {
        const state = outcome.state === "refused" ? texts.get("toast.refused") : states[outcome.state].label;
        return {
          tone: "bad",
          title,
          about,
          text: outcome.reason ? `${state}: ${outcome.reason}` : state,
          lifeSeconds: 0,
        };
      }
      case "no-answer":
        return { tone: "warn", title, about, text: texts.get("toast.noAnswer"), lifeSeconds: 20 };
    }
  }
}
