/**
 * How old a node's data is, and which links are between the node and the reader. Pure.
 *
 * An online node is live even if nothing has changed for an hour: heartbeats prove its links, and only changes are sent.
 */

import type { NodeStatus } from "../live/messages";
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
export function freshness(node: Seen, find: Find, pageOldSince: number | null, texts: Texts, nowMs: number): Freshness {
  const parent = node.parent === "" ? undefined : find(node.parent);
  const beyond = node.state !== "online" && parent !== undefined && parent.state !== "online" ? parent.id : "";
  const nodeSince = node.state === "online" ? null : node.stateSince;
  if (node.state === "online" && pageOldSince === null) {
    return { isLive: true, tone: "good", word: texts.say("fresh.live"), since: null, beyond };
  }
  if (node.state === "online") {
    return {
      isLive: false,
      tone: "warn",
      word: texts.say("fresh.asOf", { time: texts.clock(pageOldSince as number, nowMs) }),
      since: pageOldSince,
      beyond,
    };
  }
  const word =
    nodeSince === null ? texts.say("fresh.never") : texts.say("fresh.since", { time: texts.clock(nodeSince, nowMs) });
  return { isLive: false, tone: node.state === "offline" ? "bad" : "warn", word, since: nodeSince, beyond };
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
