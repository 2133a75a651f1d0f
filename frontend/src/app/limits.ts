/** The time limits of a named task's definition, in words. */

import { clockDuration, type Texts } from "./texts";

export interface Limits {
  timeoutSeconds: number;
  stallAfterSeconds: number;
}

/** One text for each limit; none for 0, which is no limit or the node's default. */
export function limitTexts(limits: Limits, texts: Texts): string[] {
  const worded: string[] = [];
  if (limits.timeoutSeconds > 0)
    worded.push(texts.get("run.timeout", { duration: clockDuration(limits.timeoutSeconds) }));
  if (limits.stallAfterSeconds > 0)
    worded.push(texts.get("run.stall", { duration: clockDuration(limits.stallAfterSeconds) }));
  return worded;
}
