/** Whether a fix can still be requested, as far as the page knows. The server decides. Pure. */

import type { Fleet } from "../app/fleet";
import type { Labels } from "../app/settings";
import type { Texts } from "../app/texts";
import type { Analysis, Fix } from "../live/messages";
import { offeredActions, stateOf } from "../tables/task-view";

/** Why the fix cannot be requested; empty = it can. */
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
  if (task && decisions.tasks[task.state].isFinal) return texts.get("analysis.ended", { state });
  if (!fleet.alerts.has(analysis.alert) && fleet.alerts.size < decisions.limits.alerts)
    return texts.get("analysis.over");
  const action = decisions.toolActions[fix.tool];
  if (task && action && !offeredActions(task, labels).includes(action)) return texts.get("analysis.notNow", { state });
  return "";
}
