import { describe, expect, it } from "vitest";
import { freshness, hop, pathTo } from "../src/app/freshness";
import type { Urls } from "../src/app/settings";
import type { NodeStatus } from "../src/live/messages";
import { labels, node, texts } from "./samples";

const noon = new Date(2026, 0, 5, 12, 3, 4).getTime();
const minute = 60_000;
const page = { texts, settings: { language: "en", strings: {}, labels, urls: {} as Urls } };
const fresh = (one: NodeStatus, pageOldSince: number | null = null, others: NodeStatus[] = []) =>
  freshness(one, (id) => others.find((other) => other.id === id), pageOldSince, page, noon + 5 * minute);

describe("a node's freshness", () => {
  it("is live while the node is online, even without changes", () => {
    expect(fresh(node("a", { lastSeenAt: noon - 3_600_000 }))).toEqual({
      isLive: true,
      tone: "good",
      word: "live",
      since: null,
      beyond: "",
    });
  });

  it.each([
    ["suspect", "warn"],
    ["offline", "bad"],
  ] as const)("is old since then when it is %s", (state, tone) => {
    expect(fresh(node("a", { state, stateSince: noon }))).toMatchObject({
      isLive: false,
      tone,
      word: "since 12:03:04",
      since: noon,
    });
  });

  it("names the unreachable Master of an Edge", () => {
    const edge = node("e", { state: "suspect", stateSince: noon, parent: "m" });

    expect(fresh(edge, null, [node("m", { state: "offline" })]).beyond).toBe("m");
    expect(fresh(edge, null, [node("m")]).beyond).toBe("");
    expect(fresh(edge).beyond).toBe("");
  });

  it("is never live on a page that is disconnected or behind", () => {
    expect(fresh(node("a"), noon)).toMatchObject({ isLive: false, tone: "warn", word: "as of 12:03:04", since: noon });
    expect(fresh(node("a", { state: "offline", stateSince: noon - minute }), noon)).toMatchObject({
      isLive: false,
      word: "since 12:02:04",
    });
  });
});

describe("a link", () => {
  it.each([
    [{ state: "ok" as const, rttMs: 0.84 }, null, "ok", "0.8 ms"],
    [{ state: "ok" as const, rttMs: null }, null, "ok", "live"],
    [{ state: "suspect" as const, rttMs: 1 }, null, "suspect", "silent"],
    [{ state: "down" as const, rttMs: 1 }, null, "down", "down"],
    // A disconnected page cannot know that a link works.
    [{ state: "ok" as const, rttMs: 1 }, noon, "suspect", "?"],
    [{ state: "down" as const, rttMs: 1 }, noon, "down", "down"],
  ])("%o", (link, pageOldSince, state, word) => {
    expect(hop(node("a", { link }), pageOldSince, texts)).toEqual({ state, word });
  });
});

describe("the path to a node", () => {
  const nodes = new Map(
    [node("leader", { role: "leader" }), node("m"), node("e", { parent: "m" })].map((one) => [one.id, one]),
  );
  const ids = (id: string): string[] =>
    pathTo(nodes.get(id) as NodeStatus, (other) => nodes.get(other)).map((one) => one.id);

  it("contains its Master", () => {
    expect(ids("e")).toEqual(["m", "e"]);
    expect(ids("m")).toEqual(["m"]);
  });

  it("ends despite wrong parents", () => {
    const loop = new Map([node("a", { parent: "b" }), node("b", { parent: "a" })].map((one) => [one.id, one]));
    expect(pathTo(loop.get("a") as NodeStatus, (id) => loop.get(id)).map((one) => one.id)).toEqual(["b", "a"]);
  });
});
