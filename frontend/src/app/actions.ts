/** Sends what a person asks for and shows what becomes of it. */

import type { Action, ClientMessage, ControlRequest, RunRequest, TaskInfo } from "../live/messages";
import { reasonOf } from "../tables/command-view";
import type { Page } from "./page";
import { type Outcome, Requests } from "./requests";
import type { ToastContent, Toasts } from "./toasts";

export class Actions {
  readonly #page: Page;
  readonly #toasts: Toasts;
  readonly #requests: Requests;

  constructor(page: Page, toasts: Toasts) {
    this.#page = page;
    this.#toasts = toasts;
    this.#requests = new Requests((code, message) => reasonOf(code, message, page.settings.words));
    page.live.on("ACCEPTED", (message) => {
      page.fleet.answer(message.ref, message.command === "" ? null : { state: "pending", id: message.command });
      this.#requests.accepted(message);
    });
    page.live.on("COMMAND", (message) => this.#requests.commandChanged(message.command));
    page.live.on("ERROR", (message) => {
      const isMine = message.ref !== undefined && this.#refuse(message.ref, message.code, message.message);
      if (!isMine) console.warn("the server refused a message:", message.code, message.message);
    });
  }

  control(task: TaskInfo, action: Action, more: Partial<ControlRequest> = {}): void {
    const title = `${this.#page.settings.words.actions[action].label} · ${task.name}`;
    const narrate = this.#narrator(title, this.#page.taskUrl(task.id));
    const ref = this.#requests.note((outcome) => {
      narrate(outcome);
      if (outcome.kind === "no-answer") this.#page.fleet.answer(ref, { state: "unanswered", changedAt: this.#page.now() });
    });
    this.#page.fleet.ask(ref, task.id, action, this.#page.now());
    this.#send({ type: "CONTROL", ref, task: task.id, action, ...more });
  }

  run(request: RunRequest, title: string): void {
    const ref = this.#requests.note(this.#narrator(this.#page.texts.say("toast.started", { name: title }), ""));
    this.#send({ type: "RUN", ref, ...request });
  }

  #send(message: ClientMessage & { ref: string }): void {
    if (!this.#page.live.send(message)) this.#refuse(message.ref, "", this.#page.texts.say("toast.notSent"));
  }

  #refuse(ref: string, code: string, message: string): boolean {
    this.#page.fleet.answer(ref, { state: "refused", code, message, changedAt: this.#page.now() });
    return this.#requests.refused(ref, reasonOf(code, message, this.#page.settings.words));
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
