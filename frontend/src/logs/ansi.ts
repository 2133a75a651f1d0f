/**
 * Parses the colours of terminal output and renders them as spans with classes.
 *
 * The text is untrusted: it only becomes `textContent`, never markup. Other control sequences are dropped. Characters that
 * nobody sees could disguise the text, so they are shown as marks.
 */

import { visible } from "../app/unseen";

export interface Piece {
  text: string;
  /** Class names, separated by spaces; empty = plain. */
  classes: string;
}

// SGR (kept), other CSI, OSC, single escapes, and control characters. An OSC without an end must not hide the line.
const SEQUENCE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it matches control characters.
  /\x1b\[([0-9;:]*)m|\x1b\[[0-9;:?<=>!]*[ -/]*[@-ln-~]|\x1b\](?:[^\x07\x1b]*(?:\x07|\x1b\\))?|\x1b[@-Z\\^_=>78()#]?|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f]/g;

interface Style {
  marks: Set<string>;
  foreground: string;
  background: string;
}

const MARKS: Record<number, string> = {
  1: "ansi-bold",
  2: "ansi-dim",
  3: "ansi-italic",
  4: "ansi-underline",
  7: "ansi-inverse",
  9: "ansi-strike",
};
const ENDS: Record<number, string[]> = {
  22: ["ansi-bold", "ansi-dim"],
  23: ["ansi-italic"],
  24: ["ansi-underline"],
  27: ["ansi-inverse"],
  29: ["ansi-strike"],
};

export function parseAnsi(text: string): Piece[] {
  if (!text.includes("\x1b") && !SEQUENCE.test(text)) return text === "" ? [] : [{ text: visible(text), classes: "" }];
  SEQUENCE.lastIndex = 0;
  const pieces: Piece[] = [];
  const style: Style = { marks: new Set(), foreground: "", background: "" };
  let position = 0;
  const put = (end: number): void => {
    if (end > position) pieces.push({ text: visible(text.slice(position, end)), classes: classesOf(style) });
  };
  for (const match of text.matchAll(SEQUENCE)) {
    put(match.index);
    position = match.index + match[0].length;
    if (match[1] !== undefined) applySgr(style, match[1]);
  }
  put(text.length);
  return pieces;
}

function applySgr(style: Style, parameters: string): void {
  const codes = parameters.split(/[;:]/).map(Number);
  for (let index = 0; index < codes.length; index += 1) {
    const code = codes[index] ?? 0;
    if (code === 0) {
      style.marks.clear();
      style.foreground = style.background = "";
    } else if (MARKS[code] !== undefined) style.marks.add(MARKS[code]);
    else if (ENDS[code] !== undefined) for (const mark of ENDS[code]) style.marks.delete(mark);
    else if (code >= 30 && code <= 37) style.foreground = `ansi-fg-${code - 30}`;
    else if (code >= 90 && code <= 97) style.foreground = `ansi-fg-${code - 82}`;
    else if (code === 39) style.foreground = "";
    else if (code >= 40 && code <= 47) style.background = `ansi-bg-${code - 40}`;
    else if (code >= 100 && code <= 107) style.background = `ansi-bg-${code - 92}`;
    else if (code === 49) style.background = "";
    else if (code === 38 || code === 48) index += extendedColour(style, code, codes.slice(index + 1));
  }
}

/** `38;5;n` or `38;2;r;g;b`: the nearest of the sixteen themed colours; returns how many codes were used. */
function extendedColour(style: Style, code: number, rest: number[]): number {
  const [kind, ...values] = rest;
  const isIndexed = kind === 5;
  const colour = isIndexed ? indexedColour(values[0] ?? 0) : kind === 2 ? nearestColour(values.slice(0, 3)) : -1;
  if (colour >= 0) {
    if (code === 38) style.foreground = `ansi-fg-${colour}`;
    else style.background = `ansi-bg-${colour}`;
  }
  return isIndexed ? 2 : kind === 2 ? 4 : 1;
}

function indexedColour(index: number): number {
  if (index < 16) return index;
  if (index >= 232) return index < 240 ? 8 : 7;
  const cube = index - 16;
  const level = (value: number): number => (value === 0 ? 0 : 55 + value * 40);
  return nearestColour([level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6)]);
}

/** Bit 1 red, bit 2 green, bit 4 blue; 8 more when bright. */
function nearestColour(rgb: number[]): number {
  const [red = 0, green = 0, blue = 0] = rgb;
  const peak = Math.max(red, green, blue);
  if (peak < 48) return 0;
  const half = peak / 2;
  const hue = (red > half ? 1 : 0) + (green > half ? 2 : 0) + (blue > half ? 4 : 0);
  return hue + (peak > 200 && hue !== 7 ? 8 : 0);
}

function classesOf(style: Style): string {
  return [...style.marks, style.foreground, style.background].filter(Boolean).join(" ");
}

/** The rendered line. */
export function ansiFragment(text: string): DocumentFragment {
  const fragment = document.createDocumentFragment();
  for (const piece of parseAnsi(text)) {
    if (piece.classes === "") {
      fragment.append(piece.text);
      continue;
    }
    const span = document.createElement("span");
    span.className = piece.classes;
    span.textContent = piece.text;
    fragment.append(span);
  }
  return fragment;
}
