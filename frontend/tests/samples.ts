/** Sample objects in the server's format. */

import { Fleet } from "../src/app/fleet";
import type { Decisions, Labels, PageData } from "../src/app/settings";
import { Texts } from "../src/app/texts";
import type { AlertInfo, CommandInfo, MessageOf, NodeStatus, TaskInfo } from "../src/live/messages";
import decisions from "./decisions.json";

/** Builds samples from common fields and those that a test adds; tests read no other field. */
function sample<T extends { id: string }>(usual: (id: string) => Partial<T>): (id: string, extra?: Partial<T>) => T {
  return (id, extra = {}) => ({ id, ...usual(id), ...extra }) as T;
}

export const node = sample<NodeStatus>((id) => ({
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
}));

export const task = sample<TaskInfo>((id) => ({
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
  acceptsInput: false,
  isCommand: false,
  createdAt: 1000,
  startedAt: 2000,
  endedAt: null,
  unknownSince: null,
}));

export const alert = sample<AlertInfo>(() => ({
  level: "warning",
  kind: "stalled",
  message: "m",
  node: "",
  task: "",
  evidence: [],
  openedAt: 1,
  resolvedAt: null,
  acknowledgedAt: null,
}));

export const command = sample<CommandInfo>(() => ({
  kind: "pause",
  task: "t",
  node: "n",
  state: "pending",
  code: "",
  message: "",
  ref: "",
  actor: "ada",
  createdAt: 1000,
  changedAt: 1000,
}));

export function metrics(node: string, extra: Partial<MessageOf<"METRICS">> = {}): MessageOf<"METRICS"> {
  return { type: "METRICS", node, at: 5000, cpu: 99, load: 3, linkRttMs: null, ...extra } as MessageOf<"METRICS">;
}

export const fleetOf = (data: PageData = {}): Fleet => new Fleet(labels, data);

const look = (label: string) => ({ label, icon: "x", tone: "good" as const });

export const labels: Labels = {
  // As the server sends it; tests/unit/pages/test_decisions.py compares the two.
  decisions: decisions as unknown as Decisions,
  nodeStates: {
    online: look("Online"),
    suspect: { ...look("Suspect"), tone: "warn" },
    offline: { ...look("Offline"), tone: "bad" },
  },
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
    unknown: look("Unknown"),
  },
  taskHealth: { quiet: look("Quiet"), waiting: look("Waiting"), stalled: look("Stalled") },
  nodeRoles: { leader: look("Leader"), master: look("Master"), edge: look("Edge") },
  actions: {
    pause: look("Pause"),
    resume: look("Resume"),
    cancel: look("Cancel"),
    retry: look("Retry"),
    input: look("Answer"),
  },
  commandStates: {
    pending: look("waiting"),
    sent: look("sent"),
    acked: look("received"),
    succeeded: look("done"),
    failed: look("failed"),
    expired: look("expired"),
    unknown: look("unknown"),
    asked: look("asked"),
    refused: look("refused"),
    unanswered: look("no answer"),
  },
  alertLevels: { error: { ...look(""), tone: "bad" }, warning: { ...look(""), tone: "warn" } },
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
  chatFixes: {
    open: look("proposed"),
    asked: look("Waits"),
    done: look("done"),
    refused: look("not done"),
    failed: look("failed"),
  },
  chatVerdicts: { watching: look("Watching"), helped: look("It helped"), "not-helped": look("It did not help") },
  evidenceKinds: { lines: "Last lines" },
  processStates: { S: "sleeping" },
  chatTools: { list_tasks: "List tasks" },
  chatEffects: { cancel_task: "It ends." },
  chatEngines: { "no-key": "No key." },
  chatReasons: { answered: "Somebody was faster." },
  phrases: {
    clauses: "; ",
    lines: "\n",
    sentences: " ",
    stalled: "silent for {seconds} s",
    "usual-end": "ends after {seconds} s",
    slot: "waits for {nodes}",
    "cause.lock": "It waits for a lock.",
    "fix.input": "Answer “{text}”",
    "verdict.failed": "{fix}: no help, the task is {state}.",
    "task.failed": "failed",
    "why.helped": "It helped before ({helped} of {all} times).",
  },
  reasons: { finished: "It has ended.", partial: "Only a part." },
  start: "Start",
};

export const texts = new Texts("en", {
  "task.unknownSince": "unknown since {time}",
  "task.anyNode": "any node",
  "task.partialPause": "partly paused",
  "task.exitCode": "exit code {code}",
  "task.signal": "ended by signal {number}",
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
