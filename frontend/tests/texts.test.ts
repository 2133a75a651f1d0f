import { describe, expect, it } from "vitest";
import cases from "../../tests/unit/pages/formats.json";
import { linkBadge } from "../src/app/link-badge";
import { byteSize, clockDuration, latency, Texts, wholePercent } from "../src/app/texts";
import { Samples } from "../src/charts/spark";
import { formatted, patchFields } from "../src/tables/formats";
import { node, texts } from "./samples";

describe("formats", () => {
  it.each(cases as [string, unknown, string][])("as %s, %j is written as on the server", (format, value, shown) => {
    expect(formatted(value, format, texts)).toBe(shown);
  });

  it("update every cell that names a field", () => {
    document.body.innerHTML =
      '<b data-text="load" data-format="decimal"></b><i data-text="note" data-format="optional">old</i>' +
      '<span data-meter="memory"><progress max="100"></progress><span></span></span>';
    patchFields(document.body, node("a", { load: 1.5, memory: { used: 1, total: 4, percent: 25 } }), texts);

    expect(document.querySelector("b")?.textContent).toBe("1.50");
    expect(document.querySelector("i")?.hidden).toBe(true);
    expect(document.querySelector("progress")?.value).toBe(25);
    expect(document.querySelector("span span")?.textContent).toBe("25%");
  });
});

describe("texts", () => {
  it("inserts values and uses the language's plural rules", () => {
    expect(texts.get("task.exitCode", { code: 3 })).toBe("exit code 3");
    expect(texts.count("log.newLines", 1)).toBe("1 new line");
    expect(texts.count("log.newLines", 2000)).toBe("2,000 new lines");
    expect(new Texts("zh-Hans", { "x.one": "1", "x.other": "{count} 行" }).count("x", 1)).toBe("1 行");
    expect(texts.get("no.such.key")).toBe("no.such.key");
  });

  it.each([
    [0, "now"],
    [4, "now"],
    [12, "12s ago"],
    [125, "2m ago"],
    [7300, "2h ago"],
    [200_000, "2d ago"],
    [-5, "now"],
  ])("an age of %d s", (seconds, expected) => {
    expect(texts.age(1_000_000_000 - seconds * 1000, 1_000_000_000)).toBe(expected);
  });
});

it.each([
  [0, "0:00"],
  [75.9, "1:15"],
  [3700, "1:01:40"],
  [-3, "0:00"],
])("%d s is shown as %s", (seconds, expected) => {
  expect(clockDuration(seconds)).toBe(expected);
});

it("shows sizes, percents and latencies", () => {
  expect([0, 1023, 1024, 150 * 1024, 6 * 2 ** 30, "17179869184", null].map(byteSize)).toEqual([
    "0 B",
    "1023 B",
    "1.0 KiB",
    "150 KiB",
    "6.0 GiB",
    "16.0 GiB",
    "–",
  ]);
  expect([null, 0, 43.6, undefined].map(wholePercent)).toEqual(["–", "0%", "44%", "–"]);
  expect([null, 0, 0.53, 12.4].map(latency)).toEqual(["–", "–", "0.5 ms", "12 ms"]);
});

describe("the link's badge", () => {
  const noon = new Date(2026, 0, 5, 12, 3, 4).getTime();

  it.each([
    [{ kind: "connecting" as const, since: null }, "connecting", "Connecting"],
    [{ kind: "live" as const, pushMs: null }, "live", "Live"],
    [{ kind: "live" as const, pushMs: 2.6 }, "live", "Live · 3 ms"],
    [{ kind: "live" as const, pushMs: 0.2 }, "live", "Live · < 1 ms"],
    [{ kind: "live" as const, pushMs: 1500 }, "live", "Live · 1.5 s"],
    [{ kind: "waiting" as const, retryAt: noon + 3500, since: noon }, "waiting", "Reconnecting in 4 s"],
    [{ kind: "silent" as const, since: noon }, "silent", "Silent since 12:03:04"],
    [{ kind: "behind" as const, since: noon }, "behind", "Behind: as of 12:03:04"],
    [{ kind: "closed" as const, reason: "login" as const, since: noon }, "closed", "Log in"],
  ])("%o", (status, state, text) => {
    expect(linkBadge(status, texts, noon)).toMatchObject({ state, text });
  });
});

describe("the spark line", () => {
  const MINUTE = 60_000; // 24 pixels

  function line(...values: [atMs: number, value: number][]): Samples {
    const samples = new Samples();
    for (const [atMs, value] of values) samples.push(value, atMs);
    return samples;
  }

  it("assumes that the first value was the same before", () => {
    expect(line().path(0)).toBe("");
    expect(line([9 * MINUTE, 50]).path(9 * MINUTE)).toBe("M0 14.0L119 14.0L120 14.0");
  });

  it("holds each value until the next one, within bounds", () => {
    const samples = line([9 * MINUTE, -5], [10 * MINUTE, 500]);
    const path = "M0 27.0L94 27.0L95 1.0L119 1.0L120 1.0";

    expect(samples.path(11 * MINUTE)).toBe(path);
    samples.push(500, 9 * MINUTE); // The clock was set back.
    expect(samples.path(11 * MINUTE)).toBe(path);
  });

  it("shows the newest of several values in one pixel, and drops values outside the window", () => {
    const samples = line([9 * MINUTE, 0], [9 * MINUTE + 1, 100]);

    expect(samples.path(10 * MINUTE)).toBe("M0 27.0L94 27.0L95 1.0L119 1.0L120 1.0");
    expect(samples.path(90 * MINUTE)).toBe("M0 1.0L119 1.0L120 1.0");
    samples.push(0, 190 * MINUTE);
    expect(samples.path(190 * MINUTE)).toBe("M0 1.0L118 1.0L119 27.0L120 27.0");
  });
});
