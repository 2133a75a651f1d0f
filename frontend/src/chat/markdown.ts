/**
 * Renders the Markdown subset of answers as DOM nodes. Never parses HTML: unknown syntax stays text, there are no images,
 * and only explicit links to http or https become links.
 */

import { visible } from "../app/unseen";

const FENCE = /^\s*```(.*)$/;
const HEADING = /^#{1,6}\s+(.*)$/;
const ITEM = /^(\s*)(?:([-*+])|(\d{1,9})[.)])\s+(.*)$/;
const INLINE =
  /(`+)([^`]|[^`][\s\S]*?[^`])\1(?!`)|\*\*([^*\s](?:[^*]*[^*\s])?)\*\*|\*([^*\s](?:[^*]*[^*\s])?)\*|\[([^\]\n]{1,500})\]\((https?:\/\/[^\s()<>]{1,2000})\)/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: it matches control characters.
const CONTROL_CHARACTERS = /[\u0000-\u0008\u000b-\u001f\u007f]/g;
const MAX_DEPTH = 4;

export function markdown(source: string): DocumentFragment {
  return blocks(plain(source).split("\n"), 0);
}

/** Removes control characters of terminals, and shows other characters that nobody sees as marks. */
export function plain(text: string): string {
  return visible(text.replace(/\r\n?/g, "\n").replace(CONTROL_CHARACTERS, ""));
}

function blocks(lines: readonly string[], depth: number): DocumentFragment {
  const made = document.createDocumentFragment();
  let paragraph: string[] = [];
  const flush = (): void => {
    if (paragraph.length > 0) made.append(withInline("p", paragraph.join("\n"), depth));
    paragraph = [];
  };
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? "";
    if (FENCE.test(line)) {
      flush();
      let end = at + 1;
      while (end < lines.length && !/^\s*```\s*$/.test(lines[end] ?? "")) end += 1;
      const pre = document.createElement("pre");
      const code = document.createElement("code");
      code.textContent = lines.slice(at + 1, end).join("\n");
      pre.append(code);
      pre.tabIndex = 0;
      made.append(pre);
      at = end;
    } else if (ITEM.test(line)) {
      flush();
      const [list, end] = listFrom(lines, at, depth);
      made.append(list);
      at = end - 1;
    } else if (/^\s*>/.test(line) && depth < MAX_DEPTH) {
      flush();
      let end = at;
      while (end < lines.length && /^\s*>/.test(lines[end] ?? "")) end += 1;
      const quote = document.createElement("blockquote");
      quote.append(
        blocks(
          lines.slice(at, end).map((quoted) => quoted.replace(/^\s*> ?/, "")),
          depth + 1,
        ),
      );
      made.append(quote);
      at = end - 1;
    } else if (HEADING.test(line)) {
      flush();
      // Not a heading element, because it is not a heading of the page.
      const heading = withInline("p", HEADING.exec(line)?.[1] ?? "", depth);
      heading.className = "md-heading";
      made.append(heading);
    } else if (line.trim() === "") {
      flush();
    } else {
      paragraph.push(line);
    }
  }
  flush();
  return made;
}

/** The list that begins at line `at`, and the line after it. */
function listFrom(lines: readonly string[], at: number, depth: number): [HTMLElement, number] {
  const first = ITEM.exec(lines[at] ?? "");
  const indent = first?.[1]?.length ?? 0;
  const list = document.createElement(first?.[3] === undefined ? "ul" : "ol");
  if (list instanceof HTMLOListElement) list.start = Number(first?.[3]);
  let next = at;
  while (next < lines.length) {
    const found = ITEM.exec(lines[next] ?? "");
    if (!found || (found[1]?.length ?? 0) > indent + 1 || (found[1]?.length ?? 0) < indent) break;
    const body = [found[4] ?? ""];
    next += 1;
    // Lines that are indented more belong to the item.
    while (next < lines.length && /^\s+\S/.test(lines[next] ?? "") && indentOf(lines[next] ?? "") > indent + 1)
      body.push((lines[next++] ?? "").slice(indent + 2));
    const item = document.createElement("li");
    if (depth < MAX_DEPTH && body.length > 1) item.append(blocks(body, depth + 1));
    else inline(item, body.join("\n"), depth);
    list.append(item);
  }
  return [list, next];
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length;
}

function withInline(tag: string, text: string, depth: number): HTMLElement {
  const element = document.createElement(tag);
  inline(element, text, depth);
  return element;
}

function inline(into: Node, text: string, depth: number): void {
  let position = 0;
  for (const found of text.matchAll(INLINE)) {
    into.appendChild(document.createTextNode(text.slice(position, found.index)));
    position = found.index + found[0].length;
    into.appendChild(marked(found, depth));
  }
  into.appendChild(document.createTextNode(text.slice(position)));
}

function marked(found: RegExpMatchArray, depth: number): Node {
  const [whole, , code, strong, emphasis, label, address] = found;
  if (depth > MAX_DEPTH) return document.createTextNode(whole);
  if (code !== undefined) {
    const element = document.createElement("code");
    element.textContent = code.trim() || code;
    return element;
  }
  if (strong !== undefined) return withInline("strong", strong, depth + 1);
  if (emphasis !== undefined) return withInline("em", emphasis, depth + 1);
  const link = document.createElement("a");
  link.href = address ?? "";
  link.rel = "noopener noreferrer";
  link.target = "_blank";
  // Show the target, because the model chose the link's text.
  link.textContent = label === address ? (label ?? "") : `${label} (${hostOf(address ?? "")})`;
  return link;
}

function hostOf(address: string): string {
  return URL.canParse(address) ? new URL(address).host : address;
}
