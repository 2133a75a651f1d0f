import { describe, expect, it } from "vitest";
import type { IslandNode } from "../src/bridge";
import { CARD_HEIGHT, CARD_WIDTH, type Layout, layOut } from "../src/topology/model/layout";
import { isDirection, neighbour } from "../src/topology/model/neighbour";
import { roundedPath } from "../src/topology/model/path";
import { growTree, LEADER_ID } from "../src/topology/model/tree";
import { NodeStore } from "../src/topology/store";

const node = (id: string, extra: Partial<IslandNode> = {}): IslandNode => ({
  id,
  name: id,
  role: "edge",
  parent: "",
  state: "online",
  stateSince: null,
  cpu: 1,
  memory: 1,
  running: 0,
  slots: 1,
  lastSeenAt: 1,
  link: { state: "ok", rttMs: 1 },
  ...extra,
});
const master = (id: string, extra: Partial<IslandNode> = {}) => node(id, { role: "master", ...extra });

function cluster(masters: number, edges: number): IslandNode[] {
  const nodes: IslandNode[] = [];
  for (let m = 1; m <= masters; m += 1) {
    nodes.push(master(`master-${m}`));
    for (let e = 1; e <= edges; e += 1) nodes.push(node(`edge-${m}-${e}`, { parent: `master-${m}` }));
  }
  return nodes;
}

function overlaps(layout: Layout): number {
  let count = 0;
  layout.cards.forEach((a, index) => {
    for (const b of layout.cards.slice(index + 1)) {
      if (Math.abs(a.x - b.x) < CARD_WIDTH && Math.abs(a.y - b.y) < CARD_HEIGHT) count += 1;
    }
  });
  return count;
}

const ids = (layout: Layout): string[] => layout.cards.map((card) => card.id);

describe("the tree", () => {
  it("sorts Edges below their Masters by number", () => {
    const tree = growTree([
      node("e2", { parent: "m" }),
      node("e10", { parent: "m" }),
      master("m"),
      node("e1", { parent: "m" }),
    ]);

    expect(tree.leader).toBeNull();
    expect(tree.blocks.map((block) => [block.master.id, block.edges.map((edge) => edge.id)])).toEqual([
      ["m", ["e1", "e2", "e10"]],
    ]);
  });

  it("omits no node: an Edge of an unknown Master is its own block", () => {
    const tree = growTree([
      node("lead", { role: "leader" }),
      master("m", { parent: "lead" }),
      node("e", { parent: "gone" }),
    ]);

    expect(tree.leader?.id).toBe("lead");
    expect(tree.blocks.map((block) => block.master.id).sort()).toEqual(["e", "m"]);
  });
});

describe("the layout", () => {
  it("draws every node of a small cluster once, without overlap, and wires each", () => {
    const layout = layOut(growTree(cluster(3, 4)), new Set(), 1.7);

    expect(layout.cards).toHaveLength(1 + 3 + 12);
    expect(new Set(ids(layout)).size).toBe(16);
    expect(overlaps(layout)).toBe(0);
    expect(layout.wires).toHaveLength(15);
    expect(layout.cards[0]).toMatchObject({ id: LEADER_ID, kind: "leader" });
  });

  it("folds healthy edges of a large block and keeps the exceptions drawn", () => {
    const nodes = cluster(1, 20);
    Object.assign(nodes[5] as IslandNode, { state: "offline" });
    Object.assign(nodes[9] as IslandNode, { state: "suspect" });
    const layout = layOut(growTree(nodes), new Set(), 1.7);

    expect(ids(layout)).toEqual([LEADER_ID, "master-1", "~group:master-1", "edge-1-5", "edge-1-9"]);
    expect(layout.groups.get("~group:master-1")?.members).toHaveLength(18);
  });

  it("folds every block of a large fleet, also small ones", () => {
    const layout = layOut(growTree(cluster(30, 2)), new Set(), 1.7);

    expect(layout.groups.size).toBe(30);
    expect(layout.cards).toHaveLength(1 + 30 + 30);
  });

  it("counts further exceptions in the group when there are many", () => {
    const nodes = cluster(1, 20).map((each) => (each.role === "edge" ? { ...each, state: "offline" as const } : each));
    const layout = layOut(growTree(nodes), new Set(), 1.7);

    expect(layout.cards).toHaveLength(1 + 1 + 1 + 6);
    expect(layout.groups.get("~group:master-1")?.members).toHaveLength(14);
  });

  it("unfolds one block when asked", () => {
    const layout = layOut(growTree(cluster(2, 20)), new Set(["master-2"]), 1.7);

    expect(layout.unfolded).toEqual(["master-2"]);
    expect(layout.cards).toHaveLength(1 + 2 + 1 + 20);
    expect(overlaps(layout)).toBe(0);
  });

  it("keeps a thousand nodes in about the shape of the panel", () => {
    const layout = layOut(growTree(cluster(20, 49)), new Set(), 1.7);
    const width = Math.max(...layout.cards.map((card) => card.x)) + CARD_WIDTH;
    const height = Math.max(...layout.cards.map((card) => card.y)) + CARD_HEIGHT;

    expect(layout.cards).toHaveLength(41);
    expect(overlaps(layout)).toBe(0);
    expect(width / height).toBeGreaterThan(1);
    expect(width / height).toBeLessThan(3);
    expect(width).toBeLessThan(2600);
  });

  it("is the same for the same nodes in any order", () => {
    const nodes = cluster(8, 9);

    expect(layOut(growTree([...nodes].reverse()), new Set(), 1.7)).toEqual(layOut(growTree(nodes), new Set(), 1.7));
  });

  it("works without nodes", () => {
    expect(ids(layOut(growTree([]), new Set(), 1.7))).toEqual([LEADER_ID]);
  });
});

