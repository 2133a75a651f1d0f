/** The page's side of the bridge to the topology island. */

import type { Bridge, IslandNode, PageSight } from "../bridge";
import type { NodeStatus } from "../live/messages";
import { freshness, hop } from "./freshness";
import type { Page } from "./page";
import { pushLatency } from "./pill";

export function openBridge(page: Page, select: (id: string) => void): void {
  const { texts, fleet, settings, sight } = page;
  let present = pageSight(page);
  const sightListeners = new Set<() => void>();
  sight.onChange(() => {
    present = pageSight(page);
    for (const listener of sightListeners) listener();
  });
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
    sight: () => present,
    onSight: (listener) => {
      sightListeners.add(listener);
      return () => sightListeners.delete(listener);
    },
    freshness: (node) => freshness(node, (id) => fleet.nodes.get(id), sight.oldSince, texts, page.now()),
    hop: (node) => hop(node, sight.oldSince, texts),
    select,
    href: page.nodeUrl,
    open: (id) => location.assign(page.nodeUrl(id)),
  };
  window.agentflow = bridge;
}

function pageSight(page: Page): PageSight {
  const { oldSince, pushMs } = page.sight;
  return { oldSince, push: pushMs === null ? "" : pushLatency(pushMs) };
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
    lastSeenAt: node.lastSeenAt,
    link: node.link,
  };
}
