/**
 * The layout. A Master with its Edges is a block; blocks are packed in rows that match the panel's shape, so that a
 * thousand nodes stay legible (as a tidy tree they would be 180,000 px wide).
 *
 * Healthy Edges of a large block fold into one card; the others stay visible. Pure and deterministic.
 */

import type { IslandNode } from "../../bridge";
import { type Point, roundedPath } from "./path";
import { type Block, LEADER_ID, type Tree } from "./tree";

export const CARD_WIDTH = 176;
export const CARD_HEIGHT = 88;
const GAP_X = 28;
const GAP_Y = 46;
const ROW_GAP = 22;
const BLOCK_GAP = 44;
/** Distance of a row's bus above its Masters. */
const BUS = 22;
const FOLD_ABOVE = 6;
/** With more nodes, the healthy Edges of every Master fold: single cards would be too small to read. */
const MANY_NODES = 60;
const MAX_EXCEPTIONS = 6;

export interface Card extends Point {
  id: string;
  kind: "leader" | "node" | "group";
}

export interface Wire {
  id: string;
  from: string;
  to: string;
  /** The node whose link this is; a group's wire shows its worst node. */
  path: string;
  /** Top centre of the lower card, where the link's label is. */
  end: Point;
}

export interface Group {
  id: string;
  master: string;
  members: IslandNode[];
}

export interface Layout {
  cards: Card[];
  wires: Wire[];
  groups: Map<string, Group>;
  /** Masters whose Edges can be folded again. */
  unfolded: string[];
}

interface Slab {
  block: Block;
  cells: { id: string; kind: "node" | "group" }[];
  columns: number;
  width: number;
  height: number;
}

/** `aspect` = width over height of the panel. */
export function layOut(tree: Tree, expanded: ReadonlySet<string>, aspect: number): Layout {
  const layout: Layout = { cards: [], wires: [], groups: new Map(), unfolded: [] };
  const count = tree.blocks.reduce((sum, block) => sum + 1 + block.edges.length, 0);
  const foldAbove = count > MANY_NODES ? 1 : FOLD_ABOVE;
  const slabs = tree.blocks.map((block) => cutSlab(block, foldAbove, expanded.has(block.master.id), layout));
  const shelves = packShelves(slabs, aspect);
  const width = Math.max(CARD_WIDTH, ...shelves.map(shelfWidth));
  const leader: Card = { id: tree.leader?.id ?? LEADER_ID, kind: "leader", x: (width - CARD_WIDTH) / 2, y: 0 };
  layout.cards.push(leader);
  let top = CARD_HEIGHT + GAP_Y;
  shelves.forEach((shelf, index) => {
    let left = (width - shelfWidth(shelf)) / 2;
    for (const slab of shelf) {
      placeSlab(slab, { x: left, y: top }, layout);
      layout.wires.push(trunk(leader, slab, { x: left, y: top }, index === 0));
      left += slab.width + BLOCK_GAP;
    }
    top += Math.max(...shelf.map((slab) => slab.height)) + GAP_Y;
  });
  return layout;
}

function cutSlab(block: Block, foldAbove: number, isExpanded: boolean, layout: Layout): Slab {
  const { master, edges } = block;
  const isFoldable = edges.length > foldAbove;
  const isFolded = isFoldable && !isExpanded;
  const shown = isFolded ? edges.filter((edge) => edge.state !== "online").slice(0, MAX_EXCEPTIONS) : edges;
  const drawn = new Set(shown);
  const members = isFolded ? edges.filter((edge) => !drawn.has(edge)) : [];
  const cells: Slab["cells"] = shown.map((edge) => ({ id: edge.id, kind: "node" }));
  if (members.length > 0) {
    const id = `~group:${master.id}`;
    layout.groups.set(id, { id, master: master.id, members });
    cells.unshift({ id, kind: "group" });
  }
  if (isFoldable && isExpanded) layout.unfolded.push(master.id);
  const columns = Math.max(
    1,
    cells.length <= 2 ? cells.length : isFolded ? 2 : Math.ceil(Math.sqrt(cells.length * 0.9)),
  );
  const rows = Math.ceil(cells.length / columns);
  return {
    block,
    cells,
    columns,
    width: columns * (CARD_WIDTH + GAP_X) - GAP_X,
    height: CARD_HEIGHT + (rows > 0 ? GAP_Y + rows * (CARD_HEIGHT + ROW_GAP) - ROW_GAP : 0),
  };
}

