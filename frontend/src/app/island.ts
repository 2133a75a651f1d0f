/** The page's side of the bridge to the topology island. */

import type { Bridge, IslandNode } from "../bridge";
import type { NodeStatus } from "../live/messages";
import type { Page } from "./page";

export function openBridge(page: Page, select: (id: string) => void): void {
  const { texts, fleet, settings } = page;
  const bridge: Bridge = {
    say: (key, values) => texts.say(key, values),
    count: (key, count) => texts.count(key, count),
    clock: (atMs) => texts.clock(atMs, page.now()),
    roleLabel: (role) => settings.words.nodeRoles[role].label,
    roleIcon: (role) => settings.words.nodeRoles[role].icon,
    stateLabel: (state) => settings.words.nodeStates[state].label,
    stateIcon: (state) => settings.words.nodeStates[state].icon,
    nodes: () => [...fleet.nodes.values()].map(islandNode),
    onNode: (listener) =>
      fleet.onChange("nodes", (id) => {
        const node = fleet.nodes.get(id);
        listener(id, node && islandNode(node));
      }),
    onReplace: (listener) => fleet.onReplace("nodes", listener),
    select,
    href: page.nodeUrl,
    open: (id) => location.assign(page.nodeUrl(id)),
  };
  window.agentflow = bridge;
}

function islandNode(node: NodeStatus): IslandNode {
  return {
    id: node.id,
    name: node.name,
    role: node.role,
    parent: node.parent,
    state: node.state,
    stateSince: node.stateSince,
    cpu: node.cpu,
    memory: node.memory?.percent ?? null,
    running: node.running,
    slots: node.slots,
    rttMs: node.link.rttMs,
  };
}
