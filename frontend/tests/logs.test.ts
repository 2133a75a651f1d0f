import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Page } from "../src/app/page";
import type { LogBatch, WireLine } from "../src/live/messages";
import { ansiFragment, parseAnsi } from "../src/logs/ansi";
import { LogBuffer } from "../src/logs/buffer";
import { choiceOf, isNarrow, lineFilter } from "../src/logs/filter";
import { FleetLog } from "../src/logs/fleet-log";
import { type LogLine, linesOf } from "../src/logs/line";
import { LogSearch, type SearchAnswer } from "../src/logs/search";
import type { LogView } from "../src/logs/view";
import { labels, texts } from "./samples";

const line = (id: number, extra: Partial<LogLine> = {}): LogLine => ({
  id: String(id),
  number: id,
  atMs: 0,
  level: "info",
  stream: "stdout",
  node: "master-1",
  task: "t",
  attempt: 1,
  text: `line ${id}`,
  ...extra,
});
const lines = (from: number, to: number): LogLine[] =>
  Array.from({ length: to - from + 1 }, (_, index) => line(from + index));
const ids = (buffer: LogBuffer): number[] => buffer.visible.map((entry) => Number(entry.id));

describe("the buffer", () => {
  it("keeps each line once", () => {
    const buffer = new LogBuffer(1000);
    buffer.append(lines(1, 3));

    expect(buffer.append(lines(2, 4))).toEqual({ appended: 1, isRebuilt: false });
    expect(ids(buffer)).toEqual([1, 2, 3, 4]);
  });

  it("drops and counts the oldest lines in blocks above its capacity", () => {
    const buffer = new LogBuffer(10);
    buffer.append(lines(1, 11));
    expect(buffer.lineCount).toBe(11);

    expect(buffer.append(lines(12, 13))).toEqual({ appended: 2, isRebuilt: true });

    expect(ids(buffer)).toEqual([4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
    expect(buffer.dropped).toBe(3);
  });

  it("applies a filter to old and new lines, and keeps all", () => {
    const buffer = new LogBuffer(1000);
    buffer.append([line(1), line(2, { level: "error" })]);
    buffer.setFilter((entry) => entry.level === "error");
    buffer.append([line(3), line(4, { level: "error" })]);
    expect(ids(buffer)).toEqual([2, 4]);

    buffer.setFilter(() => true);
    expect(ids(buffer)).toEqual([1, 2, 3, 4]);
  });
});

describe("lines that the server found", () => {
  const isError = (entry: LogLine): boolean => entry.isGap === true || entry.level === "error";
  const wrong = (id: number): LogLine => line(id, { level: "error" });

  it("are shown in order among held lines while the filter is set", () => {
    const buffer = new LogBuffer(1000);
    buffer.append([wrong(98), line(99), line(7, { id: "gap-1.7", isGap: true }), wrong(101)]);
    buffer.setFilter(isError);
    buffer.addFound([wrong(100), wrong(98), wrong(9), line(8)]);
    buffer.append([wrong(102)]);

    expect(buffer.visible.map((entry) => entry.id)).toEqual(["9", "98", "gap-1.7", "100", "101", "102"]);
    expect([buffer.lineCount, buffer.matchCount]).toEqual([4, 5]);

    buffer.setFilter(() => true);
    expect(buffer.visible.map((entry) => entry.id)).toEqual(["98", "99", "gap-1.7", "101", "102"]);
  });

  it("are kept once if they are loaded later", () => {
    const buffer = new LogBuffer(1000);
    buffer.append([wrong(5)]);
    buffer.setFilter(isError);
    buffer.addFound([wrong(3)]);
    buffer.replace([wrong(3), line(4), wrong(5)]);

    expect(ids(buffer)).toEqual([3, 5]);
  });
});

describe("the log of all nodes after a disconnect", () => {
  const batch = (from: number, count: number): LogBatch => ({
    type: "LOG",
    store: "s",
    seq: "1",
    node: "n",
    task: "t",
    attempt: 1,
    lines: Array.from(
      { length: count },
      (_, index): WireLine => [String(from + index), from + index, 1, "info", "stdout", "x"],
    ),
  });
  const log = (): [FleetLog, LogBuffer] => {
    const buffer = new LogBuffer(1000);
    const made = new FleetLog(
      { texts, settings: { labels } } as unknown as Page,
      buffer,
      { append: (rows: LogLine[]) => buffer.append(rows) } as unknown as LogView,
      { node: "", limit: 300 },
    );
    made.begin([batch(1, 5)], []);
    return [made, buffer];
  };

  it("marks where lines may be missing, and is complete only from there on", () => {
    const [fleet, buffer] = log();
    expect([fleet.isWhole, fleet.firstWhole?.id]).toEqual([true, "1"]);

    fleet.add([batch(500, 300)], true);

    expect(buffer.lines.findIndex((row) => row.isGap)).toBe(5);
    expect([fleet.isWhole, fleet.firstWhole?.id]).toEqual([false, "500"]);
  });

  it("marks nothing if the newest lines overlap held ones, or are all lines", () => {
    const [fleet, buffer] = log();
    fleet.add([batch(4, 300)], true);
    fleet.add([batch(900, 7)], true);

    expect(buffer.lines.some((row) => row.isGap)).toBe(false);
  });
});

describe("a search in lines that the page does not have", () => {
  const piece = (before: string | null, found: number, oldest: number): SearchAnswer => {
    const rows = Array.from(
      { length: found },
      (_, index): WireLine => [String(oldest + index), oldest + index, 1, "info", "stdout", "x"],
    );
    return {
      logs: [{ type: "LOG", store: "s", seq: "1", node: "n", task: "t", attempt: 1, lines: rows }],
      before,
      line: oldest,
      at: oldest * 1000,
    };
  };
  let asked: string[];
  let found: number;
  const search = (...answers: (SearchAnswer | Error)[]): LogSearch => {
    asked = [];
    found = 0;
    return new LogSearch({
      ask: async (before) => {
        asked.push(before);
        const answer = answers.shift() ?? piece(`${asked.length}`, 0, 1);
        if (answer instanceof Error) throw answer;
        return answer;
      },
      onFound: (lines) => (found += lines.length),
      onChange: () => undefined,
    });
  };
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("continues piece by piece to the oldest line, and reports its progress", async () => {
    const one = search(piece("50", 1, 50), piece(null, 2, 4));
    one.start("90");
    expect([one.state, asked]).toEqual(["busy", []]);

    await vi.runAllTimersAsync();

    expect([one.state, asked, found, one.line, one.at]).toEqual(["done", ["90", "50"], 3, 4, 4000]);
  });

  it("pauses after many matches or pieces, and continues on request", async () => {
    const plenty = search(piece("7", 500, 7));
    plenty.start("");
    await vi.runAllTimersAsync();
    expect([plenty.state, asked.length]).toEqual(["paused", 1]);

    plenty.more();
    await vi.runAllTimersAsync();
    expect([plenty.state, asked.length, asked[1]]).toEqual(["paused", 11, "7"]);
  });

  it("ignores responses to earlier searches, and can be retried after a failure", async () => {
    vi.spyOn(console, "warn").mockImplementation(() => undefined);
    const one = search(new Error("no"), piece(null, 1, 1));
    one.start("9");
    await vi.runAllTimersAsync();
    expect(one.state).toBe("failed");
    one.more();
    one.stop();
    await vi.runAllTimersAsync();

    expect([one.state, asked, found]).toEqual(["off", ["9", "9"], 0]);
  });
});

describe("the filter", () => {
  const levels = new Set(["info", "error"] as const);
  const passes = (text: string, entry: LogLine, node = "") => lineFilter({ node, levels, text })(entry);

  it.each([
    ["nothing asked", "", line(1), true],
    ["one word in any case", "LINE", line(1), true],
    ["all labels in any order", "disk full", line(1, { text: "FULL: no room on disk" }), true],
    ["a word that is not there", "disk fire", line(1, { text: "disk full" }), false],
    ["an unwanted word", "disk -full", line(1, { text: "disk full" }), false],
    ["a lone dash is a word", "-", line(1, { text: "a - b" }), true],
    ["a level not chosen", "", line(1, { level: "debug" }), false],
    ["a gap is never hidden by level or text", "zzz", line(1, { level: "debug", isGap: true }), true],
  ])("%s", (_name, text, entry, expected) => {
    expect(passes(text, entry)).toBe(expected);
  });

  it("selects one node", () => {
    expect(passes("", line(1), "master-2")).toBe(false);
    expect(passes("", line(1), "master-1")).toBe(true);
  });

  it("is narrow if it excludes anything", () => {
    const all = new Set(["debug", "info", "warning", "error"] as const);

    expect(isNarrow({ node: "", levels: all, text: " " })).toBe(false);
    expect(isNarrow({ node: "", levels: all, text: "x" })).toBe(true);
    expect(isNarrow({ node: "n", levels: all, text: "" })).toBe(true);
    expect(isNarrow({ node: "", levels, text: "" })).toBe(true);
  });

  it("reads the panel's form", () => {
    const form = new FormData();
    form.append("node", "n");
    form.append("level", "error");
    form.append("level", "warning");
    form.append("text", "x");

    expect(choiceOf(form)).toEqual({ node: "n", levels: new Set(["error", "warning"]), text: "x" });
  });
});

describe("colours", () => {
  it.each([
    ["plain", "hello", [["hello", ""]]],
    ["empty", "", []],
    [
      "one colour",
      "\x1b[31mred\x1b[0m plain",
      [
        ["red", "ansi-fg-1"],
        [" plain", ""],
      ],
    ],
    [
      "bold bright",
      "\x1b[1;92mok\x1b[22m!",
      [
        ["ok", "ansi-bold ansi-fg-10"],
        ["!", "ansi-fg-10"],
      ],
    ],
    [
      "no parameter is a reset",
      "\x1b[4ma\x1b[mb",
      [
        ["a", "ansi-underline"],
        ["b", ""],
      ],
    ],
    [
      "background",
      "\x1b[41mx\x1b[49my",
      [
        ["x", "ansi-bg-1"],
        ["y", ""],
      ],
    ],
    ["256 colours", "\x1b[38;5;196mx", [["x", "ansi-fg-9"]]],
    ["true colour", "\x1b[38;2;0;200;10mx", [["x", "ansi-fg-2"]]],
    ["grey ramp", "\x1b[38;5;240mx", [["x", "ansi-fg-7"]]],
    [
      "cursor moves and clears go",
      "a\x1b[2K\x1b[1;1Hb",
      [
        ["a", ""],
        ["b", ""],
      ],
    ],
    [
      "title and link sequences go",
      "\x1b]0;title\x07a\x1b]8;;http://x\x1b\\b",
      [
        ["a", ""],
        ["b", ""],
      ],
    ],
    [
      "control characters go",
      "a\x00\x08b\rc",
      [
        ["a", ""],
        ["b", ""],
        ["c", ""],
      ],
    ],
    [
      "turns of direction are named",
      "a\u202eb\x1b[1m\u2066c",
      [
        ["a⟨U+202E⟩b", ""],
        ["⟨U+2066⟩c", "ansi-bold"],
      ],
    ],
    ["tabs stay", "a\tb", [["a\tb", ""]]],
    [
      "an unfinished title hides no text",
      "\x1b]0;t\x07a\x1b]all of it",
      [
        ["a", ""],
        ["all of it", ""],
      ],
    ],
    [
      "an unfinished sequence does no harm",
      "a\x1b[",
      [
        ["a", ""],
        ["[", ""],
      ],
    ],
  ])("%s", (_name, text, expected) => {
    expect(parseAnsi(text).map((piece) => [piece.text, piece.classes])).toEqual(expected);
  });

  it("never turns text into markup", () => {
    const box = document.createElement("div");
    box.append(ansiFragment("\x1b[31m<img src=x onerror=alert(1)>\x1b[0m<b>"));

    expect(box.querySelector("img, b")).toBeNull();
    expect(box.textContent).toBe("<img src=x onerror=alert(1)><b>");
  });
});

it("reads lines from a message", () => {
  const batch = {
    type: "LOG",
    store: "s",
    seq: "1",
    node: "n",
    task: "t",
    attempt: 2,
    lines: [["5", 7, 9, "error", "stderr", "x"]],
  } as const;

  expect(
    linesOf({ ...batch, lines: batch.lines.map((entry) => [...entry]) } as unknown as Parameters<typeof linesOf>[0]),
  ).toEqual([
    { id: "5", number: 7, atMs: 9, level: "error", stream: "stderr", text: "x", node: "n", task: "t", attempt: 2 },
  ]);
});
