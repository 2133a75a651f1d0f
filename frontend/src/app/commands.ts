/**
 * People's commands to tasks: pending and recently settled commands, and this reader's unanswered requests. Everyone
 * who views a task sees the same commands.
 */

import type { Action, CommandInfo, CommandState } from "../live/messages";
import type { Labels } from "./settings";

/** The Leader's states, and those of unanswered and refused requests. */
export type ShownState = CommandState | "asked" | "refused" | "unanswered";
export type ShownCommand = Omit<CommandInfo, "state"> & { state: ShownState };

const MAX_PER_TASK = 50;

export class Commands {
  readonly #byTask = new Map<string, ShownCommand[]>();
  readonly #labels: Pick<Labels, "decisions">;

  constructor(labels: Pick<Labels, "decisions">) {
    this.#labels = labels;
  }

  /** Newest first. */
  of(task: string): readonly ShownCommand[] {
    return this.#byTask.get(task) ?? [];
  }

  /** Applies a snapshot: pending commands that it does not contain were settled earlier. Settled ones stay. */
  replace(commands: readonly CommandInfo[]): void {
    const named = new Set(commands.map((command) => command.id));
    for (const [task, known] of this.#byTask) {
      const kept = known.filter(
        (command) => named.has(command.id) || !isOpen(command, this.#labels) || command.state === "asked",
      );
      this.#byTask.set(task, kept);
    }
    for (const command of [...commands].reverse()) this.apply(command);
  }

  apply(command: CommandInfo): void {
    if (command.task)
      this.#put(
        command.task,
        command,
        (known) => known.id === command.id || (known.ref !== "" && known.ref === command.ref),
      );
  }

  /** The reader pressed a button. */
  ask(ref: string, task: string, kind: Action, nowMs: number): void {
    const asked: ShownCommand = {
      id: `~${ref}`,
      kind,
      task,
      attempt: 0,
      node: "",
      state: "asked",
      code: "",
      message: "",
      phrases: {},
      ref,
      actor: "",
      createdAt: nowMs,
      changedAt: nowMs,
    };
    this.#put(task, asked, () => false);
  }

  /** The outcome of the reader's own request before it became a command. Returns the task's id; empty if it is not ours. */
  answer(ref: string, change: Pick<ShownCommand, "state"> & Partial<ShownCommand>): string {
    for (const [task, known] of this.#byTask) {
      const asked = known.find((command) => command.ref === ref && command.state === "asked");
      if (!asked) continue;
      this.#put(task, { ...asked, ...change }, (other) => other === asked);
      return task;
    }
    return "";
  }

  /** The request did not become a command. */
  forget(ref: string): string {
    for (const [task, known] of this.#byTask) {
      if (!known.some((command) => command.ref === ref)) continue;
      this.#byTask.set(
        task,
        known.filter((command) => command.ref !== ref),
      );
      return task;
    }
    return "";
  }

  #put(task: string, command: ShownCommand, isSame: (known: ShownCommand) => boolean): void {
    const known = this.#byTask.get(task) ?? [];
    const index = known.findIndex(isSame);
    const after = index < 0 ? [command, ...known] : known.with(index, command);
    this.#byTask.set(task, after.slice(0, MAX_PER_TASK));
  }
}

export function isOpen({ state }: Pick<ShownCommand, "state">, { decisions }: Pick<Labels, "decisions">): boolean {
  return decisions.commands[state].staysSeconds === null;
}
