/** Each click carries what the person saw; the server refuses it if that has changed. */

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Actions } from "../src/app/actions";
import { wireTaskButtons } from "../src/app/dialogs";
import type { Page } from "../src/app/page";
import { analysisElement } from "../src/chat/analysis-view";
import { wireButtons } from "../src/chat/buttons";
import type { ChatRequests } from "../src/chat/requests";
import { stepElement } from "../src/chat/step-view";
import { wireEvidence } from "../src/evidence/view";
import type { Analysis, Step, TaskInfo } from "../src/live/messages";
import { alert, fleetOf, labels, task, texts } from "./samples";

const listeners: ((message: unknown) => void)[] = [];
const urls = { alerts: "/alerts/", taskLog: "/tasks/TASK/log/" };

function pageOf(fleet = fleetOf({})): Page {
  return {
    settings: { labels, urls },
    texts,
    now: () => 5000,
    fleet,
    live: { on: (_type: string, listener: (message: unknown) => void) => listeners.push(listener) },
    taskUrl: (id: string) => `/tasks/${id}/`,
    nodeUrl: (id: string) => `/nodes/${id}/`,
  } as unknown as Page;
}

const settle = () => new Promise((done) => setTimeout(done));

function press(selector: string): void {
  document.querySelector<HTMLElement>(selector)?.click();
}

beforeEach(() => {
  HTMLDialogElement.prototype.showModal = function show() {
    this.open = true;
  };
  listeners.length = 0;
});

afterEach(() => {
  document.body.replaceChildren();
  vi.unstubAllGlobals();
});

describe("the dialogs of a task", () => {
  const answer = (value: string, id: string) => {
    const dialog = document.getElementById(id) as HTMLDialogElement;
    dialog.returnValue = value;
    dialog.dispatchEvent(new Event("close"));
  };

  function wired(first: TaskInfo): { fleet: ReturnType<typeof fleetOf>; control: ReturnType<typeof vi.fn> } {
    document.body.innerHTML = `
      <div data-task="t"><button data-action="cancel"></button><button data-action="input"></button></div>
      <dialog id="cancel-dialog"><p id="cancel-title"></p><p id="cancel-text"></p><button value="yes"></button></dialog>
      <dialog id="answer-dialog"><p id="answer-title"></p><div id="answer-lines"></div><p id="answer-problem"></p>
        <input name="line"><input name="close" type="checkbox"><button value="yes"></button></dialog>`;
    const fleet = fleetOf({ tasks: [first] });
    const control = vi.fn();
    wireTaskButtons(pageOf(fleet), { control } as unknown as Actions);
    return { fleet, control };
  }

  it("cancel the attempt on the node that the question names", () => {
    const { control } = wired(task("t", { attempt: 2, node: "n1" }));

    press("[data-action=cancel]");
    answer("yes", "cancel-dialog");

    expect(control.mock.calls[0]?.[2]).toEqual({ seen: { attempt: 2, node: "n1" } });
  });

  it("send a line for the output on screen", async () => {
    const lines = [[9, 41, 1, "info", "stdout", "Continue? [y/N]"]];
    const log = { logs: [{ type: "LOG", node: "", task: "t", attempt: 3, lines }] };
    vi.stubGlobal(
      "fetch",
      async () => new Response(JSON.stringify(log), { headers: { "content-type": "application/json" } }),
    );
    const { control } = wired(task("t", { attempt: 3, acceptsInput: true }));

    press("[data-action=input]");
    await settle();
    await settle();
    answer("yes", "answer-dialog");

    expect(control.mock.calls[0]?.[2]).toMatchObject({ input: "\n", seen: { attempt: 3, line: 41 } });
  });
});

describe("the cards of a conversation", () => {
  it("send the digests that they show", () => {
    document.body.className = "may-operate";
    const step = {
      ...{
        id: "s",
        turn: "t",
        message: "1",
        position: 0,
        tool: "cancel_task",
        arguments: { task: "t" },
        risk: "mutating",
      },
      ...{
        summary: "x",
        state: "waiting",
        acting: "",
        result: "",
        phrases: {},
        isError: false,
        createdAt: 1,
        endedAt: null,
      },
      approval: {
        id: "a",
        digest: "seen-a",
        state: "waiting",
        right: "operate",
        expiresAt: 9e9,
        answeredBy: "",
        answeredAt: null,
      },
    } as Step;
    const fix = { number: 1, digest: "seen-f", label: "l", why: "w", phrases: {}, tool: "pause_task", arguments: {} };
    const analysis = {
      ...{
        id: "n",
        turn: "t",
        alert: "7",
        task: "t",
        node: "",
        others: [],
        kind: "waiting",
        engine: "offline",
        cause: "c",
      },
      ...{
        confidence: "high",
        evidence: [],
        verdict: "none",
        verdictFix: 0,
        verdictText: "",
        verdictAt: null,
        phrases: {},
      },
      ...{ language: "en", createdAt: 1, fixes: [{ ...fix, risk: "mutating", state: "open", turn: "" }] },
    } as unknown as Analysis;
    const page = pageOf(fleetOf({ tasks: [task("t")], alerts: [alert("7", { task: "t" })] }));
    const root = document.createElement("div");
    root.dataset.turn = "t";
    root.append(stepElement(step, "ann", page), analysisElement(analysis, page, true));
    document.body.append(root);
    const send = vi.fn(async (_request: unknown) => ({ ok: false, code: "", reason: "" }));
    const nothing = () => undefined;
    const ways = { goTo: nothing, read: nothing, begin: nothing, back: nothing, earlier: nothing, open: nothing };
    wireButtons({ root, requests: { send } as unknown as ChatRequests, showError: nothing, ...ways });

    press("[data-answer=approve]");
    press("[data-fix]");

    expect(send.mock.calls).toEqual([
      [{ type: "CHAT_ANSWER", approval: "a", decision: "approve", seen: "seen-a" }],
      [{ type: "CHAT_FIX", turn: "t", fix: 1, seen: "seen-f" }],
    ]);
  });
});

describe("the evidence of an alert", () => {
  it("is read again when the alert is renewed, and only that is acknowledged", async () => {
    document.body.innerHTML = `
      <button data-evidence="7"></button><dialog id="evidence"><h2 id="evidence-title"></h2><div id="evidence-about"></div>
      <div id="evidence-body"></div><p id="evidence-problem"></p><button id="evidence-acknowledge"></button></dialog>`;
    let digest = "one";
    const sent: unknown[] = [];
    vi.stubGlobal("fetch", async (_url: string, init?: RequestInit) => {
      if (init?.method === "POST") {
        sent.push(JSON.parse(String(init.body)));
        return new Response(null, { status: 204 });
      }
      const found = { ...alert("7", { digest }), evidence: [{ id: "e", kind: "lines", text: `question ${digest}` }] };
      return new Response(JSON.stringify(found), { headers: { "content-type": "application/json" } });
    });
    wireEvidence(pageOf());
    const button = document.getElementById("evidence-acknowledge") as HTMLButtonElement;
    press("[data-evidence]");
    await settle();
    await settle();
    expect(document.getElementById("evidence-body")?.textContent).toContain("question one");

    digest = "two";
    for (const tell of listeners) tell(alert("7", { digest }));
    expect(button.disabled).toBe(true);
    await settle();
    await settle();

    expect(document.getElementById("evidence-body")?.textContent).toContain("question two");
    expect(button.disabled).toBe(false);
    button.click();
    await settle();
    expect(sent).toEqual([{ seen: "two" }]);
  });
});
