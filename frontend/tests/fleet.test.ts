import { describe, expect, it } from "vitest";
import { alert, fleetOf, metrics, node, task } from "./samples";

describe("nodes", () => {
  it("merges new figures", () => {
    const fleet = fleetOf({ nodes: [node("a", { slots: 7 })] });
    const gpu = { name: "g", utilization: 30, memory: null, temperature: 60 };
    fleet.applyMetrics(metrics("a", { gpus: [gpu] }));

    expect(fleet.nodes.get("a")).toMatchObject({
      cpu: 99,
      load: 3,
      gpus: [gpu],
      slots: 7,
      lastSeenAt: 5000,
      link: { state: "ok", rttMs: 1 },
    });
    expect(fleet.nodes.get("a")).not.toHaveProperty("type");
  });

  it("ignores figures of an unknown node", () => {
    const fleet = fleetOf();
    fleet.applyMetrics(metrics("a"));

    expect(fleet.nodes.size).toBe(0);
  });

  it("shows tasks as unknown while their node is unreachable", () => {
    const fleet = fleetOf({
      nodes: [node("a")],
      tasks: [task("1", { node: "a" }), task("2", { node: "a", state: "succeeded" })],
    });
    const changed: string[] = [];
    fleet.onChange("tasks", (id) => changed.push(id));

    fleet.applyNode(node("a", { state: "suspect", stateSince: 7 }));
    expect(fleet.tasks.get("1")).toMatchObject({ nodeState: "suspect", unknownSince: 7 });
    fleet.applyNode(node("a", { state: "offline", stateSince: 7 }));
    expect(fleet.tasks.get("1")).toMatchObject({ nodeState: "offline", unknownSince: 7 });
    fleet.applyNode(node("a", { state: "online", stateSince: 11 }));

    expect(fleet.tasks.get("1")?.unknownSince).toBeNull();
    expect(fleet.tasks.get("2")?.unknownSince).toBeNull();
    expect(changed).toEqual(["1", "1", "1"]);
  });
});

describe("a retired node", () => {
  it("is gone, and back when it connects", () => {
    const fleet = fleetOf({ nodes: [node("a"), node("b")] });
    const told: string[] = [];
    fleet.onChange("nodes", (id) => told.push(id));

    fleet.applyNode(node("a", { state: "offline", retiredAt: 9 }));
    expect([...fleet.nodes.keys()]).toEqual(["b"]);
    fleet.applyNode(node("a"));

    expect([...fleet.nodes.keys()]).toEqual(["b", "a"]);
    expect(told).toEqual(["a", "a"]);
  });
});

describe("snapshots", () => {
  it("removes items that a snapshot does not contain, but keeps kinds that it does not cover", () => {
    const fleet = fleetOf({ nodes: [node("a"), node("b")], tasks: [task("1")] });
    const replaced: string[] = [];
    fleet.onReplace("nodes", () => replaced.push("nodes"));
    fleet.onReplace("tasks", () => replaced.push("tasks"));

    fleet.replace({ nodes: [node("b")] });

    expect([...fleet.nodes.keys()]).toEqual(["b"]);
    expect(fleet.tasks.size).toBe(1);
    expect(replaced).toEqual(["nodes"]);
  });

  it("adds rows of a list without overwriting pushed items", () => {
    const fleet = fleetOf({ tasks: [task("1", { state: "paused" })] });
    fleet.learnTasks([task("1"), task("2")]);

    expect(fleet.tasks.get("1")?.state).toBe("paused");
    expect(fleet.tasks.has("2")).toBe(true);
  });
});

it("keeps open alerts only", () => {
  const fleet = fleetOf({ alerts: [alert("1"), alert("2", { resolvedAt: 5 })] });
  fleet.applyAlert(alert("3", { level: "error" }));
  expect([...fleet.alerts.keys()]).toEqual(["1", "3"]);

  fleet.applyAlert(alert("3", { resolvedAt: 9 }));
  expect([...fleet.alerts.keys()]).toEqual(["1"]);
});

it("counts the key figures", () => {
  const fleet = fleetOf({
    nodes: [
      node("a", { cpu: 20 }),
      node("b", { cpu: 60 }),
      node("c", { cpu: null }),
      node("d", { state: "offline", cpu: 100 }),
    ],
    tasks: [
      task("1"),
      task("2", { state: "paused" }),
      task("3", { state: "pending" }),
      task("4", { health: "waiting" }),
      task("5", { state: "failed" }),
      task("6", { health: "waiting", unknownSince: 5 }),
    ],
    alerts: [alert("1"), alert("2", { level: "error" })],
  });

  expect(fleet.figures()).toEqual({
    nodes: { online: 3, offline: 1 },
    tasks: { running: 3, unknown: 1, queued: 1, waiting: 1 },
    alerts: { errors: 1 },
    cpu: 40,
    busiest: { node: "b", cpu: 60 },
  });
});

it("drops the oldest of many finished tasks, never an active one", () => {
  const fleet = fleetOf({ tasks: [task("live")] });
  for (let count = 0; count < 700; count += 1)
    fleet.applyTask(task(`t${count}`, { state: "succeeded", endedAt: count }));

  expect(fleet.tasks.size).toBeLessThanOrEqual(601);
  expect(fleet.tasks.has("live")).toBe(true);
  expect(fleet.tasks.has("t0")).toBe(false);
  expect(fleet.tasks.has("t699")).toBe(true);
});
