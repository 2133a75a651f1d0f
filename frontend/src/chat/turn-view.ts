/** One turn: the message, the answer with its steps, its state, and its cost. */

import { iconElement, type Page } from "../app/page";
import { inLanguage, inWords, phraseText } from "../app/phrases";
import type { Fix, TaskHealth } from "../live/messages";
import { analysisElement, blocksOf } from "./analysis-view";
import { isOpen, type Part, partsOf, type ShownTurn } from "./conversation";
import { button, type Item, make, sync } from "./dom";
import { markdown, plain } from "./markdown";
import { stepElement } from "./step-view";

/** An empty turn; `drawTurn` fills it. */
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

/** `fix`: the fix that started it. `canAct`: whether this person may act in this conversation. */
export function drawTurn(box: HTMLElement, turn: ShownTurn, fix: Fix | null, page: Page, canAct: boolean): void {
  const { texts } = page;
  box.dataset.state = turn.state;
  box.setAttribute("aria-label", texts.get("chat.turnOf", { name: turn.actor || "AgentFlow" }));
  const items: Item[] = [{ key: "said", version: fix?.label ?? "", build: () => messageElement(turn, fix, page) }];
  for (const part of partsOf(turn)) {
    // An analysis is shown as its card only, not also as text.
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
  const cost = usageText(turn, page);
  if (cost) items.push({ key: "cost", version: cost, build: () => make("p", "chat-cost sub", cost) });
  sync(box, items);
}

/** Answers of engines are Markdown; AgentFlow's own texts are plain. */
function answer(part: Part & { kind: "text" }, turn: ShownTurn, page: Page): HTMLElement {
  if (part.phrases?.text)
    return make("div", "chat-answer md", make("p", "", phraseText(part, "text", page.settings.labels)));
  return inLanguage(make("div", "chat-answer md", markdown(part.text)), part, "text", turn.language);
}

function messageElement(turn: ShownTurn, fix: Fix | null, page: Page): HTMLElement {
  const time = page.texts.clock(turn.createdAt, page.now());
  const isPerson = turn.trigger === "person";
  const who = make("p", "sub", isPerson ? `${turn.actor} · ${time}` : `${page.texts.get("chat.noticed")} · ${time}`);
  const text = isPerson
    ? make(
        "p",
        "chat-text",
        fix ? phraseText(fix, "label", page.settings.labels) : phraseText(turn, "text", page.settings.labels),
      )
    : automaticMessage(turn, page);
  return make("div", isPerson ? "chat-said" : "chat-said is-own", who, text);
}

/** The automatic message is written for the engine; people see the task and its problem instead. */
function automaticMessage(turn: ShownTurn, page: Page): HTMLElement {
  const { id, kind } = subjectOf(turn);
  const look = page.settings.labels.taskHealth[kind as TaskHealth];
  if (!id || !look) return make("p", "chat-text", phraseText(turn, "text", page.settings.labels));
  const link = make("a", "row-link", plain(page.fleet.tasks.get(id)?.name ?? id));
  link.href = page.taskUrl(id);
  return make("p", "chat-text", link, " · ", page.texts.get("chat.looksInto", { state: look.label }));
}

/** The task of an automatic turn; turns of earlier versions have it only in their text. */
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
    return { text: texts.get("chat.retrying", values), icon: "rotate-cw", tone: "warn" };
  }
  // Show why the model could not be used, even though the rules answered.
  if (turn.state === "done")
    return { text: phraseText(turn, "message", page.settings.labels), icon: "triangle-alert", tone: "warn" };
  if (turn.state === "running" && turn.streaming) return { text: "", icon: "", tone: "" };
  const look = settings.labels.chatTurns[turn.state];
  return {
    text:
      turn.message && !isOpen(turn, page.settings.labels)
        ? `${look.label}: ${phraseText(turn, "message", page.settings.labels)}`
        : look.label,
    icon: look.icon,
    tone: look.tone,
  };
}

function statusLine(turn: ShownTurn, status: Status, page: Page, canAct: boolean): HTMLElement {
  const line = make("p", "chat-status", iconElement(status.icon), make("span", "", status.text));
  line.dataset.tone = status.tone;
  if (canAct && turn.isRetriable)
    line.append(button("btn btn-xs", "rotate-cw", page.texts.get("chat.retry"), { retry: turn.id }));
  return line;
}

function usageText(turn: ShownTurn, page: Page): string {
  const { texts } = page;
  const { input = 0, cacheRead = 0, cacheWrite = 0, output = 0 } = turn.usage;
  if (input + cacheRead + cacheWrite + output === 0) return "";
  const tokens = texts.get("chat.tokens", { input: input + cacheRead + cacheWrite, output });
  const dollars = `$${turn.costUsd.toFixed(turn.costUsd < 0.1 ? 4 : 2)}`;
  const cost =
    turn.costUsd === 0 ? "" : ` · ${turn.isCostPartial ? texts.get("chat.atLeast", { cost: dollars }) : dollars}`;
  return `${turn.model || turn.engine} · ${tokens}${cost}`;
}
