/**
 * How old a node's data is, and which links are between the node and the reader. Pure.
 *
 * An online node is live even if nothing has changed for an hour: heartbeats prove its links, and only changes are sent.
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
  /** Since when nothing is known; null while it is live, or if that is unknown. */
  since: number | null;
  /** The unreachable node on the path to it; empty if it is the node itself. */
  beyond: string;
}

/** `pageOldSince`: since when the page itself may be old, else null. */
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
      word: since === null ? texts.say("fresh.never") : texts.say("fresh.since", { time: texts.clock(since, nowMs) }),
      since,
      beyond: parent !== undefined && !decisions.nodes[parent.state].isReachable ? parent.id : "",
    };
  }
  return pageOldSince === null
    ? { isLive: true, tone: nodeStates[node.state].tone, word: texts.say("fresh.live"), since: null, beyond: "" }
    : {
        isLive: false,
        tone: "warn",
        word: texts.say("fresh.asOf", { time: texts.clock(pageOldSince, nowMs) }),
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
  if (state !== "ok") return { state, word: texts.say(state === "down" ? "hop.down" : "hop.suspect") };
  if (pageOldSince !== null) return { state: "suspect", word: "?" };
  return { state, word: rttMs ? latency(rttMs) : texts.say("hop.ok") };
}

/** The nodes from the Leader's side down to this one: each with the link above it. */
export function pathTo(node: Seen, find: Find): Seen[] {
  const path: Seen[] = [node];
  // The tree has three levels; a wrong parent must not make a loop.
  while (path.length < 4) {
    const above = find(path[0]?.parent ?? "");
    if (above === undefined || path.includes(above)) break;
    path.unshift(above);
  }
  return path;
}
