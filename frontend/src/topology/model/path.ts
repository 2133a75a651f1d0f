/** SVG paths with right angles and round corners. Pure. */

export interface Point {
  x: number;
  y: number;
}

const RADIUS = 8;

export function roundedPath(points: readonly Point[]): string {
  const route = withoutDoubles(points);
  const [first] = route;
  if (!first) return "";
  let path = `M${first.x} ${first.y}`;
  route.forEach((corner, index) => {
    const before = route[index - 1];
    const after = route[index + 1];
    if (!before) return;
    if (!after) {
      path += `L${corner.x} ${corner.y}`;
      return;
    }
    const radius = Math.min(RADIUS, distance(before, corner) / 2, distance(corner, after) / 2);
    const enter = towards(corner, before, radius);
    const leave = towards(corner, after, radius);
    path += `L${enter.x} ${enter.y}Q${corner.x} ${corner.y} ${leave.x} ${leave.y}`;
  });
  return path;
}

function withoutDoubles(points: readonly Point[]): Point[] {
  return points.filter((point, index) => {
    const before = points[index - 1];
    return !before || before.x !== point.x || before.y !== point.y;
  });
}

function distance(a: Point, b: Point): number {
  return Math.abs(a.x - b.x) + Math.abs(a.y - b.y);
}

function towards(from: Point, to: Point, length: number): Point {
  const whole = distance(from, to);
  return { x: from.x + ((to.x - from.x) * length) / whole, y: from.y + ((to.y - from.y) * length) / whole };
}
