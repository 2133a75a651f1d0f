import { describe, expect, it } from "vitest";
import type { Page } from "../src/app/page";
import { Composer } from "../src/chat/composer";
import {
  contextExists,
  contextOf,
  findContexts,
  fitsFrame,
  isTooLong,
  nearestContext,
  parseContext,
} from "../src/chat/contexts";
import { Conversation, partsOf, stream } from "../src/chat/conversation";
import { button, make, sync } from "../src/chat/dom";
import { markdown } from "../src/chat/markdown";
import type { ChatState, FullTurn, Step } from "../src/live/messages";
import { parseFrame } from "../src/live/messages";
import { labels, node, texts } from "./samples";

function turn(id: string, extra: Partial<FullTurn> = {}): FullTurn {
  return {
    id,
    number: 1,
    trigger: "person",
    state: "running",
    actor: "ann",
    text: "hello",
    engine: "claude",
    model: "m",
    problem: "",
    message: "",
    phrases: {},
    language: "en",
    usage: {},
    costUsd: 0,
    isRetriable: false,
    isCostPartial: false,
    createdAt: 1,
    endedAt: null,
    messages: [],
    steps: [],
    analysis: null,
    ...extra,
  };
}

function step(id: string, extra: Partial<Step> = {}): Step {
  return {
    id,
    turn: "t1",
    message: "5",
    position: 0,
    tool: "list_tasks",
    arguments: {},
    risk: "read",
    summary: "",
    state: "running",
    acting: "ann",
    result: "",
    phrases: {},
    isError: false,
    isWithheld: false,
    createdAt: 1,
    endedAt: null,
    approval: null,
    ...extra,
  };
}

function conversation(...turns: FullTurn[]): Conversation {
  const state: ChatState = {
    id: "c1",
    context: "*:*",
    project: "*",
    node: "*",
    isOpen: true,
    createdAt: 1,
    lastAt: 1,
    engine: { name: "claude", model: "m", reason: "" },
    turns,
    hasMore: false,
  };
  return new Conversation(state, labels);
}

const place = { store: "s", seq: "1", at: 1, conversation: "c1" };
const html = (source: string): string => {
  const box = document.createElement("div");
  box.append(markdown(source));
  return box.innerHTML;
};

describe("streaming", () => {
  it("joins pieces, and waits for the complete text if one is missing", () => {
    const first = stream(null, 1, 0, "ab");
    const broken = stream(first, 1, 5, "zz");

    expect(stream(first, 1, 2, "cd").characters.join("")).toBe("abcd");
    expect(broken.isBroken).toBe(true);
    expect(stream(broken, 1, 2, "x").characters.join("")).toBe("ab");
    expect(stream(broken, 1, 0, "whole").characters.join("")).toBe("whole");
    expect(stream(first, 2, 0, "new").characters.join("")).toBe("new");
    expect(stream(first, 1, 0, "").characters).toEqual([]);
  });

  it("counts characters as Unicode does", () => {
    expect(stream(stream(null, 1, 0, "👍a"), 1, 2, "b").characters.join("")).toBe("👍ab");
  });

  it("ends with the stored answer", () => {
    const chat = conversation(turn("t1"));
    chat.apply({ type: "CHAT_DELTA", conversation: "c1", turn: "t1", request: 0, offset: 0, text: "he" });
    expect(chat.turns.get("t1")?.streaming?.characters.join("")).toBe("he");

    chat.apply({
      ...place,
      type: "CHAT_RESPONSE",
      turn: "t1",
      text: "hello",
      message: { id: "7", turn: "t1", text: "hello", phrases: {}, createdAt: 1 },
    });

    expect(chat.turns.get("t1")?.streaming).toBeNull();
    expect(chat.turns.get("t1")?.messages.map((message) => message.text)).toEqual(["hello"]);
  });
});

