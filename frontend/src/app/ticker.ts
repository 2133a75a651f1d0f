/**
 * Updates ages, running times and times in the reader's time zone once a second while the page is visible. Requests nothing
 * and writes only visible texts that changed.
 */

import { setText } from "../tables/cells";
import type { Page } from "./page";
import { clockDuration } from "./texts";

export function startTicker(page: Page): void {
  const draw = (): void => {
    if (!document.hidden) drawTimes(document, page, false);
  };
  drawTimes(document, page);
  setInterval(draw, 1000);
  document.addEventListener("visibilitychange", draw);
  // Cells that scroll into view must not show an old text. Scroll events do not bubble.
  document.addEventListener("scrollend", draw, { capture: true, passive: true });
}

/** `isEverything`: including cells outside the view. */
export function drawTimes(root: ParentNode, page: Page, isEverything = true): void {
  const now = page.now();
  const cells = [...root.querySelectorAll<HTMLElement>('time[data-style], [data-field="elapsed"][data-started]')];
  // Measure all cells before writing, to force only one layout.
  const shown = isEverything ? cells : cells.filter((cell) => isNew(cell) || isInSight(cell));
  for (const cell of shown) {
    if (cell.dataset.style === undefined) setText(cell, elapsed(cell, page.age.oldSince ?? now));
    else drawTime(cell, page, now);
  }
}

/** The last time of each cell: a new time is written even outside the view. */
const written = new WeakMap<HTMLElement, string>();

function isNew(cell: HTMLElement): boolean {
  const { at = "", started = "", ended = "" } = cell.dataset;
  const key = at + started + ended;
  if (written.get(cell) === key) return false;
  written.set(cell, key);
  return true;
}

function isInSight(cell: HTMLElement): boolean {
  const { top, bottom } = cell.getBoundingClientRect();
  return bottom >= 0 && top <= innerHeight;
}

/** Pauses while the page is not current, so that a task on an unreachable node does not seem to continue. */
function elapsed(cell: HTMLElement, until: number): string {
  return clockDuration(((Number(cell.dataset.ended) || until) - Number(cell.dataset.started)) / 1000);
}

function drawTime(time: HTMLElement, page: Page, now: number): void {
  const { texts } = page;
  const isAge = time.dataset.style === "age";
  const at = Number(time.dataset.at);
  if (!at) {
    setText(time, isAge ? texts.get("age.never") : "–");
    return;
  }
  const text = isAge ? texts.age(at, now) : texts.clock(at, now);
  if (time.textContent === text) return;
  time.textContent = text;
  time.title = texts.dateTime(at);
  time.setAttribute("datetime", new Date(at).toISOString());
}
