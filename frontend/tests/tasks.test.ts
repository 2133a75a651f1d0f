import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Outcome, Requests } from "../src/app/requests";
import { filledFields, namedTasks, projectNames, type RunFields, runRequest, splitWords } from "../src/app/run-request";
import type { CommandInfo, NamedTask } from "../src/live/messages";
import { matches } from "../src/palette/match";
import { taskView } from "../src/tables/task-view";
import { labels, node, command as sample, task, texts } from "./samples";

const stalled = { key: "stalled", values: { seconds: "3" } };

describe("a task's row", () => {
  const view = (extra: Parameters<typeof task>[1]) => taskView(task("1", extra), labels, texts, 0);

  it("shows the state, and the health if people should know it", () => {
    expect(view({})).toMatchObject({
      state: labels.taskStates.running,
      health: null,
      place: "shop · master-1",
    });
    expect(view({ health: "stalled" }).health).toBe(labels.taskHealth.stalled);
    expect(view({ health: "stalled", state: "paused" }).health).toBeNull();
  });

  it("never shows an unreachable task as running", () => {
    const unseen = view({ unknownSince: new Date(1970, 0, 1, 12, 3, 4).getTime(), health: "stalled" });

    expect(unseen.state).toBe(labels.taskStates.unknown);
    expect(unseen.health).toBeNull();
    expect(unseen.note).toMatch(/^Running · unknown since /);
  });

  it.each([
    [{ state: "pending" as const, pendingReason: "no slot", message: "old" }, "no slot"],
    [
      {
        state: "pending" as const,
        pendingReason: "no slot",
        phrases: { pendingReason: { key: "slot", values: { nodes: "a {nodes}" } } },
      },
      "waits for a {nodes}",
    ],
    [
      {
        state: "pending" as const,
        pendingReason: "no slot",
        phrases: { pendingReason: { key: "of a later version", values: {} } },
      },
      "no slot",
    ],
    [
      {
        state: "lost" as const,
        message: "m",
        phrases: {
          message: { key: "clauses", values: { parts: [stalled, { key: "usual-end", values: { seconds: "2" } }] } },
        },
      },
      "silent for 3 s; ends after 2 s",
    ],
    [{ state: "lost" as const, message: "m", phrases: { message: { key: "toString", values: {} } } }, "m"],
    [
      {
        state: "lost" as const,
        message: "m",
        phrases: { message: { key: "clauses", values: { parts: [stalled, { key: "later", values: {} }] } } },
      },
      "m",
    ],
    [{ state: "paused" as const, partialPause: true, message: "m" }, "partly paused"],
    [{ state: "running" as const, message: "linking" }, "linking"],
    [{ state: "failed" as const, exitCode: 2 }, "exit code 2"],
    [{ state: "failed" as const, exitCode: -9 }, "ended by signal 9"],
    [{ state: "failed" as const }, ""],
    [{ state: "succeeded" as const, exitCode: 0 }, ""],
  ])("says what matters: %o", (extra, note) => {
    expect(view(extra).note).toBe(note);
  });

  it("shows the target of a task that has no node yet", () => {
    expect(view({ node: "", targetNode: "" }).place).toBe("shop · any node");
    expect(view({ node: "", targetNode: "edge-1", project: "" }).place).toBe("edge-1");
  });

  it.each([
    [{ state: "running" as const }, ["pause", "cancel"]],
    [{ state: "running" as const, acceptsInput: true }, ["pause", "input", "cancel"]],
    [{ state: "paused" as const, acceptsInput: true }, ["resume", "cancel"]],
    [{ state: "pending" as const }, ["cancel"]],
    [{ state: "lost" as const }, ["retry"]],
  ])("offers what can be done: %o", (extra, actions) => {
    expect([...view(extra).actions].sort()).toEqual([...actions].sort());
  });
});