describe("conversation", () => {
  it("keeps the parts of a turn in order", () => {
    const steps = [
      step("b", { message: "10", position: 1 }),
      step("a", { message: "10" }),
      step("z", { message: "9" }),
    ];
    const messages = [{ id: "10", turn: "t1", text: "then", phrases: {}, createdAt: 1 }];

    expect(partsOf(turn("t1", { steps, messages })).map((part) => part.key)).toEqual(["sz", "m10", "sa", "sb"]);
  });

  it("keeps the latest message about a step, and adds a new turn", () => {
    const chat = conversation(turn("t1"));
    chat.apply({ ...place, type: "CHAT_STEP", step: step("a") });
    chat.apply({ ...place, type: "CHAT_STEP", step: step("a", { state: "done" }) });
    chat.apply({ ...place, type: "CHAT_TURN", turn: turn("t2", { number: 2 }) });

    expect(chat.turns.get("t1")?.steps.map((known) => known.state)).toEqual(["done"]);
    expect(chat.inOrder.map((known) => known.id)).toEqual(["t1", "t2"]);
  });

  it("knows which fix started a turn", () => {
    const fix = {
      number: 1,
      digest: "d1",
      label: "Answer “y”",
      why: "",
      phrases: {},
      tool: "send_input",
      arguments: {},
      risk: "mutating" as const,
      state: "asked" as const,
      turn: "t2",
    };
    const chat = conversation(turn("t1"), turn("t2", { number: 2 }));
    const analysis = {
      id: "a",
      turn: "t1",
      alert: "1",
      task: "k",
      node: "n",
      others: [],
      kind: "waiting" as const,
      engine: "offline" as const,
      cause: "c",
      confidence: "high" as const,
      evidence: [],
      fixes: [fix],
      verdict: "none" as const,
      verdictFix: 0,
      verdictText: "",
      verdictAt: null,
      phrases: {},
      language: "en",
      createdAt: 1,
    };
    chat.apply({ ...place, type: "CHAT_ANALYSIS", turn: "t1", analysis });

    expect(chat.fixOf("t2")).toBe(fix);
    expect(chat.fixOf("t1")).toBeNull();
    expect(chat.turns.get("t1")?.analysis).toBe(analysis);
  });

  it("ignores other conversations and unknown turns", () => {
    const chat = conversation(turn("t1"));

    expect(chat.apply({ ...place, conversation: "c2", type: "CHAT_TURN", turn: turn("t9") })).toBeNull();
    expect(chat.apply({ ...place, type: "CHAT_STEP", step: step("a", { turn: "t9" }) })).toBeNull();
    expect(parseFrame('{"type":"CHAT_NEVER_HEARD_OF"}')).toEqual([]);
  });
});

describe("markdown", () => {
  it.each([
    ["**bold** and *soft* and `code`", "<p><strong>bold</strong> and <em>soft</em> and <code>code</code></p>"],
    ["- one\n- two", "<ul><li>one</li><li>two</li></ul>"],
    ["# Title\ntext", '<p class="md-heading">Title</p><p>text</p>'],
    ["> said", "<blockquote><p>said</p></blockquote>"],
  ])("renders %j", (source, expected) => expect(html(source)).toBe(expected));

  it("never renders untrusted text as markup", () => {
    const box = document.createElement("div");
    const hostile =
      "<img src=x onerror=alert(1)> ![x](http://e/x.png) [go](javascript:alert(1)) http://e/ [a](/logout)";
    box.append(markdown(hostile));

    expect(box.querySelectorAll("img, script").length).toBe(0);
    // An image becomes a link; its URL is never fetched.
    expect([...box.querySelectorAll("a")].map((link) => link.protocol)).toEqual(["http:"]);
    expect(box.textContent).toContain("[go](javascript:alert(1))");
  });

  it("shows a link's target and opens it in a new tab", () => {
    const box = document.createElement("div");
    box.append(markdown("[AgentFlow login](https://evil.example/x)"));
    const link = box.querySelector("a");

    expect(link?.textContent).toBe("AgentFlow login (evil.example)");
    expect(link?.rel).toContain("noopener");
  });

  it("shows direction controls as codes, and terminates on any input", () => {
    expect(html("a\u202eb")).toBe("<p>a⟨U+202E⟩b</p>");
    for (const source of [
      "```",
      "```\nnever closed",
      "- ",
      "> > > > > > x",
      "1. a\n   - b\n     - c",
      "*".repeat(3000),
      "[".repeat(3000),
      "`".repeat(3000),
    ])
      html(source);
  });
});

