import { describe, expect, it } from "vitest";
import { linkBadge } from "../src/app/link-badge";
import { byteSize, clockDuration, latency, Texts, wholePercent } from "../src/app/texts";
import { sparkPath, trimSamples } from "../src/charts/spark";
import { texts } from "./samples";

describe("texts", () => {
  it("fills in values and counts as the language does", () => {
    expect(texts.say("task.exitCode", { code: 3 })).toBe("exit code 3");
    expect(texts.count("log.newLines", 1)).toBe("1 new line");
    expect(texts.count("log.newLines", 2000)).toBe("2,000 new lines");
    expect(new Texts("zh-Hans", { "x.one": "1", "x.other": "{count} 行" }).count("x", 1)).toBe("1 行");
    expect(texts.say("no.such.key")).toBe("no.such.key");
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
  expect([0, 1023, 1024, 150 * 1024, 6 * 2 ** 30, "17179869184", null].map(byteSize)).toEqual(["0 B", "1023 B", "1.0 KiB", "150 KiB", "6.0 GiB", "16.0 GiB", "–"]);
  expect([null, 0, 43.6, undefined].map(wholePercent)).toEqual(["–", "0%", "44%", "–"]);
  expect([null, 0, 0.53, 12.4].map(latency)).toEqual(["–", "–", "0.5 ms", "12 ms"]);
});

describe("the pill", () => {
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
  it("holds each value until the next one", () => {
    expect(sparkPath([], 300_000)).toBe("");
    expect(sparkPath([{ atMs: 150_000, value: 50 }], 300_000)).toBe("M60.0 14.0L120 14.0");
    expect(sparkPath([{ atMs: 0, value: -5 }, { atMs: 300_000, value: 500 }], 300_000)).toBe("M0.0 27.0L120.0 1.0L120 1.0");
  });

  it("keeps the value that held when the window began", () => {
    const samples = [0, 100_000, 400_000].map((atMs) => ({ atMs, value: 1 }));

    expect(trimSamples(samples, 500_000).map((sample) => sample.atMs)).toEqual([100_000, 400_000]);
    expect(trimSamples(samples, 900_000).map((sample) => sample.atMs)).toEqual([400_000]);
  });
});
