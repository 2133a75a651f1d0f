import { afterEach, describe, expect, it, vi } from "vitest";
import cases from "../../tests/unit/pages/figures.json";
import type { Fleet } from "../src/app/fleet";
import type { Page } from "../src/app/page";
import { Texts } from "../src/app/texts";
import { wireTiles } from "../src/app/tiles";
import type { LinkStatus } from "../src/live/link";
import type { NodeState, TaskHealth, TaskState } from "../src/live/messages";
import { alert, fleetOf, labels, node, task } from "./samples";

const texts = new Texts("en", {
  "nodes.suspect": "{count} suspect",
  "nodes.offline": "{count} offline",
  "tasks.queued": "{count} queued",
  "tasks.unknown": "{count} unknown",
  "tasks.waiting": "{count} waiting for you",
  "tasks.stalled": "{count} stalled",
  "alerts.errors": "{count} critical",
  "alerts.none": "all clear",
  "tile.nodes": "Nodes: {troubles}",
  "tile.tasks": "Tasks: {troubles}",
  "tile.comma": ", ",
  "tile.store": "nothing new is stored",
  "fresh.asOf": "as of {time}",
});

afterEach(() => {
  document.body.replaceChildren();
  vi.useRealTimers();
});

/** The overview's tile of alerts, and the page's messages. */
function overview(fleet: Fleet) {
  vi.useFakeTimers();
  document.body.innerHTML = `<ul class="tiles"><li data-tile="alerts"><b data-value></b><small data-detail></small></li></ul><div id="alerts-empty"><svg><use href="#bell"></use></svg></div>`;
  let redraw = (): void => undefined;
  const onStatus = (listener: () => void): void => {
    redraw = listener;
  };
  const status = { kind: "live", pushMs: null } as LinkStatus;
  const page = {
    fleet,
    texts,
    settings: { labels },
    now: () => 9000,
    age: { oldSince: null as number | null },
    live: { status, onStatus },
  };
  const store = { isFailing: false, onChange: () => undefined };
  wireTiles(page as unknown as Page, store);
  const draw = (): void => {
    redraw();
    vi.runAllTimers();
  };
  return {
    page,
    store,
    draw,
    detail: () => document.querySelector("[data-detail]")?.textContent,
    shield: () => document.querySelector("#alerts-empty use")?.getAttribute("href"),
  };
}

describe("the tile of alerts", () => {
  it.each(cases)("says what is wrong: $wrong", ({ nodes, tasks, alerts, wrong }) => {
    const fleet = fleetOf({
      nodes: nodes.map((state, at) => node(`n${at}`, { state: state as NodeState })),
      tasks: tasks.map(([state, health, isUnknown], at) =>
        task(`t${at}`, { state: state as TaskState, health: health as TaskHealth, unknownSince: isUnknown ? 5 : null }),
      ),
      alerts: alerts.map((level, at) => alert(`${at}`, { level: level as "error" })),
    });

    const { detail, shield } = overview(fleet);

    expect(detail()).toBe(wrong || "all clear");
    expect(shield()).toBe(wrong ? "#bell" : "#shield-check");
  });

  it('shows "all clear" only if everything is known', () => {
    const seen = overview(fleetOf({ nodes: [node("a")] }));
    expect(seen.detail()).toBe("all clear");

    seen.store.isFailing = true;
    seen.draw();
    expect(seen.detail()).toBe("nothing new is stored");
    seen.store.isFailing = false;
    seen.page.age.oldSince = 1000;
    seen.page.live.status = { kind: "silent", since: 1000 };
    seen.draw();
    expect(seen.detail()).toMatch(/^as of /);
    expect(seen.shield()).toBe("#bell");
    // Not connected yet, so the rendered state is unconfirmed.
    seen.page.age.oldSince = null;
    seen.page.live.status = { kind: "connecting", since: null };
    seen.draw();
    expect(seen.detail()).toBe("");
  });
});