describe("pending requests", () => {
  const outcomes: Outcome[] = [];
  const show = (outcome: Outcome): void => void outcomes.push(outcome);
  const command = (state: CommandInfo["state"], extra: Partial<CommandInfo> = {}): CommandInfo =>
    sample("c", { state, task: "1", ref: "r", ...extra });
  let requests: Requests;
  beforeEach(() => {
    vi.useFakeTimers();
    outcomes.length = 0;
    requests = new Requests(labels, () => "r");
    requests.note(show);
  });
  afterEach(() => vi.useRealTimers());

  it("are tracked until their outcome", () => {
    requests.accepted({ type: "ACCEPTED", ref: "r", task: "1", command: "c" });
    for (const state of ["sent", "acked", "succeeded"] as const) requests.commandChanged(command(state));
    requests.commandChanged(command("failed"));

    expect(outcomes).toEqual([
      { kind: "asked" },
      { kind: "progress", state: "pending" },
      { kind: "progress", state: "sent" },
      { kind: "progress", state: "acked" },
      { kind: "done", task: "1" },
    ]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("ignore the Leader's answer after its COMMAND message", () => {
    requests.commandChanged(command("sent"));
    requests.accepted({ type: "ACCEPTED", ref: "r", task: "1", command: "c" });

    expect(outcomes).toEqual([{ kind: "asked" }, { kind: "progress", state: "sent" }]);
  });

  it("end with the Leader's answer if there is no command", () => {
    requests.accepted({ type: "ACCEPTED", ref: "r", task: "new", command: "" });

    expect(outcomes.at(-1)).toEqual({ kind: "done", task: "new" });
  });

  it.each([
    ["failed" as const, "busy", "no slot", "no slot"],
    ["expired" as const, "expired", "", "expired"],
    ["unknown" as const, "", "", ""],
  ])("says why it %s", (state, code, message, reason) => {
    requests.commandChanged(command(state, { code, message }));

    expect(outcomes.at(-1)).toEqual({ kind: "failed", state, reason });
  });

  it("report a refusal, only for their own refs", () => {
    expect(requests.refused("other", "no")).toBe(false);
    expect(requests.refused("r", "no")).toBe(true);
    expect(outcomes.at(-1)).toEqual({ kind: "failed", state: "refused", reason: "no" });
  });

  it("time out", () => {
    vi.advanceTimersByTime(60_000);

    expect(outcomes.at(-1)).toEqual({ kind: "no-answer" });
  });
});

describe("the new task form", () => {
  const fields: RunFields = { kind: "named", task: "test", command: "", shell: false, environment: "" };
  const filled = { project: "shop", name: "nightly" };

  it("uses every filled control that is marked, by name", () => {
    document.body.innerHTML = `<form>
      <select name="node" data-run><option value="">any</option></select>
      <select name="project" data-run><option>shop</option></select>
      <input name="name" data-run value=" nightly "><input name="command" value="ls">
      <input type="number" name="timeoutSeconds" data-run value="60"><input type="number" name="stall" data-run>
      <input type="checkbox" name="closeInput" data-run checked><input type="checkbox" name="other" data-run>
      <fieldset disabled><input name="workingDirectory" data-run value="/srv"></fieldset></form>`;

    expect(filledFields(document.querySelector("form") as HTMLFormElement)).toEqual({
      project: "shop",
      name: "nightly",
      timeoutSeconds: 60,
      closeInput: true,
    });
  });

  it("requests a named task without unneeded fields", () => {
    expect(runRequest(fields, filled)).toEqual({ project: "shop", name: "nightly", namedTask: "test" });
    expect(runRequest({ ...fields, task: "" }, filled)).toBe("run.noProjects");
  });

  it("requests a command as arguments or as a shell line", () => {
    const command = { ...fields, kind: "command" as const, command: "make 'a b' | tee x" };

    expect(runRequest(command, filled)).toEqual({ ...filled, argv: ["make", "a b", "|", "tee", "x"] });
    expect(runRequest({ ...command, shell: true }, filled)).toMatchObject({ shellLine: "make 'a b' | tee x" });
    expect(runRequest({ ...command, environment: "A=1\n\nB=x=y" }, filled)).toMatchObject({
      environment: { A: "1", B: "x=y" },
    });
  });

  it.each([
    [{ command: " " }, "run.needsCommand"],
    [{ command: "echo 'a" }, "run.unclosedQuote"],
    [{ command: "ls", environment: "A" }, "run.badEnvironment"],
  ])("says what is wrong: %o", (extra, problem) => {
    expect(runRequest({ ...fields, kind: "command", ...extra }, filled)).toBe(problem);
  });

  it("needs a node or a project for a command", () => {
    expect(runRequest({ ...fields, kind: "command", command: "ls" }, {})).toBe("run.needsNode");
  });

  it.each([
    ["a  b\tc", ["a", "b", "c"]],
    ["", []],
    [`"a b" 'c "d"' e\\ f`, ["a b", 'c "d"', "e f"]],
    [`a"b"c ''`, ["abc", ""]],
    [`"x\\"y\\n"`, ['x"y\\n']],
    ["a \\", null],
    ['"a', null],
  ])("splits %s as a shell does", (line, expected) => {
    expect(splitWords(line)).toEqual(expected);
  });

  it("offers what the nodes offer", () => {
    const named = (name: string, argv: string[]) => ({ name, argv }) as NamedTask;
    const project = (name: string, tasks: NamedTask[]) => ({ name, path: "/", types: [], tasks });
    const nodes = [
      node("a", { capabilities: { projects: [project("shop", [named("test", ["make"])]), project("api", [])] } }),
      node("b", { capabilities: { projects: [project("shop", [named("build", ["npm"]), named("test", ["other"])])] } }),
      node("c"),
    ];

    expect(projectNames(nodes, "")).toEqual(["api", "shop"]);
    expect(projectNames(nodes, "b")).toEqual(["shop"]);
    expect(namedTasks(nodes, "", "shop").map((each) => [each.name, each.argv[0]])).toEqual([
      ["build", "npm"],
      ["test", "make"],
    ]);
    expect(namedTasks(nodes, "b", "shop").map((each) => each.argv[0])).toEqual(["npm", "other"]);
  });
});

it("finds commands by all words, matching beginnings first", () => {
  const entry = (label: string) => ({ label, kind: "", icon: "", run: () => undefined });
  const entries = ["Go to the logs", "edge-01 build", "build master", "rebuild"].map(entry);

  expect(matches(entries, "build", 10).map((each) => each.label)).toEqual(["build master", "edge-01 build", "rebuild"]);
  expect(matches(entries, "BUILD edge", 10).map((each) => each.label)).toEqual(["edge-01 build"]);
  expect(matches(entries, "", 2)).toHaveLength(2);
});
