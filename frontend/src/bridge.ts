/**
 * What the topology island gets from the page. Types only: the two are built apart and share no code, and the island finds
 * the bridge on `window`.
 */

import type { NodeRole, NodeState } from "./live/messages";

export interface IslandNode {
  id: string;
  name: string;
  role: NodeRole;
  parent: string;
  state: NodeState;
  stateSince: number | null;
  cpu: number | null;
  memory: number | null;
  running: number;
  slots: number;
  rttMs: number | null;
}

export interface Bridge {
  say: (key: string, values?: Record<string, string | number>) => string;
  count: (key: string, count: number) => string;
  clock: (atMs: number) => string;
  roleLabel: (role: NodeRole) => string;
  roleIcon: (role: NodeRole) => string;
  stateLabel: (state: NodeState) => string;
  stateIcon: (state: NodeState) => string;
  nodes: () => IslandNode[];
  onNode: (listener: (id: string, node: IslandNode | undefined) => void) => void;
  onReplace: (listener: () => void) => void;
  /** The reader points at a node ("" = at none): the log shows its lines. */
  select: (id: string) => void;
  /** The reader wants the node's own page. */
  open: (id: string) => void;
  href: (id: string) => string;
}

declare global {
  interface Window {
    agentflow?: Bridge;
  }
}
