import { afterEach, describe, expect, it } from "vitest";
import { AlertNotices, noticeOf } from "../src/app/alert-notices";
import type { Page } from "../src/app/page";
import { Texts } from "../src/app/texts";
import type { ToastContent, Toasts } from "../src/app/toasts";
import { analysisElement, analysisNews } from "../src/chat/analysis-view";
import { fixBlock } from "../src/chat/fix-block";
import { emptyText, figureRows, processRows } from "../src/evidence/text";
import type { Analysis, Fix } from "../src/live/messages";
import { parseFrame } from "../src/live/messages";
import { alert, labels, task, texts } from "./samples";

const page = {
  settings: { labels },
  texts: new Texts("en", {}),
  now: () => 5000,
  fleet: { tasks: new Map(), alerts: new Map([["7", alert("7")]]) },
  taskUrl: (id: string) => `/tasks/${id}/`,
  nodeUrl: (id: string) => `/nodes/${id}/`,
} as unknown as Page;

function fix(number: number, extra: Partial<Fix> = {}): Fix {
  return {
    number,
    digest: `d${number}`,
    label: `fix ${number}`,
    why: "because",
    phrases: {},
    tool: "send_input",
    arguments: {},
    risk: "mutating",
    state: "open",
    turn: "",
    ...extra,
  };
}

function analysis(extra: Partial<Analysis> = {}): Analysis {
  return {
    id: "a1",
    turn: "t1",
    alert: "7",
    task: "k1",
    node: "n",
    others: [],
    kind: "waiting",
    engine: "offline",
    cause: "It waits.",
    confidence: "high",
    evidence: [{ id: "e1", kind: "lines", quote: "Deploy now? [y/N] " }],
    fixes: [fix(1), fix(2, { risk: "destructive" })],
    verdict: "none",
    verdictFix: 0,
    verdictText: "",
    verdictAt: null,
    phrases: {},
    language: "en",
    createdAt: 1,
    ...extra,
  };
}

afterEach(() => (document.body.className = ""));

