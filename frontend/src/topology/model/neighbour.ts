/** The card that an arrow key selects: the nearest one in that direction. Pure. */

import type { Point } from "./path";

export type Direction = "ArrowUp" | "ArrowDown" | "ArrowLeft" | "ArrowRight";

export function isDirection(key: string): key is Direction {
  return key === "ArrowUp" || key === "ArrowDown" || key === "ArrowLeft" || key === "ArrowRight";
}

export function neighbour<T extends Point & { id: string }>(
  cards: readonly T[],
  from: string,
  direction: Direction,
): T | null {
  const start = cards.find((card) => card.id === from);
  if (!start) return null;
  let best: T | null = null;
  let bestCost = Infinity;
  for (const card of cards) {
    if (card === start) continue;
    const dx = card.x - start.x;
    const dy = card.y - start.y;
    const [along, across] = { ArrowUp: [-dy, dx], ArrowDown: [dy, dx], ArrowLeft: [-dx, dy], ArrowRight: [dx, dy] }[
      direction
    ] as [number, number];
    if (along <= 0) continue;
    // Prefer cards straight ahead over nearer ones to the side.
    const cost = along + 2.5 * Math.abs(across);
    if (cost < bestCost) [best, bestCost] = [card, cost];
  }
  return best;
}
