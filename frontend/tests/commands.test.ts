import { describe, expect, it } from "vitest";
import { Commands, type ShownCommand } from "../src/app/commands";
import type { CommandInfo } from "../src/live/messages";
import { commandView, reasonOf, shownCommand } from "../src/tables/command-view";
import { fleetOf, labels, command as sample, task } from "./samples";

const command = (id: string, state: CommandInfo["state"], extra: Partial<CommandInfo> = {}): CommandInfo =>
  sample(id, { state, ...extra });
const states = (commands: Commands): string[] => commands.of("t").map((one) => `${one.id} ${one.state}`);

describe("commands to a task", () => {
  it("keep one row from the click to the outcome", () => {
    const commands = new Commands(labels);
    commands.ask("r", "t", "pause", 5);
    expect(states(commands)).toEqual(["~r asked"]);
    expect(commands.answer("r", { state: "pending", id: "c" })).toBe("t");
    expect(states(commands)).toEqual(["c pending"]);
    for (const state of ["sent", "acked", "succeeded"] as const) commands.apply(command("c", state, { ref: "r" }));

    expect(states(commands)).toEqual(["c succeeded"]);
  });

  it("keep one row if the COMMAND message arrives before the answer", () => {
    const commands = new Commands(labels);
    commands.ask("r", "t", "pause", 5);
    commands.apply(command("c", "sent", { ref: "r" }));
    expect(commands.answer("r", { state: "pending", id: "c" })).toBe("");

    expect(states(commands)).toEqual(["c sent"]);
  });

  it("may end as a refused request", () => {
    const commands = new Commands(labels);
    commands.ask("r", "t", "retry", 5);
    expect(commands.forget("r")).toBe("t");
    expect(commands.answer("r", { state: "refused" })).toBe("");

    expect(states(commands)).toEqual([]);
  });

  it("do not stay pending on a page that missed their outcome", () => {
    const commands = new Commands(labels);
    commands.apply(command("old", "sent"));
    commands.apply(command("told", "failed"));
    commands.ask("r", "t", "pause", 5);
    commands.replace([command("new", "acked")]);

    expect(states(commands)).toEqual(["new acked", "~r asked", "told failed"]);
  });

  it("redraw their task", () => {
    const fleet = fleetOf({ tasks: [task("t")] });
    const drawn: string[] = [];
    fleet.onChange("tasks", (id) => drawn.push(id));
    fleet.ask("r", "t", "cancel", 1);
    fleet.answer("r", { state: "refused", message: "no" });
    fleet.applyCommand(command("c", "sent"));
    fleet.answer("other", { state: "refused" });

    expect(drawn).toEqual(["t", "t", "t"]);
  });
});

describe("the command in a task's row", () => {
  const told = (commands: ShownCommand[], nowMs: number): string | undefined =>
    shownCommand(commands, labels, nowMs)?.id;

  it.each([
    ["sent" as const, 10_000_000, "c"],
    ["succeeded" as const, 1000, "c"],
    ["succeeded" as const, 10_000, undefined],
    ["failed" as const, 100_000, "c"],
    ["unknown" as const, 700_000, undefined],
  ])("of one that is %s after %d ms", (state, age, id) => {
    expect(told([command("c", state, { changedAt: 5 })], 5 + age)).toBe(id);
  });

  it("is a person's latest command, never the start of the task", () => {
    expect(told([command("s", "failed", { kind: "start" }), command("b", "sent"), command("a", "failed")], 2000)).toBe(
      "b",
    );
  });

  it("shows the action, the state, the reason and the user", () => {
    const view = (state: CommandInfo["state"], extra: Partial<CommandInfo> = {}) =>
      commandView(command("c", state, extra), labels).text;

    expect(view("acked")).toBe("Pause: received · ada");
    expect(view("failed", { code: "finished", message: "the task ended" })).toBe("Pause: failed · It has ended. · ada");
    expect(view("failed", { code: "strange", message: "as the node says" })).toBe(
      "Pause: failed · as the node says · ada",
    );
    expect(view("succeeded", { message: "done twice" })).toBe("Pause: done · ada");
    expect(view("succeeded", { code: "partial", message: "in part" })).toBe("Pause: done · Only a part. · ada");
    expect(view("pending", { kind: "start", actor: "" })).toBe("Start: waiting");
  });

  it("shows a node's message in the reader's language, and nothing twice", () => {
    const more = { ...labels, reasons: { ...labels.reasons, "cannot-start": "Not started: {message}" } };
    const phrases = { message: { key: "slot", values: { nodes: "a" } } };
    const view = (extra: Partial<CommandInfo>) => commandView(command("c", "failed", extra), more);

    expect(view({ code: "cannot-start", message: "in English", phrases })).toMatchObject({
      reason: "Not started: waits for a",
      ownMessage: "",
    });
    expect(view({ code: "finished", message: "in English" })).toMatchObject({
      reason: "It has ended.",
      ownMessage: "",
    });
    expect(view({ code: "strange", message: "as the node says" })).toMatchObject({
      reason: "as the node says",
      ownMessage: "",
    });
    expect(commandView(command("c", "succeeded", { message: "done twice" }), more)).toMatchObject({
      reason: "",
      ownMessage: "done twice",
    });
  });

  it("shows the message if only that explains the reason", () => {
    const more = { ...labels, reasons: { "cannot-start": "Not started: {message}" } };

    expect(reasonOf("cannot-start", "cost $& more", more)).toBe("Not started: cost $& more");
    expect(reasonOf("constructor", "m", more)).toBe("m");
    expect(reasonOf("", "", more)).toBe("");
  });
});
