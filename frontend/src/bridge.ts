/**
 * What the topology island gets from the page. Types only: the two are built separately and share no code; the island
 * finds the bridge on `window`.
 */

import type { Freshness, Hop } from "./app/freshness";
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
  lastSeenAt: number | null;
  link: { state: "ok" | "suspect" | "down"; rttMs: number | null };
}

/** Whether the page is current; a new object for each change. */
export interface AgeOfPage {
  oldSince: number | null;
  /** The push latency as text; empty = not measured, or disconnected. */
  push: string;
}

export interface Bridge {
  getText: (key: string, values?: Record<string, string | number>) => string;
  count: (key: string, count: number) => string;
  clock: (atMs: number) => string;
  roleLabel: (role: NodeRole) => string;
  roleIcon: (role: NodeRole) => string;
  stateLabel: (state: NodeState) => string;
  stateIcon: (state: NodeState) => string;
  nodes: () => IslandNode[];
  onNode: (listener: (id: string, node: IslandNode | undefined) => void) => void;
  onReplace: (listener: () => void) => void;
  age: () => AgeOfPage;
  onAge: (listener: () => void) => () => void;
  freshness: (node: IslandNode) => Freshness;
  hop: (node: IslandNode) => Hop;
  /** The reader selects a node ("" = none): the log shows only its lines. */
  select: (id: string) => void;
  /** Opens the node's page. */
  open: (id: string) => void;
  href: (id: string) => string;
}

declare global {
  interface Window {
    agentflow?: Bridge;
  }
}
