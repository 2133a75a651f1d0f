/** The card of an analysis: why a task is stuck, the evidence, fixes to click, and whether they helped. */

import { iconElement, type Page } from "../app/page";
import { inLanguage, phraseText } from "../app/phrases";
import { isBarred } from "../app/rights";
import { emptyText } from "../evidence/text";
import type { Analysis, Fix } from "../live/messages";
import { button, make } from "./dom";
import { fixBlock } from "./fix-block";
import { plain } from "./markdown";

const OTHERS_SHOWN = 5;

/** `canAct`: this person, in this conversation. */
export function analysisElement(analysis: Analysis, page: Page, canAct: boolean): HTMLElement {
  const { texts, settings } = page;
  const health = settings.labels.taskHealth[analysis.kind];
  const sure = settings.labels.chatConfidence[analysis.confidence];
  const chip = make("span", "chip", iconElement(sure.icon), make("span", "chip-label", sure.label));
  chip.dataset.tone = sure.tone;
  const by = texts.get(analysis.engine === "claude" ? "analysis.byModel" : "analysis.byRules");
  const card = make(
    "section",
    "analysis",
    make(
      "header",
      "analysis-head",
      iconElement(health?.icon ?? "triangle-alert"),
      inLanguage(
        make("strong", "analysis-cause", phraseText(analysis, "cause", page.settings.labels)),
        analysis,
        "cause",
        analysis.language,
      ),
    ),
    make("p", "analysis-sure", chip, make("span", "sub", by)),
    others(analysis, page),
    evidence(analysis, page),
    fixes(analysis, page, canAct),
    verdict(analysis, page),
  );
  card.dataset.tone = health?.tone ?? "warn";
  card.dataset.analysis = analysis.id;
  card.setAttribute("aria-label", texts.get("analysis.title"));
  return card;
}

function others({ others: ids }: Analysis, page: Page): HTMLElement | null {
  if (ids.length === 0) return null;
  const line = make("p", "analysis-others sub", page.texts.count("analysis.others", ids.length));
  for (const id of ids.slice(0, OTHERS_SHOWN)) {
    const link = make("a", "row-link", plain(page.fleet.tasks.get(id)?.name ?? id));
    link.href = page.taskUrl(id);
    line.append(" ", link);
  }
  if (ids.length > OTHERS_SHOWN) line.append(" …");
  return line;
}

function evidence(analysis: Analysis, page: Page): HTMLElement {
  const { texts, settings } = page;
  const quotes = analysis.evidence.map(({ kind, quote }) => {
    const caption = make("figcaption", "sub", settings.labels.evidenceKinds[kind] ?? kind);
    const nothing = emptyText(quote);
    return make(
      "figure",
      "analysis-quote",
      caption,
      nothing ? make("p", "sub", texts.get(nothing)) : make("blockquote", "mono", plain(quote).trim()),
    );
  });
  const all = button("quiet-link", "search", texts.get("evidence.all"), { evidence: analysis.alert, part: "evidence" });
  const fold = make(
    "details",
    "analysis-evidence",
    make("summary", "", iconElement("chevron-right"), texts.count("analysis.evidence", quotes.length)),
    ...quotes,
    all,
  );
  fold.open = true;
  return fold;
}

function fixes(analysis: Analysis, page: Page, canAct: boolean): HTMLElement | null {
  // Once a fix has helped, the others are no longer useful.
  const shown = analysis.fixes.filter((fix) => analysis.verdict !== "helped" || fix.state !== "open");
  if (shown.length === 0) return null;
  const list = make(
    "ol",
    "analysis-fixes",
    ...shown.map((fix, index) => fixItem(fix, index === 0, analysis, page, canAct)),
  );
  list.setAttribute("aria-label", page.texts.get("analysis.fixes"));
  return list;
}

