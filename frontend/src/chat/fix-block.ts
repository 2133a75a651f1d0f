/** Whether a fix of an analysis can still be asked for, as far as this page knows. The server decides. Pure. */

import type { Fleet } from "../app/fleet";
import type { Labels } from "../app/settings";
import type { Texts } from "../app/texts";
import type { Action, Analysis, Fix } from "../live/messages";
import { offeredActions, stateOf } from "../tables/task-view";

const ACTIONS: Record<string, Action> = {
  send_input: "input",
  pause_task: "pause",
  resume_task: "resume",
  retry_task: "retry",
  cancel_task: "cancel",
};
/** The server sends at most this many open alerts; beyond that a missing one may still be open. */
const ALERTS_TOLD = 200;

/** Why it cannot be asked for, in labels; empty = it can. */
export function fixBlock(
  fix: Fix,
  analysis: Analysis,
  fleet: Pick<Fleet, "alerts" | "tasks">,
  labels: Labels,
  texts: Texts,
): string {
  const task = fleet.tasks.get(analysis.task);
  const state = task ? stateOf(task, labels).label : "";
  if (task && labels.decisions.tasks[task.state].isFinal) return texts.say("analysis.ended", { state });
  if (!fleet.alerts.has(analysis.alert) && fleet.alerts.size < ALERTS_TOLD) return texts.say("analysis.over");
  const action = ACTIONS[fix.tool];
  if (task && action && !offeredActions(task, labels).includes(action)) return texts.say("analysis.notNow", { state });
  return "";
}
