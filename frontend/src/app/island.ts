/** Implements the bridge to the topology island. */

import type { AgeOfPage, Bridge, IslandNode } from "../bridge";
import type { NodeStatus } from "../live/messages";
import { freshness, hop } from "./freshness";
import { pushLatency } from "./link-badge";
import type { Page } from "./page";
import { visible } from "./unseen";

export function openBridge(page: Page, select: (id: string) => void): void {
  const { texts, fleet, settings, age } = page;
  let present = ageOfPage(page);
  const ageListeners = new Set<() => void>();
  age.onChange(() => {
    present = ageOfPage(page);
    for (const listener of ageListeners) listener();
  });
  const bridge: Bridge = {
    getText: (key, values) => texts.get(key, values),
    count: (key, count) => texts.count(key, count),
    clock: (atMs) => texts.clock(atMs, page.now()),
    roleLabel: (role) => settings.labels.nodeRoles[role].label,
    roleIcon: (role) => settings.labels.nodeRoles[role].icon,
    stateLabel: (state) => settings.labels.nodeStates[state].label,
    stateIcon: (state) => settings.labels.nodeStates[state].icon,
    nodes: () => [...fleet.nodes.values()].map(islandNode),
    onNode: (listener) =>
      fleet.onChange("nodes", (id) => {
        const node = fleet.nodes.get(id);
        listener(id, node && islandNode(node));
      }),
    onReplace: (listener) => fleet.onReplace("nodes", listener),
    age: () => present,
    onAge: (listener) => {
      ageListeners.add(listener);
      return () => ageListeners.delete(listener);
    },
    freshness: (node) => freshness(node, (id) => fleet.nodes.get(id), age.oldSince, page, page.now()),
    hop: (node) => hop(node, age.oldSince, texts),
    select,
    href: page.nodeUrl,
    open: (id) => location.assign(page.nodeUrl(id)),
  };
  window.agentflow = bridge;
}

function ageOfPage(page: Page): AgeOfPage {
  const { oldSince, pushMs } = page.age;
  return { oldSince, push: pushMs === null ? "" : pushLatency(pushMs) };
}

function islandNode(node: NodeStatus): IslandNode {
  return {
    id: node.id,
    name: visible(node.name),
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
