/** Converts the layout to React Flow's nodes and edges. Pure. */

import type { Bridge, IslandNode } from "../bridge";
import type { NodeState } from "../live/messages";
import type { WireEdgeType } from "./edges/WireEdge";
import { CARD_HEIGHT, CARD_WIDTH, type Group, type Layout } from "./model/layout";
import { LEADER_ID } from "./model/tree";
import type { GroupCardType, GroupData } from "./nodes/GroupCard";
import type { LeaderCardType } from "./nodes/LeaderCard";
import type { NodeCardType } from "./nodes/NodeCard";

export type Card = NodeCardType | LeaderCardType | GroupCardType;

const FIXED = {
  draggable: false,
  connectable: false,
  deletable: false,
  width: CARD_WIDTH,
  height: CARD_HEIGHT,
} as const;
const SEVERITY: Record<NodeState, number> = { online: 0, suspect: 1, offline: 2 };

export function cardsOf(
  layout: Layout,
  get: (id: string) => IslandNode | undefined,
  bridge: Bridge,
  selected: string,
): Card[] {
  const unfolded = new Set(layout.unfolded);
  return layout.cards.map((card): Card => {
    const place = { ...FIXED, id: card.id, position: { x: card.x, y: card.y } };
    const group = layout.groups.get(card.id);
    if (group) return { ...place, type: "fold", data: groupData(group), focusable: false, selectable: false };
    const node = get(card.id);
    if (card.id === LEADER_ID || !node)
      return { ...place, type: "leader", data: {}, selectable: false, ariaLabel: bridge.roleLabel("leader") };
    const words = { role: bridge.roleLabel(node.role), node: node.name, state: bridge.stateLabel(node.state) };
    return {
      ...place,
      type: "node",
      data: { isUnfolded: unfolded.has(card.id) },
      selected: card.id === selected,
      ariaLabel: bridge.getText("topology.node", words),
    };
  });
}

export function wiresOf(layout: Layout, get: (id: string) => IslandNode | undefined): WireEdgeType[] {
  return layout.wires.map((wire) => {
    const group = layout.groups.get(wire.to);
    const state = group ? groupData(group).worst : (get(wire.to)?.state ?? "online");
    return {
      id: wire.id,
      source: wire.from,
      target: wire.to,
      type: "wire",
      data: { path: wire.path, end: wire.end, isGroup: group !== undefined },
      className: WIRE_CLASSES[state],
      focusable: false,
      selectable: false,
      // Broken wires are drawn above others that share their path.
      zIndex: SEVERITY[state],
    };
  });
}

/** Complete names, because Tailwind finds only those. */
const WIRE_CLASSES: Record<NodeState, string> = {
  online: "wire wire-online",
  suspect: "wire wire-suspect",
  offline: "wire wire-offline",
};

function groupData(group: Group): GroupData {
  const counts: Record<NodeState, number> = { online: 0, suspect: 0, offline: 0 };
  for (const member of group.members) counts[member.state] += 1;
  const worst = counts.offline > 0 ? "offline" : counts.suspect > 0 ? "suspect" : "online";
  return { master: group.master, counts, worst };
}
