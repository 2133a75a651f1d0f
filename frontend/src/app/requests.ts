/**
 * The person's own requests on their way: asked → sent → received by the node → done or failed, each with its reason.
 *
 * Pure: what to show is handed to `show`. A request that starts something on the Leader alone (a new task, a retry) has no
 * command of its own to follow; the task that appears, or its next attempt, is the answer.
 */

import type { CommandInfo, ControlRequest, RunRequest, TaskInfo } from "../live/messages";

export type Outcome =
  | { kind: "asked" }
  | { kind: "progress"; state: CommandInfo["state"] }
  | { kind: "done"; task: string }
  | { kind: "failed"; state: CommandInfo["state"] | "refused"; reason: string }
  | { kind: "no-answer" };

export interface Asked {
  ref: string;
  control?: ControlRequest;
  run?: RunRequest;
}

interface Pending extends Asked {
  show: (outcome: Outcome) => void;
  /** The attempt that a retry comes after. */
  attempt: number;
  timer: ReturnType<typeof setTimeout>;
}

const ANSWER_WITHIN_MS = 60_000;

export class Requests {
  readonly #pending = new Map<string, Pending>();
  readonly #newRef: () => string;

  constructor(newRef: () => string = randomRef) {
    this.#newRef = newRef;
  }

  /** Notes a control; `attempt` is the task's present one. */
  control(request: ControlRequest, attempt: number, show: (outcome: Outcome) => void): string {
    return this.#note({ ref: this.#newRef(), control: request }, attempt, show);
  }

  run(request: RunRequest, show: (outcome: Outcome) => void): string {
    return this.#note({ ref: this.#newRef(), run: request }, 0, show);
  }

  commandChanged(command: CommandInfo): void {
    const pending = this.#pending.get(command.ref);
    if (!pending) return;
    switch (command.state) {
      case "pending":
      case "sent":
      case "acked":
        return pending.show({ kind: "progress", state: command.state });
      case "succeeded":
        return this.#settle(pending, { kind: "done", task: command.task ?? "" });
      default:
        return this.#settle(pending, { kind: "failed", state: command.state, reason: command.message || command.code });
    }
  }

  /** `isNew`: the page has not seen this task before; `isMine`: this person has asked for it. */
  taskChanged(task: TaskInfo, isNew: boolean, isMine: boolean): void {
    for (const pending of this.#pending.values()) {
      const isRetried = pending.control?.action === "retry" && pending.control.task === task.id && task.attempt > pending.attempt;
      // A socket's requests are done in the order asked, so the oldest run is the one.
      const isStarted = pending.run !== undefined && isNew && isMine && fits(pending.run, task);
      if (isRetried || isStarted) return this.#settle(pending, { kind: "done", task: task.id });
    }
  }

  refused(ref: string, reason: string): boolean {
    const pending = this.#pending.get(ref);
    if (pending) this.#settle(pending, { kind: "failed", state: "refused", reason });
    return pending !== undefined;
  }

  #note(asked: Asked, attempt: number, show: (outcome: Outcome) => void): string {
    const timer = setTimeout(() => {
      this.#pending.delete(asked.ref);
      show({ kind: "no-answer" });
    }, ANSWER_WITHIN_MS);
    this.#pending.set(asked.ref, { ...asked, attempt, show, timer });
    show({ kind: "asked" });
    return asked.ref;
  }

  #settle(pending: Pending, outcome: Outcome): void {
    clearTimeout(pending.timer);
    this.#pending.delete(pending.ref);
    pending.show(outcome);
  }
}

function fits(run: RunRequest, task: TaskInfo): boolean {
  return run.project === task.project && (run.node === "" || run.node === task.targetNode);
}

/** Not `randomUUID`: a page on plain http in a local network has none. */
function randomRef(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(9));
  return `web-${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
