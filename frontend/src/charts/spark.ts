/** A sparkline of the last minutes: two SVG paths, redrawn only for a new value and at most once a second. */

const WINDOW_MS = 5 * 60_000;
const WIDTH = 120;
const HEIGHT = 28;
const STEP_MS = WINDOW_MS / WIDTH;
const NAMESPACE = "http://www.w3.org/2000/svg";

/** The last minutes of a figure: a value from 0 to 100 for each pixel. A value holds until the next one. */
export class Samples {
  // Allocated at its final size, because hundreds of nodes have one each.
  readonly #values = new Float32Array(WIDTH);
  /** The newest value's pixel, counted from time zero; null = no value yet. */
  #newest: number | null = null;

  push(value: number, nowMs: number): void {
    const pixel = Math.max(this.#newest ?? 0, pixelOf(nowMs));
    // Assume that the first value was the same before the page was opened.
    if (this.#newest === null) this.#values.fill(value);
    else this.#hold(this.#newest, pixel);
    this.#newest = pixel;
    this.#values[pixel % WIDTH] = value;
  }

  /** The SVG path; empty while there is no value. */
  path(nowMs: number): string {
    if (this.#newest === null) return "";
    const now = Math.max(this.#newest, pixelOf(nowMs));
    this.#hold(this.#newest, now);
    this.#newest = now;
    const values = Array.from({ length: WIDTH }, (_, x) => this.#values[(now + 1 + x) % WIDTH] ?? 0);
    // A point between two equal values has no effect.
    const points = values.flatMap((value, x) =>
      value === values[x - 1] && value === values[x + 1] ? [] : [`${x} ${heightOf(value)}`],
    );
    return `M${points.join("L")}L${WIDTH} ${heightOf(values.at(-1) ?? 0)}`;
  }

  #hold(from: number, to: number): void {
    const value = this.#values[from % WIDTH] ?? 0;
    for (let pixel = Math.max(from, to - WIDTH) + 1; pixel <= to; pixel += 1) this.#values[pixel % WIDTH] = value;
  }
}

function pixelOf(atMs: number): number {
  return Math.floor(atMs / STEP_MS);
}

function heightOf(value: number): string {
  return (HEIGHT - 1 - (Math.min(100, Math.max(0, value)) / 100) * (HEIGHT - 2)).toFixed(1);
}

export class Spark {
  readonly #area: SVGPathElement;
  readonly #line: SVGPathElement;
  readonly #samples: Samples;
  #drawnAt = 0;

  constructor(box: Element, samples: Samples) {
    this.#samples = samples;
    const svg = document.createElementNS(NAMESPACE, "svg");
    svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    svg.setAttribute("preserveAspectRatio", "none");
    this.#area = document.createElementNS(NAMESPACE, "path");
    this.#area.setAttribute("class", "spark-area");
    this.#line = document.createElementNS(NAMESPACE, "path");
    this.#line.setAttribute("class", "spark-line");
    svg.append(this.#area, this.#line);
    box.replaceChildren(svg);
  }

  draw(nowMs: number): void {
    if (nowMs - this.#drawnAt < 900) return;
    this.#drawnAt = nowMs;
    const path = this.#samples.path(nowMs);
    this.#line.setAttribute("d", path);
    this.#area.setAttribute("d", `${path}L${WIDTH} ${HEIGHT}L0 ${HEIGHT}Z`);
  }
}
