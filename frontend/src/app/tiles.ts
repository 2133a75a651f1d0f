/** The key figures at the top of the overview, counted from the page's data. */

import { Samples, Spark } from "../charts/spark";
import { setAttribute, setText } from "../tables/cells";
import type { Figures } from "./fleet";
import { element, type Page } from "./page";
import { type Texts, wholePercent } from "./texts";
import type { StoreHealth } from "./trouble";

export function wireTiles(page: Page, store: StoreHealth): void {
  if (!document.querySelector(".tiles")) return;
  const box = element("cluster-spark");
  const samples = new Samples();
  const spark = box ? new Spark(box, samples) : null;
  let isScheduled = false;
  const draw = (): void => {
    isScheduled = false;
    const figures = page.fleet.figures();
    drawTiles(figures, reliability(page, store), page);
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
  page.live.onStatus(schedule);
  store.onChange(schedule);
  draw();
}

/** How reliable this page's counts are. */
export interface Reliability {
  isLive: boolean;
  /** Since when the page may be old, as a time of day; empty = it is current. */
  asOf: string;
  isStoreFailing: boolean;
}

function reliability(page: Page, store: StoreHealth): Reliability {
  const { oldSince } = page.age;
  const asOf = oldSince === null ? "" : page.texts.clock(oldSince, page.now());
  return { isLive: page.live.status.kind === "live", asOf, isStoreFailing: store.isFailing };
}

function nodeTroubles({ suspect, offline }: Figures, texts: Texts): string[] {
  return counted(
    [
      ["nodes.suspect", suspect],
      ["nodes.offline", offline],
    ],
    texts,
  );
}

function taskTroubles({ waiting, stalled, unknown }: Figures, texts: Texts): string[] {
  return counted(
    [
      ["tasks.waiting", waiting],
      ["tasks.stalled", stalled],
      ["tasks.unknown", unknown],
    ],
    texts,
  );
}

function counted(counts: [key: string, count: number][], texts: Texts): string[] {
  return counts.filter(([, count]) => count > 0).map(([key, count]) => texts.say(key, { count }));
}

/**
 * What keeps this page from saying "all clear", in words; empty = nothing is known to be wrong.
 * `_figures` of dashboard/pages/overview.py decides the same for a page without the script.
 */
export function concerns(figures: Figures, now: Reliability, texts: Texts): string[] {
  const comma = texts.say("tile.comma");
  const nodes = nodeTroubles(figures, texts).join(comma);
  const tasks = taskTroubles(figures, texts).join(comma);
  return [
    now.asOf ? texts.say("fresh.asOf", { time: now.asOf }) : "",
    now.isStoreFailing ? texts.say("tile.store") : "",
    nodes ? texts.say("tile.nodes", { troubles: nodes }) : "",
    tasks ? texts.say("tile.tasks", { troubles: tasks }) : "",
  ].filter(Boolean);
}

function drawTiles(figures: Figures, now: Reliability, page: Page): void {
  const { texts } = page;
  const wrong = concerns(figures, now, texts);
  const nodes = [`/ ${texts.number(figures.nodes)}`, ...nodeTroubles(figures, texts)].join(" · ");
  tile("nodes", String(figures.online), nodes, figures.online < figures.nodes ? "warn" : "");
  const troubles = taskTroubles(figures, texts);
  tile(
    "tasks",
    texts.number(figures.running),
    [texts.say("tasks.queued", { count: figures.queued }), ...troubles].join(" · "),
    troubles.length > 0 ? "warn" : "",
  );
  const isClear = figures.alerts === 0 && wrong.length === 0 && now.isLive;
  const severity = figures.errors > 0 ? [texts.say("alerts.errors", { count: figures.errors })] : [];
  const detail = isClear ? texts.say("alerts.none") : [...severity, ...wrong].join(" · ");
  tile("alerts", texts.number(figures.alerts), detail, figures.alerts > 0 ? "bad" : wrong.length > 0 ? "warn" : "");
  const peak = figures.busiest
    ? texts.say("cpu.peak", { percent: wholePercent(figures.busiest.cpu), node: figures.busiest.node })
    : "";
  tile("cpu", wholePercent(figures.cpu), peak, "");
  setText(element("alert-count"), texts.number(figures.alerts));
  // The shield means that all is well, which an empty list alone does not prove.
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
  // It is cut where the tile is narrow.
  setAttribute(small, "title", detail || null);
}
