/** How a task's row looks, computed from the task alone: no DOM. */

import type { Labels, Look } from "../app/settings";
import type { Texts } from "../app/texts";
import type { Action, TaskInfo } from "../live/messages";
import { inWords } from "./message-view";

export interface TaskView {
  state: Look;
  health: Look | null;
  place: string;
  attempt: string;
  note: string;
  /** 0..1, or null if unknown. */
  progress: number | null;
  actions: ReadonlySet<Action>;
}

export function taskView(task: TaskInfo, labels: Labels, texts: Texts, nowMs: number): TaskView {
  const isUnknown = task.unknownSince !== null;
  return {
    state: stateOf(task, labels),
    health: task.state === "running" && !isUnknown ? (labels.taskHealth[task.health] ?? null) : null,
    place: [task.project, task.node || task.targetNode || texts.say("task.anyNode")].filter(Boolean).join(" · "),
    attempt: task.attempt > 1 ? `#${task.attempt}` : "",
    note: note(task, labels, texts, nowMs),
    progress: task.progress,
    actions: offeredActions(task, labels),
  };
}

/** A task whose node is unreachable is shown as unknown: neither running nor failed. */
export function stateOf(task: TaskInfo, labels: Labels): Look {
  return task.unknownSince === null ? labels.taskStates[task.state] : labels.unknown;
}

export function offeredActions(task: TaskInfo, labels: Labels): ReadonlySet<Action> {
  const offered = (Object.keys(labels.offered) as Action[]).filter((action) =>
    labels.offered[action].includes(task.state),
  );
  return new Set(offered.filter((action) => action !== "input" || task.acceptsInput));
}

/** The most important fact beside the state. */
function note(task: TaskInfo, labels: Labels, texts: Texts, nowMs: number): string {
  if (task.unknownSince !== null) {
    const since = texts.say("task.unknownSince", { time: texts.clock(task.unknownSince, nowMs) });
    return `${labels.taskStates[task.state].label} · ${since}`;
  }
  if (task.state === "pending" && task.pendingReason) return inWords(task.pendingReason, task.pendingParts, labels);
  if (task.state === "paused" && task.partialPause) return texts.say("task.partialPause");
  if (task.message) return inWords(task.message, task.messageParts, labels);
  return task.state === "failed" ? exitText(task.exitCode, texts) : "";
}

export function exitText(code: number | null, texts: Texts): string {
  if (code === null) return "";
  return code < 0 ? texts.say("task.signal", { number: -code }) : texts.say("task.exitCode", { code });
}