describe("wires", () => {
  it("have round corners, smaller ones in little room", () => {
    expect(roundedPath([])).toBe("");
    expect(
      roundedPath([
        { x: 0, y: 0 },
        { x: 0, y: 40 },
      ]),
    ).toBe("M0 0L0 40");
    expect(
      roundedPath([
        { x: 0, y: 0 },
        { x: 0, y: 40 },
        { x: 40, y: 40 },
      ]),
    ).toBe("M0 0L0 32Q0 40 8 40L40 40");
    expect(
      roundedPath([
        { x: 0, y: 0 },
        { x: 0, y: 4 },
        { x: 40, y: 4 },
      ]),
    ).toBe("M0 0L0 2Q0 4 2 4L40 4");
    expect(
      roundedPath([
        { x: 0, y: 0 },
        { x: 0, y: 0 },
        { x: 0, y: 9 },
      ]),
    ).toBe("M0 0L0 9");
  });
});

describe("arrow keys", () => {
  const cards = [
    { id: "top", x: 100, y: 0 },
    { id: "left", x: 0, y: 100 },
    { id: "right", x: 200, y: 100 },
    { id: "below", x: 10, y: 200 },
  ];

  it.each([
    ["top", "ArrowDown", "left"],
    ["left", "ArrowRight", "right"],
    ["right", "ArrowLeft", "left"],
    ["left", "ArrowDown", "below"],
    ["below", "ArrowUp", "left"],
    ["top", "ArrowUp", undefined],
    ["nobody", "ArrowUp", undefined],
  ] as const)("from %s with %s", (from, key, expected) => {
    expect(neighbour(cards, from, key)?.id).toBe(expected);
  });

  it("are four", () => {
    expect(["ArrowUp", "Enter"].map(isDirection)).toEqual([true, false]);
  });
});

describe("the store", () => {
  it("notifies only subscribers of the node, and needs a new layout only if the shape changes", () => {
    const store = new NodeStore();
    store.replace([node("a"), node("b")]);
    const drawn: string[] = [];
    const stop = store.subscribe("a", () => drawn.push("a"));
    store.subscribe("b", () => drawn.push("b"));
    const version = store.shapeVersion();

    store.set("a", node("a", { cpu: 90 }));
    expect([drawn, store.shapeVersion()]).toEqual([["a"], version]);

    store.set("a", node("a", { state: "offline" }));
    store.set("c", node("c"));
    store.set("b", undefined);
    expect(store.shapeVersion()).toBe(version + 3);
    expect(drawn).toEqual(["a", "a", "b"]);

    stop();
    store.set("a", node("a"));
    expect(drawn).toEqual(["a", "a", "b"]);
  });
});
