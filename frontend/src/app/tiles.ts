/** The key figures at the top of the overview, counted from the page's data. */

import { Samples, Spark } from "../charts/spark";
import { setAttribute, setText } from "../tables/cells";
import type { Figures, Kind } from "./fleet";
import { element, type Page } from "./page";
import { wholePercent } from "./texts";
import type { StoreHealth } from "./trouble";

export function wireTiles(page: Page, store: StoreHealth): void {
  if (!document.querySelector(".tiles")) return;
  const box = element("cluster-spark");
  const samples = new Samples();
  const spark = box ? new Spark(box, samples) : null;
  let isScheduled = false;
  let drawnAt = 0;
  const draw = (): void => {
    isScheduled = false;
    drawnAt = performance.now();
    const figures = page.fleet.figures();
    drawTiles(figures, reliability(page, store), page);
    if (figures.cpu === null) return;
    samples.push(figures.cpu, page.now());
    spark?.draw(page.now());
  };
  const schedule = (): void => {
    if (isScheduled) return;
    isScheduled = true;
    // At most four times a second, but at once after a pause, like the rows below.
    setTimeout(draw, Math.max(0, drawnAt + 250 - performance.now()));
  };
  for (const kind of ["nodes", "tasks", "alerts"] as const) {
    page.fleet.onChange(kind, schedule);
    page.fleet.onReplace(kind, schedule);
  }
  page.live.onStatus(schedule);
  store.onChange(schedule);
  draw();
}

/** How reliable this page's counts are. */
export interface Reliability {
  isLive: boolean;
  /** Since when the page may be out of date, as a time of day; empty = it is current. */
  asOf: string;
  isStoreFailing: boolean;
}

function reliability(page: Page, store: StoreHealth): Reliability {
  const { oldSince } = page.age;
  const asOf = oldSince === null ? "" : page.texts.clock(oldSince, page.now());
  return { isLive: page.live.status.kind === "live", asOf, isStoreFailing: store.isFailing };
}

/** Texts of the figures that indicate a problem. */
function troubles(kind: Kind, figures: Figures, page: Page): string[] {
  const found: string[] = [];
  for (const figure of page.settings.labels.decisions.troubles[kind]) {
    const count = figures[kind][figure] ?? 0;
    if (count > 0) found.push(page.texts.get(`${kind}.${figure}`, { count }));
  }
  return found;
}

function drawTiles(figures: Figures, now: Reliability, page: Page): void {
  const { texts, fleet } = page;
  const wrong = { nodes: troubles("nodes", figures, page), tasks: troubles("tasks", figures, page) };
  const comma = texts.get("tile.comma");
  // Reasons not to show "all clear"; empty = no known problem.
  const concerns = [
    now.asOf ? texts.get("fresh.asOf", { time: now.asOf }) : "",
    now.isStoreFailing ? texts.get("tile.store") : "",
    wrong.nodes.length > 0 ? texts.get("tile.nodes", { troubles: wrong.nodes.join(comma) }) : "",
    wrong.tasks.length > 0 ? texts.get("tile.tasks", { troubles: wrong.tasks.join(comma) }) : "",
  ].filter(Boolean);
  const nodes = [`/ ${texts.number(fleet.nodes.size)}`, ...wrong.nodes].join(" · ");
  tile("nodes", texts.number(figures.nodes.online ?? 0), nodes, wrong.nodes.length > 0 ? "warn" : "");
  const queued = texts.get("tasks.queued", { count: figures.tasks.queued ?? 0 });
  const tasks = [queued, ...wrong.tasks].join(" · ");
  tile("tasks", texts.number(figures.tasks.running ?? 0), tasks, wrong.tasks.length > 0 ? "warn" : "");
  const alerts = fleet.alerts.size;
  const isClear = alerts === 0 && concerns.length === 0 && now.isLive;
  const detail = isClear ? texts.get("alerts.none") : [...troubles("alerts", figures, page), ...concerns].join(" · ");
  tile("alerts", texts.number(alerts), detail, alerts > 0 ? "bad" : concerns.length > 0 ? "warn" : "");
  const peak = figures.busiest
    ? texts.get("cpu.peak", { percent: wholePercent(figures.busiest.cpu), node: figures.busiest.node })
    : "";
  tile("cpu", wholePercent(figures.cpu), peak, "");
  setText(element("alert-count"), texts.number(alerts));
  // An empty list alone does not mean that all is well.
  const empty = element("alerts-empty");
  setAttribute(empty, "data-tone", isClear ? "good" : null);
  setAttribute(empty?.querySelector("use") ?? null, "href", isClear ? "#shield-check" : "#bell");
}

function tile(name: string, value: string, detail: string, tone: string): void {
  const box = document.querySelector(`[data-tile="${name}"]`);
  setAttribute(box, "data-tone", tone || null);
  setText(box?.querySelector("[data-value]") ?? null, value);
  const small = box?.querySelector("[data-detail]") ?? null;
  setText(small, detail);
  // The text may be cut off in a narrow tile.
  setAttribute(small, "title", detail || null);
}