describe("the card of an analysis", () => {
  it("offers each fix as a button with its reason, if the role allows it", () => {
    document.body.className = "may-operate";
    const card = analysisElement(analysis({ fixes: [fix(1), fix(2, { tool: "run_command" })] }), page, true);

    const buttons = [...card.querySelectorAll<HTMLElement>("[data-fix]")];
    expect(buttons.map((one) => one.textContent)).toEqual(["fix 1"]);
    expect(card.querySelector(`#${buttons[0]?.getAttribute("aria-describedby")}`)?.textContent).toBe("because");
    expect(analysisElement(analysis(), page, false).querySelector("[data-fix]")).toBeNull();
  });

  it.each([
    ["open", true],
    ["asked", false],
    ["done", false],
    ["refused", true],
    ["failed", true],
  ] as const)("with a fix that is %s offers it: %s", (state, isOffered) => {
    document.body.className = "may-operate";
    const card = analysisElement(analysis({ fixes: [fix(1, { state, turn: "t2" })] }), page, true);

    expect(card.querySelector("[data-fix]") !== null).toBe(isOffered);
    expect(card.querySelector<HTMLElement>("[data-goto]")?.dataset.goto).toBe(state === "asked" ? "t2" : undefined);
  });

  it("offers an answer to a command only to those who may run it, and says so to the others", () => {
    const fleet = { ...page.fleet, tasks: new Map([["k1", task("k1", { isCommand: true, acceptsInput: true })]]) };
    const told = { ...page, fleet } as unknown as Page;
    const card = (): HTMLElement =>
      analysisElement(analysis({ fixes: [fix(1), fix(2, { tool: "pause_task" })] }), told, true);

    document.body.className = "may-operate";
    expect([...card().querySelectorAll("[data-fix]")].map((one) => one.textContent)).toEqual(["fix 2"]);
    expect(card().textContent).toContain("task.needsCommands");
    document.body.className = "may-operate may-run-commands";
    expect(card().querySelectorAll("[data-fix]")).toHaveLength(2);
  });

  it("recommends no answer to a prompt", () => {
    document.body.className = "may-operate";
    const loud = (...fixes: Fix[]): (string | null)[] =>
      [...analysisElement(analysis({ fixes }), page, true).querySelectorAll(".btn-primary")].map(
        (one) => one.textContent,
      );

    expect(loud(fix(1), fix(2, { tool: "pause_task" }))).toEqual([]);
    expect(loud(fix(1, { tool: "pause_task" }), fix(2))).toEqual(["fix 1"]);
  });

  it.each([
    ["its task has ended", task("k1", { state: "failed", acceptsInput: true }), "7", "analysis.ended"],
    ["its alert is over", task("k1", { acceptsInput: true }), "8", "analysis.over"],
    ["its task does not read any more", task("k1"), "7", "analysis.notNow"],
    ["its task is not known here, and its alert is over", undefined, "8", "analysis.over"],
    ["it can be done", task("k1", { acceptsInput: true }), "7", ""],
    ["its task is not known here", undefined, "7", ""],
  ])("offers a fix only while it can be done: %s", (_why, stuck, open, expected) => {
    const fleet = { tasks: new Map(stuck ? [["k1", stuck]] : []), alerts: new Map([[open, alert(open)]]) };
    expect(fixBlock(fix(1), analysis(), fleet, labels, texts)).toBe(expected);

    document.body.className = "may-operate";
    const card = analysisElement(analysis({ fixes: [fix(1)] }), { ...page, fleet } as unknown as Page, true);
    const button = card.querySelector<HTMLButtonElement>("[data-fix]");
    expect(button?.disabled).toBe(expected !== "");
    const described = button?.getAttribute("aria-describedby")?.split(" ") ?? [];
    expect(described.map((id) => card.querySelector(`#${id}`)?.textContent)).toEqual(
      expected ? [expected, "because"] : ["because"],
    );
  });

  it("names other tasks with the same problem, and links to a few of them", () => {
    const others = ["k2", "k3", "k4", "k5", "k6", "k7", "k8"];
    const card = analysisElement(analysis({ others }), page, true);
    const links = [...card.querySelectorAll<HTMLAnchorElement>(".analysis-others a")];

    expect(links.map((link) => link.getAttribute("href"))).toEqual(others.slice(0, 5).map((id) => `/tasks/${id}/`));
    expect(card.querySelector(".analysis-others")?.textContent).toContain("…");
    expect(analysisElement(analysis(), page, true).querySelector(".analysis-others")).toBeNull();
  });

  it("shows the state of a fix, and offers no others once it has helped", () => {
    document.body.className = "may-operate";
    const helped = analysis({
      verdict: "helped",
      verdictFix: 1,
      verdictText: "It prints again.",
      verdictAt: 4000,
      fixes: [fix(1, { state: "done" }), fix(2)],
    });
    const card = analysisElement(helped, page, true);

    expect(card.querySelector("[data-verdict]")?.textContent).toContain("It helped");
    expect(card.querySelector("[data-verdict]")?.textContent).toContain("It prints again.");
    expect(card.querySelectorAll(".analysis-fix").length).toBe(1);
    expect(analysisNews(helped, page)).toBe("It helped: It prints again.");
    expect(analysisNews(analysis(), page)).toBe("It waits.");
  });

  it("shows AgentFlow's texts in the reader's language, whatever the stored text", () => {
    const zh = {
      ...page,
      settings: {
        labels: {
          ...labels,
          phrases: {
            sentences: " ",
            "cause.lock": "它在等待锁。",
            "fix.input": "回答“{text}”",
            "verdict.failed": "{fix}：无效，任务{state}。",
            "task.failed": "失败",
            "why.helped": "以前有效（{all} 次中有 {helped} 次）。",
          },
        },
      },
    } as unknown as Page;
    const label = { key: "fix.input", values: { text: "{state}" } };
    const why = { key: "sentences", values: { parts: [{ key: "why.helped", values: { helped: 1, all: 2 } }] } };
    const verdictText = { key: "verdict.failed", values: { fix: label, state: { key: "task.failed", values: {} } } };
    const told = analysis({
      cause: "It waits for a lock.",
      language: "en",
      phrases: { cause: { key: "cause.lock", values: {} }, verdictText },
      verdict: "not-helped",
      verdictFix: 1,
      verdictText: "no",
      fixes: [fix(1, { state: "failed", phrases: { label, why } })],
    });
    const card = analysisElement(told, zh, true);

    expect(card.querySelector(".analysis-cause")?.textContent).toBe("它在等待锁。");
    expect(card.querySelector(".analysis-fix")?.textContent).toContain("回答“{state}”");
    expect(card.querySelector(".analysis-fix")?.textContent).toContain("以前有效（2 次中有 1 次）。");
    expect(card.querySelector("[data-verdict] p")?.textContent).toBe("回答“{state}”：无效，任务失败。");
    expect(card.querySelector("[lang]")).toBeNull();
    expect(analysisElement(told, page, true).querySelector("[data-verdict] p")?.textContent).toBe(
      "Answer “{state}”: no help, the task is failed.",
    );
  });

  it("leaves texts of a model, of earlier versions and unknown ones unchanged, and marks their language", () => {
    const card = analysisElement(
      analysis({
        language: "zh-hans",
        cause: "在等锁",
        fixes: [fix(1, { phrases: { label: { key: "fix.new", values: {} } } })],
      }),
      page,
      true,
    );

    expect(card.querySelector<HTMLElement>(".analysis-cause")?.lang).toBe("zh-hans");
    expect(card.querySelector(".analysis-cause")?.textContent).toBe("在等锁");
    expect(card.querySelector(".analysis-fix")?.textContent).toContain("fix 1");
    expect(card.querySelector<HTMLElement>(".analysis-fix .sub")?.lang).toBe("zh-hans");
  });

  it("never renders output of programs or models as markup", () => {
    const hostile = "<img src=x onerror=alert(1)>\u202e";
    const card = analysisElement(
      analysis({
        cause: hostile,
        evidence: [{ id: "e", kind: "lines", quote: hostile }],
        fixes: [fix(1, { label: hostile, why: hostile })],
      }),
      page,
      true,
    );

    expect(card.querySelectorAll("img").length).toBe(0);
    expect(card.querySelector("blockquote")?.textContent).toBe("<img src=x onerror=alert(1)>⟨U+202E⟩");
  });

  it("ignores incomplete messages", () => {
    const message = {
      type: "CHAT_ANALYSIS",
      store: "s",
      seq: "1",
      at: 1,
      conversation: "c",
      turn: "t1",
      analysis: analysis(),
    };
    expect(parseFrame(JSON.stringify(message)).length).toBe(1);
    expect(parseFrame(JSON.stringify({ ...message, analysis: null }))).toEqual([]);
    expect(parseFrame(JSON.stringify({ ...message, turn: undefined }))).toEqual([]);
  });
});

