/**
 * The person's pending requests: sent → accepted by the Leader → received by the node → done or failed, with the reason.
 *
 * Each change is passed to `show`. A new task and a retry end when the Leader accepts them: their outcome is the new
 * task, or the next attempt.
 */

import type { CommandInfo, ControlRequest, MessageOf, RunRequest } from "../live/messages";
import { reasonOf } from "../tables/command-view";
import { isOpen } from "./commands";
import { phraseText } from "./phrases";
import type { Labels } from "./settings";

export type Outcome =
  | { kind: "asked" }
  | { kind: "progress"; state: CommandInfo["state"] }
  | { kind: "done"; task: string }
  | { kind: "failed"; state: CommandInfo["state"] | "refused"; reason: string }
  | { kind: "question" }
  | { kind: "no-answer" };

export type Request = ControlRequest | RunRequest;

interface Pending {
  /** The COMMAND message has arrived, so the Leader's answer, which may arrive later, is ignored. */
  isCommand: boolean;
  show: (outcome: Outcome) => void;
  timer: ReturnType<typeof setTimeout>;
}

const ANSWER_WITHIN_MS = 60_000;

export class Requests {
  readonly #pending = new Map<string, Pending>();
  readonly #labels: Labels;
  readonly #newRef: () => string;

  constructor(labels: Labels, newRef: () => string = randomRef) {
    this.#labels = labels;
    this.#newRef = newRef;
  }

  /** Records a request that is about to be sent; returns its `ref`. */
  note(show: (outcome: Outcome) => void): string {
    const ref = this.#newRef();
    const timer = setTimeout(() => this.#settle(ref, { kind: "no-answer" }), ANSWER_WITHIN_MS);
    this.#pending.set(ref, { show, timer, isCommand: false });
    show({ kind: "asked" });
    return ref;
  }

  accepted(message: MessageOf<"ACCEPTED">): void {
    if (message.command === "") this.#settle(message.ref, { kind: "done", task: message.task });
    else this.#progress(message.ref, "pending", (pending) => !pending.isCommand);
  }

  commandChanged(command: CommandInfo): void {
    if (isOpen(command, this.#labels)) {
      this.#progress(command.ref, command.state, () => true);
    } else if (command.state === "succeeded") {
      this.#settle(command.ref, { kind: "done", task: command.task });
    } else {
      const reason = reasonOf(command.code, phraseText(command, "message", this.#labels), this.#labels);
      this.#settle(command.ref, { kind: "failed", state: command.state, reason });
    }
  }

  /** False when the `ref` is not one of ours, or is settled. */
  refused(ref: string, reason: string): boolean {
    return this.#settle(ref, { kind: "failed", state: "refused", reason });
  }

  /** The server asks something first: a dialog shows it, and a yes is another request. */
  questioned(ref: string): void {
    this.#settle(ref, { kind: "question" });
  }

  #progress(ref: string, state: CommandInfo["state"], isNews: (pending: Pending) => boolean): void {
    const pending = this.#pending.get(ref);
    if (!pending || !isNews(pending)) return;
    pending.isCommand = true;
    pending.show({ kind: "progress", state });
  }

  #settle(ref: string, outcome: Outcome): boolean {
    const pending = this.#pending.get(ref);
    if (!pending) return false;
    clearTimeout(pending.timer);
    this.#pending.delete(ref);
    pending.show(outcome);
    return true;
  }
}

/** Without `randomUUID`, which does not exist on plain http. */
function randomRef(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(9));
  return `web-${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
