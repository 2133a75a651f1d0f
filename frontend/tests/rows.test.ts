import { beforeEach, describe, expect, it } from "vitest";
import type { Urls } from "../src/app/settings";
import { troubleText } from "../src/app/trouble";
import type { Gap, LogBatch, StoreTrouble } from "../src/live/messages";
import { GapFinder, gapLine, lostLines, mergedLines, withGaps } from "../src/logs/gaps";
import type { LogLine } from "../src/logs/line";
import { setChip, setMeter, setText } from "../src/tables/cells";
import { LiveRows } from "../src/tables/live-rows";
import { labels, texts } from "./samples";

interface Item {
  id: string;
  text: string;
  isDone?: boolean;
}

const items = new Map<string, Item>();
let counts: number[] = [];
let wanted = true;
let rows: LiveRows<Item>;

beforeEach(() => {
  items.clear();
  counts = [];
  wanted = true;
  document.body.innerHTML = `<table><tbody id="b"></tbody></table><template id="t"><table><tbody><tr data-id=""><td data-field="text"></td><td><input></td></tr></tbody></table></template>`;
  rows = new LiveRows<Item>({
    body: () => document.getElementById("b"),
    template: document.getElementById("t") as HTMLTemplateElement,
    idAttribute: "data-id",
    get: (id) => items.get(id),
    patch: (row, item) => setText(row.querySelector("[data-field]"), item.text),
    name: (row, item) => row.setAttribute("data-id", item.id),
    isWanted: () => wanted,
    place: "first",
    maxRows: 3,
    isExpendable: (item) => item.isDone === true,
    onCount: (count) => counts.push(count),
  });
});

const put = (id: string, text = id, isDone = false): void => {
  items.set(id, { id, text, isDone });
  rows.update(id);
};
const shown = (): string[] => [...document.querySelectorAll("#b tr")].map((row) => row.textContent ?? "");

describe("live rows", () => {
  it("adds new rows first, patches known ones in place, and keeps the focus", () => {
    put("a");
    put("b");
    const row = document.querySelector<HTMLElement>('[data-id="a"]');
    const input = row?.querySelector("input");
    input?.focus();

    put("a", "changed");

    expect(shown()).toEqual(["b", "changed"]);
    expect(document.querySelector('[data-id="a"]')).toBe(row);
    expect(document.activeElement).toBe(input);
  });

  it("removes removable rows if there are too many, never one in use", () => {
    put("a", "a", true);
    put("b", "b", true);
    put("c");
    document.querySelector<HTMLElement>('[data-id="a"] input')?.focus();
    put("d");

    expect(shown()).toEqual(["d", "c", "a"]);
  });

  it("exceeds the limit rather than remove an active row", () => {
    for (const id of ["a", "b", "c", "d"]) put(id);

    expect(shown()).toHaveLength(4);
  });

  it("adds no row to a filtered list, but updates its rows", () => {
    put("a");
    wanted = false;
    put("b");
    put("a", "new");

    expect(shown()).toEqual(["new"]);
  });

  it("applies a snapshot", () => {
    put("a");
    put("b");
    items.clear();
    items.set("b", { id: "b", text: "B" });
    items.set("c", { id: "c", text: "C" });

    rows.updateAll(items.keys());

    expect(shown()).toEqual(["C", "B"]);
    expect(counts.at(-1)).toBe(2);
  });
});

describe("cells", () => {
  it("change only if the value differs", async () => {
    document.body.innerHTML = `<span class="chip"><svg><use></use></svg><span class="chip-label"></span></span><span id="m"><progress max="100"></progress><span></span></span>`;
    const chip = document.querySelector<HTMLElement>(".chip");
    const meter = document.querySelector<HTMLElement>("#m");
    const look = { label: "Running", icon: "loader", tone: "busy" as const };
    setChip(chip, look);
    setMeter(meter, 40, "40%");
    const changes: MutationRecord[] = [];
    const observer = new MutationObserver((records) => changes.push(...records));
    observer.observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true });

    setChip(chip, look);
    setMeter(meter, 40, "40%");
    changes.push(...observer.takeRecords());

    expect(chip?.outerHTML).toContain('href="#loader"');
    expect(meter?.textContent).toBe("40%");
    expect(changes).toEqual([]);
    setChip(chip, null);
    expect(chip?.hasAttribute("hidden")).toBe(true);
  });
});