describe("contexts", () => {
  const all = ["*:*", "*:edge-1", "*:master-1", "demo:*", "demo:master-1", "a:b:master-1"];

  it("splits at the last colon", () => {
    expect(parseContext("a:b:master-1")).toEqual({ project: "a:b", node: "master-1" });
    expect(contextOf("", "")).toBe("*:*");
  });

  it("finds all typed words, best match first", () => {
    expect(findContexts(all, "demo mas", 9)).toEqual(["demo:master-1"]);
    expect(findContexts(all, "demo:*", 9)[0]).toBe("demo:*");
    expect(findContexts(all, "", 2)).toEqual(["*:*", "*:edge-1"]);
  });

  it("knows existing contexts, and the nearest to a missing one", () => {
    const project = { name: "a:b", path: "", types: [], tasks: [] };
    const nodes = new Map(
      [node("master-1", { capabilities: { projects: [project] } }), node("edge-1")].map((one) => [one.id, one]),
    );
    const known = ["*:*", "*:edge-1", "a:b:*", "a:b:master-1"];
    const gone = ["*:away", "a:b:edge-1", "shop:*", "shop:master-1"];

    expect(known.filter((context) => contextExists(context, nodes))).toEqual(known);
    expect(gone.filter((context) => contextExists(context, nodes))).toEqual([]);
    expect(gone.filter((context) => contextExists(context, new Map()))).toEqual(gone);
    expect(nearestContext("shop", "master-1", nodes)).toBe("*:master-1");
    expect(nearestContext("shop", "away", nodes)).toBe("*:*");
  });

  it("knows which texts are too long, and which do not fit into a frame", () => {
    expect(isTooLong("x".repeat(32_000))).toBe(false);
    expect(isTooLong("x".repeat(32_001))).toBe(true);
    expect(isTooLong("👍".repeat(32_000))).toBe(false);
    expect(fitsFrame("字".repeat(20_000))).toBe(true);
    expect(fitsFrame("字".repeat(30_000))).toBe(false);
    // A control character takes six bytes in JSON.
    expect(fitsFrame("\u0001".repeat(11_000))).toBe(false);
  });
});

describe("sync", () => {
  it("keeps unchanged children when others move", () => {
    const box = document.createElement("div");
    const item = (key: string, version = "1") => ({ key, version, build: () => make("p", "", `${key}${version}`) });
    sync(box, [item("a"), item("b"), item("c")]);
    const kept = box.children[1];

    sync(box, [item("x"), item("c"), item("b"), item("a", "2")]);

    expect([...box.children].map((child) => child.textContent)).toEqual(["x1", "c1", "b1", "a2"]);
    expect(box.children[2]).toBe(kept);
    sync(box, []);
    expect(box.children.length).toBe(0);
  });

  it("keeps the open state and the focus of redrawn children", () => {
    const box = document.createElement("div");
    document.body.append(box);
    const card = (version: string) => ({
      key: "a",
      version,
      build: () => {
        const fold = make("details", "", make("summary", "", "more"));
        fold.open = true;
        return make("section", "", fold, button("", "x", version, { part: "go" }));
      },
    });
    sync(box, [card("1")]);
    box.querySelector("button")?.focus();
    (box.querySelector("details") as HTMLDetailsElement).open = false;

    sync(box, [card("2")]);

    expect(document.activeElement?.textContent).toBe("2");
    expect((box.querySelector("details") as HTMLDetailsElement).open).toBe(false);
    box.remove();
  });
});

describe("the message box", () => {
  const box = document.createElement("form");
  box.innerHTML = '<textarea></textarea><p class="form-error"></p><button data-send></button>';
  const text = box.querySelector("textarea") as HTMLTextAreaElement;
  const composer = new Composer({ texts } as unknown as Page, box, () => undefined);

  it("keeps unsent text per context", () => {
    composer.setContext("shop:a");
    text.value = "pause it";
    composer.setContext("shop:b");
    expect(text.value).toBe("");

    composer.setContext("shop:a");
    expect(text.value).toBe("pause it");
  });

  it("clears accepted text, but not text typed since, here or in another context", () => {
    composer.setContext("shop:b");
    text.value = "and more";
    composer.sent("shop:a", "pause it");
    expect(text.value).toBe("and more");
    composer.sent("shop:b", "and");
    expect(text.value).toBe("and more");
    composer.setContext("shop:a");
    expect(text.value).toBe("");
  });

  it("replaces inserted text for another subject, unless the person has edited it", () => {
    composer.propose("Task one: ");
    composer.propose("Task two: ");
    expect(text.value).toBe("Task two: ");
    text.value = "Task two: why?";
    composer.propose("Task three: ");
    expect(text.value).toBe("Task two: why?");
  });
});
