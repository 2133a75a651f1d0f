/** Shared by all parts of the page's script. */

import type { LiveClient } from "../live/client";
import type { Fleet } from "./fleet";
import type { PageAge } from "./page-age";
import type { Settings } from "./settings";
import type { Texts } from "./texts";

export interface Page {
  settings: Settings;
  texts: Texts;
  live: LiveClient;
  fleet: Fleet;
  /** Whether this page is current. */
  age: PageAge;
  /** The server's clock, as estimated by this page. */
  now: () => number;
  taskUrl: (id: string) => string;
  nodeUrl: (id: string) => string;
}

export function element<T extends HTMLElement = HTMLElement>(id: string): T | null {
  return document.getElementById(id) as T | null;
}

export function iconElement(name: string, className = "icon"): SVGSVGElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", className);
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#${name}`);
  svg.append(use);
  return svg;
}