describe("gaps", () => {
  const line = (number: number, attempt = 1): LogLine => ({
    id: `${attempt}.${number}`,
    number,
    attempt,
    atMs: 1,
    level: "info",
    stream: "stdout",
    node: "n",
    task: "t",
    text: "x",
  });
  const drawn = (finder: GapFinder, ...lines: LogLine[]): string[] =>
    finder.drawn(lines).map((row) => (row.isGap ? row.text : row.id));

  const redrawn = (finder: GapFinder, isFromStart: boolean, ...lines: LogLine[]): string[] =>
    finder.redrawn(lines, 1, isFromStart).map((row) => (row.isGap ? row.text : row.id));
  const finder = (): GapFinder => new GapFinder((first, last, reason) => `${first}-${last} ${reason || "missing"}`);

  it("are shown where numbers are not consecutive, not at the start or between attempts", () => {
    const finder = new GapFinder((first, last, reason) => `${first}-${last} ${reason || "missing"}`);

    expect(drawn(finder, line(5), line(6), line(10))).toEqual(["1.5", "1.6", "7-9 missing", "1.10"]);
    expect(drawn(finder, line(11), line(11), line(3))).toEqual(["1.11", "1.11", "1.3"]);
    expect(drawn(finder, line(1, 2), line(2, 2))).toEqual(["2.1", "2.2"]);
  });

  it("are shown before the first line of a log known from its start", () => {
    const fresh = finder();
    expect(redrawn(fresh, true)).toEqual([]);

    expect(drawn(fresh, line(3), line(4), line(7))).toEqual(["1-2 missing", "1.3", "1.4", "5-6 missing", "1.7"]);
    expect(fresh.holes).toEqual([
      { first: 1, last: 2 },
      { first: 5, last: 6 },
    ]);
    fresh.learn({ attempt: 1, first: 5, last: 6, reason: "trimmed" });
    redrawn(fresh, false, line(3), line(4), line(7));
    expect(fresh.holes).toEqual([]);
  });

  it("disappear when the missing lines arrive", () => {
    const merged = mergedLines([line(1), gapLine("g", "2 missing"), line(4)], [line(3), line(2), line(4)]);

    expect(merged.map((each) => each.number)).toEqual([1, 2, 3, 4]);
    expect(merged.some((each) => each.isGap)).toBe(false);
  });

  it("are shown before the first line only if no older line is available", () => {
    expect(redrawn(finder(), false, line(5), line(6))).toEqual(["1.5", "1.6"]);
    expect(redrawn(finder(), true, line(5), line(6))).toEqual(["1-4 missing", "1.5", "1.6"]);
    expect(redrawn(finder(), true, line(1))).toEqual(["1.1"]);
  });

  it("show the reported reason, even after the last line and without lines", () => {
    const told = finder();
    told.learn({ attempt: 1, first: 1, last: 4, reason: "trimmed" });
    told.learn({ attempt: 2, first: 1, last: 90, reason: "other" });
    told.learn({ attempt: 1, first: 7, last: 8, reason: "disk" });

    expect(redrawn(told, true, line(5), line(6))).toEqual(["1-4 trimmed", "1.5", "1.6", "7-8 disk"]);
    // Lines 5 and 6 are not reported as lost, so they can be requested.
    expect(redrawn(told, true)).toEqual(["1-4 trimmed", "5-6 missing", "7-8 disk"]);
    expect(told.holes).toEqual([{ first: 5, last: 6 }]);
    expect(redrawn(told, false)).toEqual([]);
  });

  it("are shown in the output of many tasks before later lines", () => {
    const batch = (id: string, at: number): LogBatch => ({
      type: "LOG",
      store: "s",
      seq: "1",
      node: "n",
      task: "t",
      attempt: 1,
      lines: [[id, 1, at, "info", "stdout", "x"]],
    });
    const gap = (at: number): Gap => ({ type: "GAP", at });
    const rows = withGaps([batch("a", 9), batch("b", 11)], [gap(20), gap(10)], (one) => gapLine(`g${one.at}`, "gone"));

    expect(rows.map((row) => row.id)).toEqual(["a", "g10", "b", "g20"]);
  });

  it("name their lines, or only count them", () => {
    expect(lostLines({ type: "GAP", attempt: 2, firstLine: 5, lines: 3, reason: "trimmed" })).toEqual({
      attempt: 2,
      first: 5,
      last: 7,
      reason: "trimmed",
    });
    expect(lostLines({ type: "GAP", lines: 3 })).toBeNull();
  });
});

describe("the banner", () => {
  const page = {
    texts,
    settings: { language: "en", strings: {}, labels, urls: {} as Urls },
    now: () => new Date(2026, 0, 5, 12, 9).getTime(),
  };
  const trouble = (extra: Partial<StoreTrouble>): StoreTrouble => ({
    type: "STORE",
    at: 1,
    state: "failing",
    reason: "full",
    message: "disk I/O error",
    since: null,
    ...extra,
  });

  it("shows the reason and since when, in the reader's language", () => {
    const noon = new Date(2026, 0, 5, 12, 3, 4).getTime();

    expect(troubleText(trouble({ since: noon }), page)).toBe("Nothing stored since 12:03:04: disk full");
    expect(troubleText(trouble({ reason: "new" as StoreTrouble["reason"] }), page)).toBe(
      "Nothing stored: disk I/O error",
    );
  });
});
