import { beforeEach, describe, expect, it, vi } from "vitest";
import { RowWindow } from "../src/tables/row-window";
import { WindowedRows } from "../src/tables/windowed-rows";

interface Item {
  id: string;
  text: string;
}

const ids = (count: number): string[] => Array.from({ length: count }, (_, index) => `r${index}`);

describe("the window of a list", () => {
  it("contains visible rows and a few around them", () => {
    const rows = new RowWindow(10);

    expect(rows.span(ids(1000), 5000, 100)).toEqual({ start: 494, end: 516, before: 4940, after: 4840 });
    expect(rows.span(ids(1000), 0, 100)).toMatchObject({ start: 0, end: 16, before: 0 });
    expect(rows.span(ids(1000), 99_999, 100)).toMatchObject({ start: 994, end: 1000, after: 0 });
    expect(rows.span([], 0, 100)).toEqual({ start: 0, end: 0, before: 0, after: 0 });
  });

  it("uses measured heights, and the first one for unmeasured rows", () => {
    const rows = new RowWindow(10);

    expect(rows.measured("r0", 20)).toBe(true);
    expect(rows.measured("r0", 20)).toBe(false);
    expect(rows.measured("r1", 60)).toBe(true);

    expect(rows.span(ids(100), 85, 20)).toMatchObject({ start: 0, end: 10, after: 90 * 20 });
  });

  it("ignores hidden rows", () => {
    const rows = new RowWindow(10);

    expect(rows.measured("r0", 0)).toBe(false);
    expect(rows.heightOf("r0")).toBe(10);
  });
});

/** Replaces the browser's observer: reports the box's height at once; rows have the estimated height. */
class BoxObserver {
  readonly #report: ResizeObserverCallback;
  constructor(report: ResizeObserverCallback) {
    this.#report = report;
  }
  observe(target: Element): void {
    if (target.id !== "box") return;
    const entry = { target, contentRect: { height: 100 }, borderBoxSize: [{ blockSize: 100 }] };
    queueMicrotask(() => this.#report([entry as unknown as ResizeObserverEntry], this as unknown as ResizeObserver));
  }
  unobserve(): void {}
  disconnect(): void {}
}

describe("windowed rows", () => {
  const items = new Map<string, Item>();
  let counts: [number, number][] = [];
  let patched: string[] = [];
  let rows: WindowedRows<Item>;
  const box = (): HTMLElement => document.getElementById("box") as HTMLElement;
  const shown = (): string[] => [...document.querySelectorAll("#body tr")].map((row) => row.textContent ?? "");
  const drawn = async (): Promise<void> => {
    await Promise.resolve();
    await new Promise((resolve) => requestAnimationFrame(resolve));
  };

  beforeEach(async () => {
    vi.stubGlobal("ResizeObserver", BoxObserver);
    items.clear();
    counts = [];
    for (const id of ids(500)) items.set(id, { id, text: id });
    document.body.innerHTML = `<div id="box"><table><tbody id="body"><tr data-id="r0"><td>r0</td></tr><tr data-id="r1"><td>r1</td></tr></tbody></table></div>
      <template id="t"><table><tbody><tr data-id=""><td></td></tr></tbody></table></template>`;
    rows = new WindowedRows<Item>({
      body: document.getElementById("body") as HTMLElement,
      box: box(),
      ids: items.keys(),
      template: document.getElementById("t") as HTMLTemplateElement,
      idAttribute: "data-id",
      get: (id) => items.get(id),
      patch: (row, item) => {
        patched.push(item.id);
        (row.firstElementChild as HTMLElement).textContent = item.text;
      },
      name: (row, item) => row.setAttribute("data-id", item.id),
      place: "first",
      estimatedHeight: 10,
      onCount: (some, all) => counts.push([some, all]),
    });
    await drawn();
    patched = [];
  });

  it("keeps the server's rows and adds others, with their position in the list", () => {
    expect(shown()).toEqual(ids(16));
    expect(counts.at(-1)).toEqual([500, 500]);
    expect(document.querySelector("table")?.getAttribute("aria-rowcount")).toBe("501");
    expect(document.querySelector('[data-id="r9"]')?.getAttribute("aria-rowindex")).toBe("11");
    expect((document.querySelector("#box > div:last-child") as HTMLElement).style.height).toBe(`${(500 - 16) * 10}px`);
  });

  it("shows other rows after scrolling", async () => {
    box().scrollTop = 2500;
    box().dispatchEvent(new Event("scroll"));
    await drawn();

    expect(shown()).toEqual(ids(500).slice(244, 266));
    expect((document.querySelector("#box > div") as HTMLElement).style.height).toBe("2440px");
  });

  it("patches visible rows only", () => {
    items.set("r3", { id: "r3", text: "changed" });
    rows.update("r3");
    items.set("r300", { id: "r300", text: "changed" });
    rows.update("r300");

    expect(patched).toEqual(["r3"]);
    expect(shown()[3]).toBe("changed");
  });

  it("adds new rows first and removes missing ones", async () => {
    items.set("new", { id: "new", text: "new" });
    rows.update("new");
    items.delete("r1");
    rows.update("r1");
    await drawn();

    expect(shown().slice(0, 3)).toEqual(["new", "r0", "r2"]);
    expect(counts.at(-1)).toEqual([500, 500]);
  });

  it("removes items that the page has dropped silently", async () => {
    items.delete("r2");
    items.set("new", { id: "new", text: "new" });
    rows.update("new");
    await drawn();

    expect(shown().slice(0, 4)).toEqual(["new", "r0", "r1", "r3"]);
    expect(counts.at(-1)).toEqual([500, 500]);
  });

  it("keeps the focused row before or after the others", async () => {
    const row = document.querySelector<HTMLElement>('[data-id="r2"]');
    row?.setAttribute("tabindex", "0");
    row?.focus();
    box().scrollTop = 2500;
    box().dispatchEvent(new Event("scroll"));
    await drawn();

    expect(shown().slice(0, 2)).toEqual(["r2", "r244"]);
    expect(row?.getAttribute("aria-rowindex")).toBe("4");
    expect(document.querySelector('[data-id="r244"]')?.getAttribute("aria-rowindex")).toBe("246");
    expect(document.activeElement).toBe(row);
  });

  it("applies a filter, also when rows change", async () => {
    rows.setFilter((item) => item.text.endsWith("99") || item.text === "late");
    await drawn();
    expect(shown()).toEqual(["r99", "r199", "r299", "r399", "r499"]);
    expect(counts.at(-1)).toEqual([5, 500]);

    items.set("r5", { id: "r5", text: "late" });
    rows.update("r5");
    await drawn();
    expect(shown()[0]).toBe("late");

    rows.setFilter(null);
    await drawn();
    expect(shown()).toHaveLength(16);
  });

  it("applies a snapshot without changing the order", async () => {
    items.clear();
    for (const id of ["r4", "r2", "x"]) items.set(id, { id, text: id });
    rows.updateAll(items.keys());
    await drawn();

    expect(shown()).toEqual(["x", "r2", "r4"]);
  });
});