describe("notices of alerts", () => {
  it("update one card per alert", () => {
    const shown: string[][] = [];
    const toasts = {
      show: (content: ToastContent) => {
        const card = [content.title];
        shown.push(card);
        return { update: (next: ToastContent) => void card.push(next.title) };
      },
    } as unknown as Toasts;
    const notices = new AlertNotices(toasts);
    const content = (title: string): ToastContent => ({ tone: "warn", title, text: "", lifeSeconds: 1 });

    notices.show("1", content("alert"));
    notices.show("2", content("other"));
    notices.show("1", content("looked into"));
    notices.show("1", content("helped"));

    expect(shown).toEqual([["alert", "looked into", "helped"], ["other"]]);
    notices.isInSight = (id) => id === "1";
    notices.show("1", content("resolved"));
    expect(shown[0]?.length).toBe(3);
  });

  it("are silent for acknowledged alerts", () => {
    expect(noticeOf(alert("1", { acknowledgedAt: 1, acknowledgedBy: "ann" }), page)).toBeNull();
    expect(noticeOf(alert("1", { acknowledgedAt: 1, resolvedAt: 2 }), page)?.tone).toBe("good");
  });

  it("name the task and the node, and say the message in the reader's language", () => {
    const phrases = { message: { key: "stalled", values: { seconds: "120" } } };
    const told = noticeOf(
      alert("1", { task: "k", taskName: "deploy <b>\u202e", attempt: 2, node: "n", phrases }),
      page,
    );

    expect(told?.about).toEqual([
      { text: "deploy <b>⟨U+202E⟩ #2", href: "/tasks/k/" },
      { text: "n", href: "/nodes/n/" },
    ]);
    expect(told?.text).toBe("silent for 120 s");
    // As an earlier version stored it.
    expect(noticeOf(alert("1", { task: "k" }), page)).toMatchObject({
      about: [{ text: "k", href: "/tasks/k/" }],
      text: "m",
    });
  });
});

describe("evidence", () => {
  it("parses a process tree with the depth of each process", () => {
    const text =
      "10 parent=1 S do_wait cpu=0.10s sh -c x\n11 parent=10 S pipe_read cpu=1.00s python3 a.py\n12 parent=11 Z - cpu=0.00s [cat]";

    expect(processRows(text)?.map((row) => [row.pid, row.depth, row.state, row.waits, row.command])).toEqual([
      ["10", 0, "S", "do_wait", "sh -c x"],
      ["11", 1, "S", "pipe_read", "python3 a.py"],
      ["12", 2, "Z", "", "[cat]"],
    ]);
    expect(processRows("1 parent=1 S - cpu=0s loop")?.[0]?.depth).toBe(12);
  });

  it("parses figures, and ignores lines in another format", () => {
    const node = " node: cpu=12.5% memory=1/2 disk=3/4 load=0.5";
    const rows = figureRows(
      `100.0 output=5 cpu=0.10s read=1 written=2 processes=3${node}\n104.0 output=9 cpu=0.20s read=1 written=2 processes=3`,
    );

    expect(rows?.map((row) => [row.before, row.output, row.nodeCpu])).toEqual([
      [4, 5, "12.5"],
      [0, 9, ""],
    ]);
    expect(figureRows("(no samples)")).toBeNull();
    expect([emptyText("(no samples)"), emptyText("(no output yet)\nx")]).toEqual(["evidence.noSamples", undefined]);
    expect(processRows("1 parent=0 S - cpu=1s ok\n<b>not</b>")).toBeNull();
  });
});
