/** Whether a fix of an analysis can still be asked for, as far as this page knows. The server decides. Pure. */

import type { Fleet } from "../app/fleet";
import type { Labels } from "../app/settings";
import type { Texts } from "../app/texts";
import type { Analysis, Fix } from "../live/messages";
import { offeredActions, stateOf } from "../tables/task-view";

/** Why it cannot be asked for, in labels; empty = it can. */
export function fixBlock(
  fix: Fix,
  analysis: Analysis,
  fleet: Pick<Fleet, "alerts" | "tasks">,
  labels: Labels,
  texts: Texts,
): string {
  const { decisions } = labels;
  const task = fleet.tasks.get(analysis.task);
  const state = task ? stateOf(task, labels).label : "";
  if (task && decisions.tasks[task.state].isFinal) return texts.say("analysis.ended", { state });
  if (!fleet.alerts.has(analysis.alert) && fleet.alerts.size < decisions.limits.alerts)
    return texts.say("analysis.over");
  const action = decisions.toolActions[fix.tool];
  if (task && action && !offeredActions(task, labels).includes(action)) return texts.say("analysis.notNow", { state });
  return "";
}
