/** The filter of a log: node, levels and words. */

import type { LogLevel } from "../live/messages";
import type { LineFilter } from "./buffer";

const LEVELS: readonly LogLevel[] = ["debug", "info", "warning", "error"];

export interface FilterChoice {
  /** Empty = all nodes. */
  node: string;
  levels: ReadonlySet<LogLevel>;
  /** Words separated by spaces; all must occur, in any order and case. `-word` must not occur. */
  text: string;
}

/** The server parses a search the same way: dashboard/pages/logs.py. */
export function lineFilter(choice: FilterChoice): LineFilter {
  const words = choice.text.toLowerCase().split(/\s+/).filter(Boolean);
  const unwanted = words.filter((word) => word.length > 1 && word.startsWith("-")).map((word) => word.slice(1));
  const wanted = words.filter((word) => !(word.length > 1 && word.startsWith("-")));
  return (line) => {
    // Always show gaps, so that missing lines are never hidden.
    if (choice.node !== "" && line.node !== choice.node) return false;
    if (line.isGap) return true;
    if (!choice.levels.has(line.level)) return false;
    if (words.length === 0) return true;
    const text = line.text.toLowerCase();
    return wanted.every((word) => text.includes(word)) && !unwanted.some((word) => text.includes(word));
  };
}

/** Whether it excludes any lines. */
export function isNarrow(choice: FilterChoice): boolean {
  return choice.node !== "" || choice.text.trim() !== "" || LEVELS.some((level) => !choice.levels.has(level));
}

/** Whether any line can pass; not without a level. */
export function isPossible(choice: FilterChoice): boolean {
  return choice.levels.size > 0;
}

/** Reads the choice from the panel's form. */
export function choiceOf(form: FormData): FilterChoice {
  return {
    node: String(form.get("node") ?? ""),
    levels: new Set(form.getAll("level").map(String) as LogLevel[]),
    text: String(form.get("text") ?? ""),
  };
}
