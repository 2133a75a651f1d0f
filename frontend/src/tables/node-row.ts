/** Patches a node into its row, or into the head of its page. */

import type { Page } from "../app/page";
import { byteSize, latency, wholePercent } from "../app/words";
import type { NodeStatus, Usage } from "../live/messages";
import { field, setAttribute, setChip, setMeter, setOptionalText, setText, setTime } from "./cells";

export function patchNode(row: HTMLElement, node: NodeStatus, page: Page): void {
  const { words } = page.settings;
  setAttribute(row, "data-state", node.state);
  setChip(field(row, "state"), words.nodeStates[node.state]);
  setMeter(field(row, "cpu"), node.cpu ?? 0, wholePercent(node.cpu));
  setMeter(field(row, "memory"), node.memory?.percent ?? 0, wholePercent(node.memory?.percent));
  setMeter(field(row, "disk"), node.disk?.percent ?? 0, wholePercent(node.disk?.percent));
  setText(field(row, "slots"), node.slots > 0 ? `${node.running} / ${node.slots}` : "–");
  const link = field(row, "link");
  setAttribute(link, "data-link", node.link.state);
  setText(link, latency(node.link.rttMs));
  setTime(field(row, "seen"), node.lastSeenAt);
  // Only the node's own page has these.
  setText(field(row, "memorySize"), size(node.memory));
  setText(field(row, "diskSize"), size(node.disk));
  setText(field(row, "load"), node.load === null ? "–" : node.load.toFixed(2));
  setTime(field(row, "since"), node.stateSince);
}

/** A row that was cloned from the template gets what a patch never changes. */
export function nameNodeRow(row: HTMLElement, node: NodeStatus, page: Page): void {
  row.id = `node-${node.id}`;
  row.dataset.node = node.id;
  const look = page.settings.words.nodeRoles[node.role];
  const name = field(row, "name");
  setText(name, node.name);
  setAttribute(name, "href", page.nodeUrl(node.id));
  setAttribute(field(row, "role"), "data-role", node.role);
  setAttribute(row.querySelector(".role-icon use"), "href", `#${look.icon}`);
  setText(field(row, "roleName"), look.label);
  setOptionalText(field(row, "parent"), node.parent ? `↳ ${node.parent}` : "");
}

function size(usage: Usage | null): string {
  return usage ? `${byteSize(usage.used)} / ${byteSize(usage.total)}` : "";
}
