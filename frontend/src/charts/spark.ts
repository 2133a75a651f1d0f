/** A small line of the last minutes: two SVG paths, drawn again only when a value comes in, at most once a second. */

export interface Sample {
  atMs: number;
  value: number;
}

const WINDOW_MS = 5 * 60_000;
const WIDTH = 120;
const HEIGHT = 28;
const STEP_MS = WINDOW_MS / WIDTH;
const NAMESPACE = "http://www.w3.org/2000/svg";

/** The samples of the last minutes; the one before the window is kept, because its value still held when the window began. */
export function trimSamples(samples: Sample[], nowMs: number): Sample[] {
  const first = samples.findIndex((sample) => sample.atMs >= nowMs - WINDOW_MS);
  return first < 0 ? samples.slice(-1) : samples.slice(Math.max(0, first - 1));
}

/** The path of values from 0 to 100; a value holds until the next one comes. */
export function sparkPath(samples: readonly Sample[], nowMs: number): string {
  const start = nowMs - WINDOW_MS;
  const x = (atMs: number): string => ((Math.max(0, atMs - start) / WINDOW_MS) * WIDTH).toFixed(1);
  const y = (value: number): string => (HEIGHT - 1 - (Math.min(100, Math.max(0, value)) / 100) * (HEIGHT - 2)).toFixed(1);
  const points = samples.map((sample) => `${x(sample.atMs)} ${y(sample.value)}`);
  const last = samples.at(-1);
  if (last) points.push(`${WIDTH} ${y(last.value)}`);
  return points.length === 0 ? "" : `M${points.join("L")}`;
}

/** The last minutes of one figure: a sample for each pixel of the line, whatever the rate at which values come. */
export class Samples {
  #samples: Sample[] = [];

  push(value: number, nowMs: number): void {
    // Assume that the first value also held before the page was opened.
    if (this.#samples.length === 0) this.#samples.push({ atMs: nowMs - WINDOW_MS, value });
    const last = this.#samples.at(-1);
    if (last && nowMs - last.atMs < STEP_MS) last.value = value;
    else this.#samples = trimSamples([...this.#samples, { atMs: nowMs, value }], nowMs);
  }

  path(nowMs: number): string {
    return sparkPath(this.#samples, nowMs);
  }
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
