/** Sends what a person asks for and shows what becomes of it. */

import type { Action, ControlRequest, RunRequest, TaskInfo } from "../live/messages";
import type { Page } from "./page";
import { type Outcome, Requests } from "./requests";
import type { ToastContent, Toasts } from "./toasts";

export class Actions {
  readonly #page: Page;
  readonly #toasts: Toasts;
  readonly #requests = new Requests();
  #user = "";

  constructor(page: Page, toasts: Toasts) {
    this.#page = page;
    this.#toasts = toasts;
    page.live.on("AUTH_OK", (message) => {
      this.#user = message.user;
    });
    page.live.on("COMMAND", (message) => this.#requests.commandChanged(message.command));
    page.live.on("ERROR", (message) => {
      const isMine = message.ref !== undefined && this.#requests.refused(message.ref, message.message);
      if (!isMine) console.warn("the server refused a message:", message.code, message.message);
    });
  }

  /** To be called before the task is taken over, so that a new one is known to be new. */
  taskArrives(task: TaskInfo): void {
    const isNew = !this.#page.fleet.tasks.has(task.id);
    this.#requests.taskChanged(task, isNew, task.createdBy === this.#user);
  }

  control(task: TaskInfo, action: Action, more: Partial<ControlRequest> = {}): void {
    const { words, texts } = { words: this.#page.settings.words, texts: this.#page.texts };
    const title = `${words.actions[action].label} · ${task.name}`;
    const request: ControlRequest = { task: task.id, action, ...more };
    const show = this.#narrator(title, this.#page.taskUrl(task.id));
    const ref = this.#requests.control(request, task.attempt, show);
    if (!this.#page.live.send({ type: "CONTROL", ref, ...request })) this.#requests.refused(ref, texts.say("toast.notSent"));
  }

  run(request: RunRequest, title: string): void {
    const ref = this.#requests.run(request, this.#narrator(this.#page.texts.say("toast.started", { name: title }), ""));
    if (!this.#page.live.send({ type: "RUN", ref, ...request })) {
      this.#requests.refused(ref, this.#page.texts.say("toast.notSent"));
    }
  }

  #narrator(title: string, href: string): (outcome: Outcome) => void {
    let toast: ReturnType<Toasts["show"]> | null = null;
    return (outcome) => {
      const content = this.#words(outcome, title, href);
      if (toast) toast.update(content);
      else toast = this.#toasts.show(content);
    };
  }

  #words(outcome: Outcome, title: string, href: string): ToastContent {
    const { texts, settings } = this.#page;
    const states = settings.words.commandStates;
    const link = href === "" ? {} : { href };
    switch (outcome.kind) {
      case "asked":
        return { tone: "busy", title, text: texts.say("toast.asked"), lifeSeconds: 0, ...link };
      case "progress":
        return { tone: "busy", title, text: states[outcome.state], lifeSeconds: 0, ...link };
      case "done": {
        const text = href === "" ? texts.say("toast.accepted") : states.succeeded;
        return { tone: "good", title, text, lifeSeconds: 5, ...(outcome.task ? { href: this.#page.taskUrl(outcome.task) } : link) };
      }
      case "failed": {
        const state = outcome.state === "refused" ? texts.say("toast.refused") : states[outcome.state];
        return { tone: "bad", title, text: outcome.reason ? `${state}: ${outcome.reason}` : state, lifeSeconds: 0, ...link };
      }
      case "no-answer":
        return { tone: "warn", title, text: texts.say("toast.noAnswer"), lifeSeconds: 20, ...link };
    }
  }
}
