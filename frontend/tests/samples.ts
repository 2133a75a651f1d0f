/** Things as the server sends them, for the tests. */

import type { Labels } from "../src/app/settings";
import { Texts } from "../src/app/texts";
import type { AlertInfo, NodeStatus, TaskInfo } from "../src/live/messages";

export function node(id: string, extra: Partial<NodeStatus> = {}): NodeStatus {
  return {
    id,
    name: id,
    role: "master",
    parent: "",
    state: "online",
    stateSince: 1000,
    cpu: 10,
    memory: { used: 1, total: 2, percent: 50 },
    disk: null,
    load: 0.5,
    link: { state: "ok", rttMs: 1 },
    lastSeenAt: 1000,
    capabilities: {},
    slots: 4,
    running: 0,
    base: false,
    gpus: [],
    version: "1",
    ...extra,
  };
}

export function task(id: string, extra: Partial<TaskInfo> = {}): TaskInfo {
  return {
    id,
    name: `task ${id}`,
    project: "shop",
    node: "master-1",
    targetNode: "",
    state: "running",
    health: "healthy",
    attempt: 1,
    progress: null,
    message: "",
    exitCode: null,
    pendingReason: "",
    command: "make",
    acceptsInput: false,
    partialPause: false,
    suppressedLines: 0,
    createdBy: "ada",
    createdAt: 1000,
    startedAt: 2000,
    endedAt: null,
    nodeState: "online",
    unknownSince: null,
    messageParts: [],
    pendingParts: [],
    version: "1",
    ...extra,
  };
}

export function alert(id: string, extra: Partial<AlertInfo> = {}): AlertInfo {
  return { id, level: "warning", kind: "stalled", message: "m", messageParts: [], node: "", task: "", taskName: "", attempt: 0, evidence: [], openedAt: 1, resolvedAt: null, acknowledgedAt: null, acknowledgedBy: "", ...extra };
}

const look = (label: string) => ({ label, icon: "x", tone: "good" as const });

export const labels: Labels = {
  nodeStates: { online: look("Online"), suspect: look("Suspect"), offline: look("Offline") },
  taskStates: {
    pending: look("Queued"),
    dispatched: look("Starting"),
    running: look("Running"),
    paused: look("Paused"),
    succeeded: look("Done"),
    failed: look("Failed"),
    cancelled: look("Cancelled"),
    timed_out: look("Timed out"),
    lost: look("Lost"),
  },
  taskHealth: { quiet: look("Quiet"), waiting: look("Waiting"), stalled: look("Stalled") },
  unknown: look("Unknown"),
  nodeRoles: { leader: look("Leader"), master: look("Master"), edge: look("Edge") },
  actions: { pause: look("Pause"), resume: look("Resume"), cancel: look("Cancel"), retry: look("Retry"), input: look("Answer") },
  commandStates: { pending: "waiting", sent: "sent", acked: "received", succeeded: "done", failed: "failed", expired: "expired", unknown: "unknown", asked: "asked", refused: "refused", unanswered: "no answer" },
  messageParts: { stalled: "silent for {seconds} s", "usual-end": "ends after {seconds} s", slot: "waits for {nodes}" },
  partSeparator: "; ",
  gapReasons: { trimmed: "made room" },
  storeReasons: { full: "disk full" },
  chatTurns: {
    queued: look("Queued"),
    running: look("Working"),
    waiting: look("Waits"),
    done: look("Done"),
    stopped: look("Stopped"),
    failed: look("Failed"),
    interrupted: look("Interrupted"),
  },
  chatSteps: {
    proposed: look("proposed"),
    waiting: look("asks you"),
    approved: look("approved"),
    running: look("running"),
    done: look("done"),
    failed: look("failed"),
    denied: look("not done"),
    unknown: look("unknown"),
  },
  chatApprovals: {
    waiting: look("Waits"),
    approved: look("Approved"),
    used: look("Approved"),
    denied: look("Refused"),
    expired: look("Expired"),
    stale: look("Stale"),
    withdrawn: look("Withdrawn"),
  },
  chatConfidence: { high: look("Sure"), medium: look("Likely"), low: look("A guess") },
  chatFixes: { open: look("proposed"), asked: look("Waits"), done: look("done"), refused: look("not done"), failed: look("failed") },
  chatVerdicts: { watching: look("Watching"), helped: look("It helped"), "not-helped": look("It did not help") },
  evidenceKinds: { lines: "Last lines" },
  processStates: { S: "sleeping" },
  chatTools: { list_tasks: "List tasks" },
  chatEffects: { cancel_task: "It ends." },
  chatEngines: { "no-key": "No key." },
  chatReasons: { answered: "Somebody was faster." },
  phrases: { "cause.lock": "It waits for a lock.", "fix.input": "Answer “{text}”", "verdict.failed": "{fix}: no help, the task is {state}.", "task.failed": "failed", "why.helped": "It helped before ({helped} of {all} times)." },
  reasons: { finished: "It has ended.", partial: "Only a part." },
  start: "Start",
  offered: {
    pause: ["running"],
    resume: ["paused"],
    input: ["running"],
    retry: ["succeeded", "failed", "cancelled", "timed_out", "lost"],
    cancel: ["pending", "dispatched", "running", "paused"],
  },
};

export const texts = new Texts("en", {
  "task.unknownSince": "unknown since {time}",
  "task.anyNode": "any node",
  "task.partialPause": "partly paused",
  "task.exitCode": "exit code {code}",
  "task.signal": "signal {number}",
  "log.newLines.one": "1 new line",
  "log.newLines.other": "{count} new lines",
  "link.connecting": "Connecting",
  "link.live": "Live",
  "link.liveLatency": "Live · {latency}",
  "link.waiting": "Reconnecting in {seconds} s",
  "link.silent": "Silent since {time}",
  "link.login": "Log in",
  "store.failing": "Nothing stored: {reason}",
  "store.failingSince": "Nothing stored since {time}: {reason}",
  "link.behind": "Behind: as of {time}",
  "fresh.live": "live",
  "fresh.since": "since {time}",
  "fresh.asOf": "as of {time}",
  "fresh.beyond": "{node} is unreachable",
  "hop.ok": "live",
  "hop.suspect": "silent",
  "hop.down": "down",
});
