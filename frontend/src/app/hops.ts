/** On a node's page: all links between the page and the node, with their health and latency. */

import { setAttribute, setText } from "../tables/cells";
import { freshness, hop, pathTo } from "./freshness";
import { pushLatency } from "./link-badge";
import { element, type Page } from "./page";

interface Station {
  name: string;
  icon: string;
  fresh: { tone: string; word: string } | null;
  /** The link above it; null at the top. */
  link: { state: string; word: string } | null;
}

export function wireHops(page: Page, node: () => string): void {
  const list = element("hops");
  const template = element<HTMLTemplateElement>("hop-template");
  if (!list || !template) return;
  const draw = (): void => {
    const stations = stationsTo(page, node());
    while (list.childElementCount > stations.length) list.lastElementChild?.remove();
    while (list.childElementCount < stations.length) list.append(document.importNode(template.content, true));
    for (const [index, station] of stations.entries()) fill(list.children[index] as HTMLElement, station);
  };
  page.age.onChange(draw);
  page.fleet.onChange("nodes", draw);
  page.fleet.onReplace("nodes", draw);
  draw();
}

function stationsTo(page: Page, id: string): Station[] {
  const { fleet, texts, age, settings } = page;
  const find = (other: string) => fleet.nodes.get(other);
  const target = find(id);
  const leader = [...fleet.nodes.values()].find((one) => one.role === "leader");
  const isCut = age.oldSince !== null;
  const push = age.pushMs === null ? texts.get(isCut ? "hop.suspect" : "hop.ok") : pushLatency(age.pushMs);
  const stations: Station[] = [
    { name: texts.get("hop.page"), icon: "layout-dashboard", fresh: null, link: null },
    {
      name: leader?.name ?? settings.labels.nodeRoles.leader.label,
      icon: "crown",
      fresh: null,
      link: { state: isCut ? "suspect" : "ok", word: push },
    },
  ];
  for (const one of target === undefined || target === leader ? [] : pathTo(target, find)) {
    const full = find(one.id);
    if (!full || !settings.labels.decisions.roles[full.role].isMember) continue;
    stations.push({
      name: full.name,
      icon: settings.labels.nodeRoles[full.role].icon,
      fresh: freshness(full, find, age.oldSince, page, page.now()),
      link: hop(full, age.oldSince, texts),
    });
  }
  return stations;
}

function fill(item: HTMLElement, station: Station): void {
  const link = item.querySelector(".hop-link");
  link?.toggleAttribute("hidden", station.link === null);
  setAttribute(link, "data-link", station.link?.state ?? null);
  setText(link?.querySelector("b") ?? null, station.link?.word ?? "");
  setAttribute(item.querySelector("use"), "href", `#${station.icon}`);
  setText(item.querySelector("strong"), station.name);
  const fresh = item.querySelector(".fresh");
  fresh?.toggleAttribute("hidden", station.fresh === null);
  setAttribute(fresh, "data-tone", station.fresh?.tone ?? null);
  setText(fresh, station.fresh?.word ?? "");
}
