/** Once a second, while somebody looks: ages, running times, and times in the reader's own zone. Nothing is asked for. */

import { setText } from "../tables/cells";
import type { Page } from "./page";
import { clockDuration } from "./words";

export function startTicker(page: Page): void {
  const draw = (): void => {
    if (!document.hidden) drawTimes(document, page);
  };
  draw();
  setInterval(draw, 1000);
  document.addEventListener("visibilitychange", draw);
}

export function drawTimes(root: ParentNode, page: Page): void {
  const now = page.now();
  for (const time of root.querySelectorAll<HTMLElement>("time[data-style]")) {
    const at = Number(time.dataset.at);
    if (!at) {
      setText(time, time.dataset.style === "age" ? page.texts.say("age.never") : "–");
      continue;
    }
    const text = time.dataset.style === "age" ? page.texts.age(at, now) : page.texts.clock(at, now);
    if (time.textContent === text) continue;
    time.textContent = text;
    time.title = page.texts.dateTime(at);
    time.setAttribute("datetime", new Date(at).toISOString());
  }
  for (const span of root.querySelectorAll<HTMLElement>('[data-field="elapsed"][data-started]')) {
    const end = Number(span.dataset.ended) || now;
    setText(span, clockDuration((end - Number(span.dataset.started)) / 1000));
  }
}
