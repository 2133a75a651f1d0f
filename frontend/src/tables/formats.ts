/**
 * Updates plain fields of a task or a node: `data-text` and `data-meter` name the field, `data-format` its format
 * (dashboard/pages/formats.py has the same names). A new field is one line in a template.
 */

import { byteSize, clockDuration, latency, NOTHING, type Texts, wholePercent } from "../app/texts";
import type { Usage } from "../live/messages";
import { setMeter, setOptionalText } from "./cells";

type Format = (value: never, texts: Texts) => string;

export const FORMATS: Record<string, Format> = {
  text: (value: unknown) => (value === null || value === undefined || value === "" ? NOTHING : String(value)),
  optional: (value: unknown) => String(value ?? ""),
  percent: wholePercent,
  fraction: wholeFraction,
  decimal: (value: number | null) => value?.toFixed(2) ?? NOTHING,
  bytes: byteSize,
  usage: (value: Usage | null) => (value ? `${byteSize(value.used)} / ${byteSize(value.total)}` : ""),
  milliseconds: latency,
  duration: (value: number | null) => (value === null ? NOTHING : clockDuration(value)),
  attempt: (value: number) => (value > 1 ? `#${value}` : ""),
  exit: (value: number | null, texts) => (value !== null && value < 0 ? exitText(value, texts) : `${value ?? NOTHING}`),
};

export function formatted(value: unknown, format: string, texts: Texts): string {
  return (FORMATS[format] as Format)(value as never, texts);
}

/** Writes the plain fields of `item` into their cells; empty cells are hidden. */
export function patchFields(row: ParentNode, item: object, texts: Texts): void {
  const values = item as Record<string, unknown>;
  for (const cell of row.querySelectorAll<HTMLElement>("[data-text], [data-meter]")) {
    const { text, meter, format = "text" } = cell.dataset;
    if (text !== undefined) setOptionalText(cell, formatted(values[text], format, texts));
    if (meter !== undefined) patchMeter(cell, values[meter] as number | Usage | null);
  }
}

function patchMeter(pair: HTMLElement, value: number | Usage | null): void {
  const percent = typeof value === "number" ? value : (value?.percent ?? null);
  setMeter(pair, percent ?? 0, wholePercent(percent));
}

/** 0.439 → "43%"; never 100% before it is complete. */
export function wholeFraction(value: number | null): string {
  return value === null ? "" : `${Math.floor(value * 100)}%`;
}

/** How a program ended, as text; empty if unknown. */
export function exitText(code: number | null, texts: Texts): string {
  if (code === null) return "";
  return code < 0 ? texts.get("task.signal", { number: -code }) : texts.get("task.exitCode", { code });
}
