/** The key figures at the top of the overview, counted from what the page knows. */

import { Samples, Spark } from "../charts/spark";
import { setAttribute, setText } from "../tables/cells";
import type { Figures } from "./fleet";
import { element, type Page } from "./page";
import { wholePercent } from "./words";

export function wireTiles(page: Page): void {
  if (!document.querySelector(".tiles")) return;
  const box = element("cluster-spark");
  const samples = new Samples();
  const spark = box ? new Spark(box, samples) : null;
  let isScheduled = false;
  const draw = (): void => {
    isScheduled = false;
    const figures = page.fleet.figures();
    drawTiles(page, figures);
    if (figures.cpu === null) return;
    samples.push(figures.cpu, page.now());
    spark?.draw(page.now());
  };
  const schedule = (): void => {
    if (isScheduled) return;
    isScheduled = true;
    setTimeout(draw, 250);
  };
  for (const kind of ["nodes", "tasks", "alerts"] as const) {
    page.fleet.onChange(kind, schedule);
    page.fleet.onReplace(kind, schedule);
  }
  draw();
}

function drawTiles(page: Page, figures: Figures): void {
  const { texts } = page;
  tile("nodes", String(figures.online), `/ ${texts.number(figures.nodes)}`, figures.online < figures.nodes ? "warn" : "");
  const waiting = figures.waiting > 0 ? ` · ${texts.say("tasks.waiting", { count: figures.waiting })}` : "";
  const unknown = figures.unknown > 0 ? ` · ${texts.say("tasks.unknown", { count: figures.unknown })}` : "";
  tile("tasks", texts.number(figures.running), texts.say("tasks.queued", { count: figures.queued }) + waiting + unknown, figures.unknown > 0 ? "warn" : "");
  const severity = figures.errors > 0 ? texts.say("alerts.errors", { count: figures.errors }) : "";
  tile("alerts", texts.number(figures.alerts), figures.alerts === 0 ? texts.say("alerts.none") : severity, figures.alerts > 0 ? "bad" : "");
  const peak = figures.busiest ? texts.say("cpu.peak", { percent: wholePercent(figures.busiest.cpu), node: figures.busiest.node }) : "";
  tile("cpu", wholePercent(figures.cpu), peak, "");
  setText(element("alert-count"), texts.number(figures.alerts));
}

function tile(name: string, value: string, detail: string, tone: string): void {
  const box = document.querySelector(`[data-tile="${name}"]`);
  setAttribute(box, "data-tone", tone || null);
  setText(box?.querySelector("[data-value]") ?? null, value);
  setText(box?.querySelector("[data-detail]") ?? null, detail);
}
