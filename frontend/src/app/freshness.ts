/**
 * The age of a node's data, and the links between the node and the reader. Pure.
 *
 * An online node is live even without changes for an hour: heartbeats prove its links, and only changes are sent.
 */

import type { NodeStatus } from "../live/messages";
import type { Page } from "./page";
import type { Tone } from "./settings";
import { latency, type Texts } from "./texts";

type Seen = Pick<NodeStatus, "id" | "parent" | "state" | "stateSince" | "link">;
type Find = (id: string) => Seen | undefined;

export interface Freshness {
  isLive: boolean;
  tone: Tone;
  word: string;
  /** Since when its state is unknown; null if it is live, or if the time is not known. */
  since: number | null;
  /** The unreachable node on the path to it; empty if that is the node itself. */
  beyond: string;
}

/** `pageOldSince`: since when the page may be out of date; null = it is current. */
export function freshness(
  node: Seen,
  find: Find,
  pageOldSince: number | null,
  { settings, texts }: Pick<Page, "settings" | "texts">,
  nowMs: number,
): Freshness {
  const { decisions, nodeStates } = settings.labels;
  if (!decisions.nodes[node.state].isReachable) {
    const parent = node.parent === "" ? undefined : find(node.parent);
    const since = node.stateSince;
    return {
      isLive: false,
      tone: nodeStates[node.state].tone,
      word: since === null ? texts.get("fresh.never") : texts.get("fresh.since", { time: texts.clock(since, nowMs) }),
      since,
      beyond: parent !== undefined && !decisions.nodes[parent.state].isReachable ? parent.id : "",
    };
  }
  return pageOldSince === null
    ? { isLive: true, tone: nodeStates[node.state].tone, word: texts.get("fresh.live"), since: null, beyond: "" }
    : {
        isLive: false,
        tone: "warn",
        word: texts.get("fresh.asOf", { time: texts.clock(pageOldSince, nowMs) }),
        since: pageOldSince,
        beyond: "",
      };
}

export interface Hop {
  state: "ok" | "suspect" | "down";
  word: string;
}

/** The link from a node to its parent. While the page is not current, no link is proven. */
export function hop(node: Pick<NodeStatus, "link">, pageOldSince: number | null, texts: Texts): Hop {
  const { state, rttMs } = node.link;
  if (state !== "ok") return { state, word: texts.get(state === "down" ? "hop.down" : "hop.suspect") };
  if (pageOldSince !== null) return { state: "suspect", word: "?" };
  return { state, word: rttMs ? latency(rttMs) : texts.get("hop.ok") };
}

/** The path from the Leader to this node: each node with the link above it. */
export function pathTo(node: Seen, find: Find): Seen[] {
  const path: Seen[] = [node];
  // The tree has three levels; this stops at a cycle of wrong parents.
  while (path.length < 4) {
    const above = find(path[0]?.parent ?? "");
    if (above === undefined || path.includes(above)) break;
    path.unshift(above);
  }
  return path;
}
