/** How an alert is shown, computed from it alone: no DOM. */

import { plain } from "../chat/markdown";
import type { AlertInfo } from "../live/messages";

/** The task's name and, from the second attempt on, its number; the id if an earlier version stored no name. */
export function alertTask({ task, taskName, attempt = 0 }: Pick<AlertInfo, "task" | "taskName" | "attempt">): string {
  const name = plain(taskName || task);
  return attempt > 1 ? `${name} #${attempt}` : name;
}
