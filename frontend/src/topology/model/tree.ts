/** The nodes as a tree of three levels: the Leader, its Masters, their Edges. Pure. */

import type { IslandNode } from "../../bridge";

/** Represents the Leader if it is not a node. */
export const LEADER_ID = "~leader";

export interface Block {
  master: IslandNode;
  edges: IslandNode[];
}

export interface Tree {
  /** Null: the Leader is not a node. */
  leader: IslandNode | null;
  blocks: Block[];
}

const byId = (a: IslandNode, b: IslandNode): number => a.id.localeCompare(b.id, undefined, { numeric: true });

/** An Edge with an unknown Master, or any node with an unexpected parent, becomes its own block, so that no node is missing. */
export function growTree(nodes: readonly IslandNode[]): Tree {
  const leader = nodes.find((node) => node.role === "leader") ?? null;
  const others = nodes.filter((node) => node !== leader).sort(byId);
  const blocks = new Map<string, Block>();
  const isRoot = (node: IslandNode): boolean => node.parent === "" || node.parent === leader?.id;
  for (const node of others)
    if (node.role === "master" || isRoot(node)) blocks.set(node.id, { master: node, edges: [] });
  for (const node of others) {
    if (blocks.has(node.id)) continue;
    const block = blocks.get(node.parent);
    if (block) block.edges.push(node);
    else blocks.set(node.id, { master: node, edges: [] });
  }
  return { leader, blocks: [...blocks.values()] };
}
