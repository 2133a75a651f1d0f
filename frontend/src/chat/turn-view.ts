/** One turn: the message, the answer with its steps, its state, and its cost. */

import { iconElement, type Page } from "../app/page";
import { inLanguage, inWords, said } from "../app/said";
import type { Fix, TaskHealth } from "../live/messages";
import { analysisElement, blocksOf } from "./analysis-view";
import { isOpen, type Part, partsOf, type ShownTurn } from "./conversation";
import { button, type Item, make, sync } from "./dom";
import { markdown, plain } from "./markdown";
import { stepElement } from "./step-view";

/** Its place; `drawTurn` fills it. */
export function turnItem(turn: ShownTurn): Item {
  return {
    key: turn.id,
    version: "",
    build: () => {
      const box = make("article", "chat-turn");
      box.dataset.turn = turn.id;
      return box;
    },
  };
}

/** `fix`: what was clicked to begin it. `canAct`: this person, in this conversation. */
export function drawTurn(box: HTMLElement, turn: ShownTurn, fix: Fix | null, page: Page, canAct: boolean): void {
  const { texts } = page;
  box.dataset.state = turn.state;
  box.setAttribute("aria-label", texts.say("chat.turnOf", { name: turn.actor || "AgentFlow" }));
  const items: Item[] = [{ key: "said", version: fix?.label ?? "", build: () => asked(turn, fix, page) }];
  for (const part of partsOf(turn)) {
    // An analysis is shown once: as its card, not as text as well.
    if (part.kind === "text" && turn.analysis) continue;
    if (part.kind === "text") items.push({ key: part.key, version: part.text, build: () => answer(part, turn, page) });
    else
      items.push({
        key: part.key,
        version: JSON.stringify(part.step),
        build: () => stepElement(part.step, turn.actor, page),
      });
  }
  if (turn.streaming && turn.streaming.characters.length > 0) {
    const text = turn.streaming.characters.join("");
    items.push({
      key: "streaming",
      version: text,
      build: () => inLanguage(make("div", "chat-answer md is-streaming", markdown(text)), {}, "text", turn.language),
    });
  }
  const { analysis } = turn;
  if (analysis)
    items.push({
      key: "analysis",
      version: `${canAct}${blocksOf(analysis, page)}${JSON.stringify(analysis)}`,
      build: () => analysisElement(analysis, page, canAct),
    });
  const status = statusOf(turn, page);
  if (status.text)
    items.push({
      key: "status",
      version: `${turn.state}${canAct}${status.text}`,
      build: () => statusLine(turn, status, page, canAct),
    });
  const cost = spent(turn, page);
  if (cost) items.push({ key: "cost", version: cost, build: () => make("p", "chat-cost sub", cost) });
  sync(box, items);
}

/** A model's or the rules' answer is Markdown; AgentFlow's own text is plain. */
function answer(part: Part & { kind: "text" }, turn: ShownTurn, page: Page): HTMLElement {
  if (part.phrases?.text) return make("div", "chat-answer md", make("p", "", said(part, "text", page.settings.labels)));
  return inLanguage(make("div", "chat-answer md", markdown(part.text)), part, "text", turn.language);
}

function asked(turn: ShownTurn, fix: Fix | null, page: Page): HTMLElement {
  const time = page.texts.clock(turn.createdAt, page.now());
  const isPerson = turn.trigger === "person";
  const who = make("p", "sub", isPerson ? `${turn.actor} · ${time}` : `${page.texts.say("chat.noticed")} · ${time}`);
  const text = isPerson
    ? make("p", "chat-text", fix ? said(fix, "label", page.settings.labels) : said(turn, "text", page.settings.labels))
    : foundOut(turn, page);
  return make("div", isPerson ? "chat-said" : "chat-said is-own", who, text);
}

/** AgentFlow's own question is written for its engine; a person sees the task and its problem. */
function foundOut(turn: ShownTurn, page: Page): HTMLElement {
  const { id, kind } = subjectOf(turn);
  const look = page.settings.labels.taskHealth[kind as TaskHealth];
  if (!id || !look) return make("p", "chat-text", said(turn, "text", page.settings.labels));
  const link = make("a", "row-link", plain(page.fleet.tasks.get(id)?.name ?? id));
  link.href = page.taskUrl(id);
  return make("p", "chat-text", link, " · ", page.texts.say("chat.looksInto", { state: look.label }));
}

/** Of a stall's turn; one of an earlier version has it in its text alone. */
function subjectOf(turn: ShownTurn): { id: string; kind: string } {
  const { task, state } = turn.phrases?.text?.values ?? {};
  if (typeof task === "string" && typeof state === "object" && "key" in state)
    return { id: task, kind: state.key.replace("health.", "") };
  const [, id = "", kind = ""] = /^\[alert \d+\] task (\S+): (\w+)\./.exec(turn.text) ?? [];
  return { id, kind };
}

interface Status {
  text: string;
  icon: string;
  tone: string;
}

function statusOf(turn: ShownTurn, page: Page): Status {
  const { texts, settings } = page;
  if (turn.retrying) {
    const values = {
      seconds: Math.ceil(turn.retrying.delaySeconds),
      reason: plain(inWords({ key: `retry.${turn.retrying.reason}`, values: {} }, page.settings.labels)),
    };
    return { text: texts.say("chat.retrying", values), icon: "rotate-cw", tone: "warn" };
  }
  // Say that the model could not be used, even though rules answered instead.
  if (turn.state === "done")
    return { text: said(turn, "message", page.settings.labels), icon: "triangle-alert", tone: "warn" };
  if (turn.state === "running" && turn.streaming) return { text: "", icon: "", tone: "" };
  const look = settings.labels.chatTurns[turn.state];
  return {
    text:
      turn.message && !isOpen(turn, page.settings.labels)
        ? `${look.label}: ${said(turn, "message", page.settings.labels)}`
        : look.label,
    icon: look.icon,
    tone: look.tone,
  };
}

function statusLine(turn: ShownTurn, status: Status, page: Page, canAct: boolean): HTMLElement {
  const line = make("p", "chat-status", iconElement(status.icon), make("span", "", status.text));
  line.dataset.tone = status.tone;
  if (canAct && turn.isRetriable)
    line.append(button("btn btn-xs", "rotate-cw", page.texts.say("chat.retry"), { retry: turn.id }));
  return line;
}

function spent(turn: ShownTurn, page: Page): string {
  const { texts } = page;
  const { input = 0, cacheRead = 0, cacheWrite = 0, output = 0 } = turn.usage;
  if (input + cacheRead + cacheWrite + output === 0) return "";
  const tokens = texts.say("chat.tokens", { input: input + cacheRead + cacheWrite, output });
  const dollars = `$${turn.costUsd.toFixed(turn.costUsd < 0.1 ? 4 : 2)}`;
  const cost =
    turn.costUsd === 0 ? "" : ` · ${turn.isCostPartial ? texts.say("chat.atLeast", { cost: dollars }) : dollars}`;
  return `${turn.model || turn.engine} · ${tokens}${cost}`;
}
