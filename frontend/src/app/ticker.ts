/**
 * Once a second, while somebody looks: ages, running times, and times in the reader's own zone. Nothing is asked for, and
 * only what is in sight and reads otherwise than before is written.
 */

import { setText } from "../tables/cells";
import type { Page } from "./page";
import { clockDuration } from "./words";

export function startTicker(page: Page): void {
  const draw = (): void => {
    if (!document.hidden) drawTimes(document, page, false);
  };
  drawTimes(document, page);
  setInterval(draw, 1000);
  document.addEventListener("visibilitychange", draw);
  // What is scrolled into sight must not show for a second what was true before. Scroll events do not bubble.
  document.addEventListener("scrollend", draw, { capture: true, passive: true });
}

/** `isEverything`: also what is scrolled out of sight. */
export function drawTimes(root: ParentNode, page: Page, isEverything = true): void {
  const now = page.now();
  const cells = [...root.querySelectorAll<HTMLElement>('time[data-style], [data-field="elapsed"][data-started]')];
  // All are measured before the first is written: one layout, not one for each.
  const shown = isEverything ? cells : cells.filter((cell) => isNew(cell) || isInSight(cell));
  for (const cell of shown) {
    if (cell.dataset.style === undefined) setText(cell, elapsed(cell, page.sight.oldSince ?? now));
    else drawTime(cell, page, now);
  }
}

/** What each cell stood for when it was written last: a new point in time is written wherever it is. */
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

/** Stands still with what the page knows: a task that it cannot see is not shown to go on. */
function elapsed(cell: HTMLElement, until: number): string {
  return clockDuration(((Number(cell.dataset.ended) || until) - Number(cell.dataset.started)) / 1000);
}

function drawTime(time: HTMLElement, page: Page, now: number): void {
  const { texts } = page;
  const isAge = time.dataset.style === "age";
  const at = Number(time.dataset.at);
  if (!at) {
    setText(time, isAge ? texts.say("age.never") : "–");
    return;
  }
  const text = isAge ? texts.age(at, now) : texts.clock(at, now);
  if (time.textContent === text) return;
  time.textContent = text;
  time.title = texts.dateTime(at);
  time.setAttribute("datetime", new Date(at).toISOString());
}
