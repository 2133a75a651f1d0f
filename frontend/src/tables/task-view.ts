/** How to show a task's row, computed from the task alone: no DOM. */

import { phraseText } from "../app/phrases";
import type { Labels, Look, NoteSource, ShownTaskState } from "../app/settings";
import type { Texts } from "../app/texts";
import type { Action, TaskHealth, TaskInfo } from "../live/messages";
import { exitText } from "./formats";

export interface TaskView {
  state: Look;
  health: Look | null;
  /** The task waits for a person's answer. */
  waits: boolean;
  place: string;
  note: string;
  actions: readonly Action[];
}

export function taskView(task: TaskInfo, labels: Labels, texts: Texts, nowMs: number): TaskView {
  const health = shownHealth(task, labels);
  return {
    state: stateOf(task, labels),
    health: (health && labels.taskHealth[health]) ?? null,
    waits: health !== null && labels.decisions.health[health].waits,
    place: [task.project, task.node || task.targetNode || texts.get("task.anyNode")].filter(Boolean).join(" · "),
    note: note(task, labels, texts, nowMs),
    actions: offeredActions(task, labels),
  };
}

/** A task on an unreachable node is shown as unknown: neither running nor failed. */
export function shownState({ state, unknownSince }: Pick<TaskInfo, "state" | "unknownSince">): ShownTaskState {
  return unknownSince === null ? state : "unknown";
}

export function stateOf(task: TaskInfo, labels: Labels): Look {
  return labels.taskStates[shownState(task)];
}

/** The task's health if people should know it. */
export function shownHealth(task: TaskInfo, labels: Pick<Labels, "decisions">): TaskHealth | null {
  return labels.decisions.tasks[shownState(task)].showsHealth ? task.health : null;
}

export function offeredActions(task: TaskInfo, labels: Labels): readonly Action[] {
  return labels.decisions.tasks[task.state].actions[task.acceptsInput ? 1 : 0];
}

/** The most important note beside the state. */
function note(task: TaskInfo, labels: Labels, texts: Texts, nowMs: number): string {
  for (const source of labels.decisions.tasks[shownState(task)].notes) {
    const text = NOTES[source](task, labels, texts, nowMs);
    if (text !== "") return text;
  }
  return "";
}

const NOTES: Record<NoteSource, (task: TaskInfo, labels: Labels, texts: Texts, nowMs: number) => string> = {
  unknownSince: (task, labels, texts, nowMs) => {
    const time = texts.clock(task.unknownSince ?? 0, nowMs);
    return `${labels.taskStates[task.state].label} · ${texts.get("task.unknownSince", { time })}`;
  },
  pendingReason: (task, labels) => phraseText(task, "pendingReason", labels),
  partialPause: (task, _, texts) => (task.partialPause ? texts.get("task.partialPause") : ""),
  message: (task, labels) => phraseText(task, "message", labels),
  exitCode: (task, _, texts) => exitText(task.exitCode, texts),
};
