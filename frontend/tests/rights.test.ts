import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Actions } from "../src/app/actions";
import type { Page } from "../src/app/page";
import { isBarred } from "../src/app/rights";
import { commandView } from "../src/app/task-command";
import type { Toasts } from "../src/app/toasts";
import { stepElement } from "../src/chat/step-view";
import type { ClientMessage, MessageOf, Step } from "../src/live/messages";
import { patchTask } from "../src/tables/task-row";
import { fleetOf, labels, task, texts } from "./samples";

const urls = { chat: "/api/v1/chat/" };
const page = {
  settings: { labels, urls },
  texts,
  now: () => 5000,
  fleet: fleetOf(),
  taskUrl: (id: string) => `/tasks/${id}/`,
  nodeUrl: (id: string) => `/nodes/${id}/`,
} as unknown as Page;

afterEach(() => {
  document.body.className = "";
  vi.restoreAllMocks();
});

describe("a command", () => {
  it("is answered and retried only by those who may run it", () => {
    document.body.className = "may-operate";
    const command = task("t", { isCommand: true });
    expect((["input", "retry", "pause", "cancel"] as const).map((action) => isBarred(action, command))).toEqual([
      true,
      true,
      false,
      false,
    ]);
    expect(isBarred("retry", task("t"))).toBe(false);
    document.body.className = "may-operate may-run-commands";
    expect(isBarred("retry", command)).toBe(false);
  });

  it("has disabled buttons that say why", () => {
    document.body.className = "may-operate";
    document.body.innerHTML = `<div id="r"><button data-action="retry"></button></div>`;
    const row = document.getElementById("r") as HTMLElement;
    const button = row.querySelector("button") as HTMLButtonElement;

    patchTask(row, task("t", { state: "failed", isCommand: true }), page);
    expect([button.disabled, button.title, button.hidden]).toEqual([true, "task.needsCommands", false]);
    patchTask(row, task("t", { state: "failed" }), page);
    expect([button.disabled, button.title]).toEqual([false, labels.actions.retry.label]);
  });

  it("is shown as its node resolved it, and to others not at all", () => {
    const resolved = { command: "make all", workingDirectory: "/srv", environment: { A: "1" } };
    const shown = (command: string | null, attempt: number): string[] =>
      commandView({ command, attempts: [{ attempt: 1, resolved }] }, attempt, page).map((one) => one.textContent ?? "");

    expect(shown("build", 1)[0]).toBe("make all");
    expect(shown("build", 2)).toEqual(["build"]);
    expect(shown(null, 1)).toEqual(["command.hidden"]);
  });
});

describe("a proposed command", () => {
  const step = {
    id: "s1",
    tool: "run_command",
    arguments: { node: "m" },
    risk: "destructive",
    summary: "Run a command on m",
    state: "waiting",
    result: "",
    phrases: {},
    approval: { id: "a1", state: "waiting", right: "run-commands", expiresAt: 9000, answeredBy: "", answeredAt: null },
    isWithheld: true,
  } as unknown as Step;

  it("can be approved only once it is there to be read", async () => {
    document.body.className = "may-operate may-run-commands";
    const whole = { ...step, arguments: { node: "m", command: ["ls"] }, summary: "Run ls on m", isWithheld: false };
    let answer: (body: unknown) => void = () => undefined;
    const asked = vi.fn(() => new Promise((resolve) => (answer = resolve)));
    vi.stubGlobal("fetch", asked);

    const box = stepElement(step, "ann", page);
    expect(box.querySelector("[data-answer]")).toBeNull();
    answer({ ok: true, status: 200, json: () => Promise.resolve(whole) });

    await vi.waitFor(() => expect(box.querySelector("[data-answer]")).not.toBeNull());
    expect(asked.mock.calls[0]).toEqual(["/api/v1/chat/steps/s1/", expect.anything()]);
    expect(box.querySelector(".approval-what")?.textContent).toBe("Run ls on m");
    expect(box.textContent).toContain("ls");
  });

  it("is not loaded for those who may not see it", () => {
    document.body.className = "may-operate";
    const asked = vi.fn();
    vi.stubGlobal("fetch", asked);

    const box = stepElement(step, "ann", page);

    expect(asked).not.toHaveBeenCalled();
    expect(box.textContent).toContain("command.hidden");
    expect(box.querySelector("[data-answer]")).toBeNull();
  });
});

describe("a retry of a changed task", () => {
  let sent: ClientMessage[];
  let handlers: Record<string, (message: unknown) => void>;
  beforeEach(() => {
    sent = [];
    handlers = {};
  });

  it.each([
    [true, []],
    [false, ["toast.refused: x"]],
  ])("asks with the change that the server named and reads as refused only without a dialog: %s", (asks, notices) => {
    const live = {
      on: (type: string, handle: (message: unknown) => void) => (handlers[type] = handle),
      send: (message: ClientMessage) => sent.push(message) > 0,
    };
    let shown: string[] = [];
    const update = (content: { text: string }): void => {
      shown = [content.text];
    };
    const show = (content: { text: string }): object => {
      update(content);
      return { update, close: () => (shown = []) };
    };
    const fleet = fleetOf();
    const actions = new Actions({ ...page, live, fleet } as unknown as Page, { show } as unknown as Toasts);
    const asked = vi.fn(() => asks);
    actions.onChangedDefinition = asked;
    const failed = task("t", { state: "failed" });

    actions.control(failed, "retry");
    const details = { definition: "d2", nodes: ["m"], before: "make", after: "ninja" };
    const error = { type: "ERROR", ref: (sent[0] as { ref: string }).ref, code: "definition-changed", message: "x" };
    handlers.ERROR?.({ ...error, details } as MessageOf<"ERROR">);

    expect(asked).toHaveBeenCalledWith(failed, details);
    expect(shown).toEqual(notices);
    expect(fleet.commands.of("t").map((one) => one.state)).toEqual(asks ? [] : ["refused"]);
  });
});