function fixItem(fix: Fix, isFirst: boolean, analysis: Analysis, page: Page, canAct: boolean): HTMLElement {
  const part = `fix-${fix.number}`;
  const look = page.settings.labels.chatFixes[fix.state];
  const label = phraseText(fix, "label", page.settings.labels);
  const why = inLanguage(make("p", "sub", phraseText(fix, "why", page.settings.labels)), fix, "why", analysis.language);
  why.id = `${analysis.id}-${part}`;
  const item = make("li", "analysis-fix");
  item.dataset.state = fix.state;
  // Possible again after a refusal, but not while it is pending or after it was done.
  const isOffered = page.settings.labels.decisions.fixes[fix.state].mayBeAsked;
  const barred = barReason(fix, analysis, page);
  const isAskable = isOffered && canAct && barred === "";
  const block = isAskable ? fixBlock(fix, analysis, page.fleet, page.settings.labels, page.texts) : "";
  const blocked = block ? make("p", "sub", block) : null;
  if (isAskable) {
    // Only the program knows what an answer does, so none is recommended.
    const isLoud = isFirst && fix.state === "open" && analysis.confidence !== "low" && fix.tool !== "send_input";
    const kind = fix.risk === "destructive" ? "btn-error btn-outline" : isLoud ? "btn-primary" : "";
    const ask = button(`btn btn-sm ${kind}`, fix.state === "open" ? "wand-sparkles" : "rotate-cw", label, {
      fix: String(fix.number),
      digest: fix.digest,
      part,
    });
    ask.setAttribute("aria-describedby", why.id);
    if (blocked) {
      ask.disabled = true;
      blocked.id = `${why.id}-block`;
      ask.setAttribute("aria-describedby", `${blocked.id} ${why.id}`);
    }
    item.append(ask);
  } else {
    item.append(make("strong", "analysis-label", label));
  }
  if (fix.state !== "open") item.append(stateOf(fix, look, page, part));
  if (blocked) item.append(blocked);
  item.append(why);
  if (isOffered && canAct && barred) item.append(make("p", "sub", barred));
  return item;
}

function stateOf(fix: Fix, look: { label: string; icon: string; tone: string }, page: Page, part: string): HTMLElement {
  const chip = make("span", "chip", iconElement(look.icon), make("span", "chip-label", look.label));
  chip.dataset.tone = look.tone;
  if (fix.state !== "asked" || fix.turn === "") return chip;
  const link = make("button", "analysis-goto", chip);
  link.type = "button";
  link.title = page.texts.get("analysis.goTo");
  Object.assign(link.dataset, { goto: fix.turn, part });
  return link;
}

/** Why this person may not request the fix; empty = they may. */
function barReason(fix: Fix, analysis: Analysis, page: Page): string {
  if (!document.body.classList.contains("may-operate")) return page.texts.get("chat.needsRight");
  const action = page.settings.labels.decisions.toolActions[fix.tool];
  const task = page.fleet.tasks.get(analysis.task);
  if (action === undefined) return page.texts.get("chat.needsRight");
  return task && isBarred(action, task) ? page.texts.get("task.needsCommands") : "";
}

function verdict(analysis: Analysis, page: Page): HTMLElement | null {
  if (analysis.verdict === "none") return null;
  const look = page.settings.labels.chatVerdicts[analysis.verdict];
  const time = analysis.verdictAt === null ? "" : page.texts.clock(analysis.verdictAt, page.now());
  const words = make("div", "", make("strong", "", look.label), time ? make("span", "sub", ` · ${time}`) : null);
  const how = phraseText(analysis, "verdictText", page.settings.labels);
  if (how && how !== look.label)
    words.append(inLanguage(make("p", "", how), analysis, "verdictText", analysis.language));
  const strip = make("div", "analysis-verdict", iconElement(look.icon), words);
  strip.dataset.tone = look.tone;
  strip.dataset.verdict = analysis.verdict;
  return strip;
}

/** Why fixes cannot be requested now: the part of the card that changes without a message. */
export function blocksOf(analysis: Analysis, page: Page): string {
  return analysis.fixes
    .map(
      (fix) => barReason(fix, analysis, page) || fixBlock(fix, analysis, page.fleet, page.settings.labels, page.texts),
    )
    .join("\n");
}

/** The latest news as one line: the verdict if there is one, else the cause. */
export function analysisNews(analysis: Analysis, page: Page): string {
  if (analysis.verdict === "none") return phraseText(analysis, "cause", page.settings.labels);
  const { label } = page.settings.labels.chatVerdicts[analysis.verdict];
  const how = phraseText(analysis, "verdictText", page.settings.labels);
  return how && how !== label ? `${label}: ${how}` : label;
}