/** Packs blocks in order into rows. The row width is chosen so that the picture has the panel's shape. */
function packShelves(slabs: readonly Slab[], aspect: number): Slab[][] {
  const area = slabs.reduce((sum, slab) => sum + (slab.width + BLOCK_GAP) * (slab.height + GAP_Y), 0);
  const widest = Math.max(0, ...slabs.map((slab) => slab.width));
  const oneShelf = slabs.reduce((sum, slab) => sum + slab.width + BLOCK_GAP, 0);
  // A few Masters stay in a single row while it is legible.
  const limit = oneShelf <= 1500 ? oneShelf : Math.max(widest, 1.15 * Math.sqrt(area * aspect));
  const shelves: Slab[][] = [];
  let used = 0;
  for (const slab of slabs) {
    const shelf = shelves.at(-1);
    if (shelf && used + slab.width <= limit) {
      shelf.push(slab);
      used += slab.width + BLOCK_GAP;
    } else {
      shelves.push([slab]);
      used = slab.width + BLOCK_GAP;
    }
  }
  return shelves;
}

function shelfWidth(shelf: readonly Slab[]): number {
  return shelf.reduce((sum, slab) => sum + slab.width + BLOCK_GAP, -BLOCK_GAP);
}

function placeSlab(slab: Slab, corner: Point, layout: Layout): void {
  const { master } = slab.block;
  const x = corner.x + (slab.width - CARD_WIDTH) / 2;
  layout.cards.push({ id: master.id, kind: "node", x, y: corner.y });
  const bottom: Point = { x: x + CARD_WIDTH / 2, y: corner.y + CARD_HEIGHT };
  slab.cells.forEach((cell, index) => {
    const row = Math.floor(index / slab.columns);
    const card: Card = {
      ...cell,
      x: corner.x + (index % slab.columns) * (CARD_WIDTH + GAP_X),
      y: corner.y + CARD_HEIGHT + GAP_Y + row * (CARD_HEIGHT + ROW_GAP),
    };
    layout.cards.push(card);
    layout.wires.push({
      id: `${master.id}>${cell.id}`,
      from: master.id,
      to: cell.id,
      path: branch(bottom, card, row),
      end: topOf(card),
    });
  });
}

/** From the Leader to a Master: directly to the first row; to the others through the gap beside the block above. */
function trunk(leader: Card, slab: Slab, corner: Point, isFirstShelf: boolean): Wire {
  const id = slab.block.master.id;
  const start: Point = { x: leader.x + CARD_WIDTH / 2, y: leader.y + CARD_HEIGHT };
  const end: Point = { x: corner.x + slab.width / 2, y: corner.y };
  const firstBus = start.y + GAP_Y - BUS;
  const points: Point[] = isFirstShelf
    ? [start, { x: start.x, y: firstBus }, { x: end.x, y: firstBus }, end]
    : [
        start,
        { x: start.x, y: firstBus },
        // Left of all blocks, so that no wire crosses a card.
        { x: -BLOCK_GAP / 2, y: firstBus },
        { x: -BLOCK_GAP / 2, y: end.y - BUS },
        { x: end.x, y: end.y - BUS },
        end,
      ];
  return { id: `${leader.id}>${id}`, from: leader.id, to: id, path: roundedPath(points), end };
}

function topOf(card: Point): Point {
  return { x: card.x + CARD_WIDTH / 2, y: card.y };
}

/** From a Master to an Edge: from above in the first row; further down from the side, through the gap beside the column. */
function branch(bottom: Point, card: Card, row: number): string {
  const bus = bottom.y + GAP_Y - BUS;
  const middle = card.x + CARD_WIDTH / 2;
  if (row === 0) return roundedPath([bottom, { x: bottom.x, y: bus }, { x: middle, y: bus }, { x: middle, y: card.y }]);
  const gap = card.x - GAP_X / 2;
  const side = card.y + CARD_HEIGHT / 2;
  return roundedPath([
    bottom,
    { x: bottom.x, y: bus },
    { x: gap, y: bus },
    { x: gap, y: side },
    { x: card.x, y: side },
  ]);
}
