/** Updates a node's row, or the head of its page. */

import { freshness, hop } from "../app/freshness";
import type { Page } from "../app/page";
import { NOTHING } from "../app/texts";
import type { NodeStatus } from "../live/messages";
import { field, setAttribute, setChip, setOptionalText, setText, setTime } from "./cells";
import { patchFields } from "./formats";

export function patchNode(row: HTMLElement, node: NodeStatus, page: Page): void {
  const { labels } = page.settings;
  setAttribute(row, "data-state", node.state);
  setChip(field(row, "state"), labels.nodeStates[node.state]);
  patchFields(row, node, page.texts);
  setText(field(row, "slots"), slots(node, page));
  const link = field(row, "link");
  const above = labels.decisions.roles[node.role].isMember ? hop(node, page.age.oldSince, page.texts) : null;
  setAttribute(link, "data-link", above?.state ?? null);
  setText(link, above?.word ?? NOTHING);
  patchFreshness(row, node, page);
  // Only on the node's own page.
  setTime(field(row, "since"), node.stateSince);
}

function patchFreshness(row: HTMLElement, node: NodeStatus, page: Page): void {
  const { texts } = page;
  const found = freshness(node, (id) => page.fleet.nodes.get(id), page.age.oldSince, page, page.now());
  const cell = field(row, "fresh");
  setAttribute(cell, "data-tone", found.tone);
  setText(cell, found.word);
  setTime(field(row, "seen"), node.lastSeenAt);
  setOptionalText(field(row, "beyond"), found.beyond === "" ? "" : texts.get("fresh.beyond", { node: found.beyond }));
}

/** Tasks on unreachable nodes do not count as running. */
function slots(node: NodeStatus, page: Page): string {
  if (node.slots === 0) return NOTHING;
  return page.settings.labels.decisions.nodes[node.state].isReachable
    ? `${node.running} / ${node.slots}`
    : node.running > 0
      ? page.texts.count("node.unknownTasks", node.running)
      : `– / ${node.slots}`;
}

/** Fills the constant parts of a new row. */
export function nameNodeRow(row: HTMLElement, node: NodeStatus, page: Page): void {
  row.id = `node-${node.id}`;
  row.dataset.node = node.id;
  const look = page.settings.labels.nodeRoles[node.role];
  const name = field(row, "name");
  setText(name, node.name);
  setAttribute(name, "title", node.name);
  setAttribute(name, "href", page.nodeUrl(node.id));
  setAttribute(field(row, "role"), "data-role", node.role);
  setAttribute(row.querySelector(".role-icon use"), "href", `#${look.icon}`);
  setText(field(row, "roleName"), look.label);
  setOptionalText(field(row, "parent"), node.parent ? `↳ ${node.parent}` : "");
}
