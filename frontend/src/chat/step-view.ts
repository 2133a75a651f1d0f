/** A tool call with its result, and the card for its approval. */

import { iconElement, type Page } from "../app/page";
import { phraseText } from "../app/phrases";
import { getJson } from "../app/rest";
import { loadFailure, mayRunCommands } from "../app/rights";
import { clockDuration } from "../app/texts";
import type { Approval, Step } from "../live/messages";
import { stateOf } from "../tables/task-view";
import { button, make } from "./dom";
import { plain } from "./markdown";

const MAX_SHOWN = 4_000;

export function stepElement(step: Step, asker: string, page: Page): HTMLElement {
  const { labels } = page.settings;
  const look = labels.chatSteps[step.state];
  const chip = make("span", "chip", iconElement(look.icon), make("span", "chip-label", look.label));
  chip.dataset.tone = look.tone;
  const name = make(
    "span",
    "step-name",
    phraseText(step, "summary", labels) || plain(labels.chatTools[step.tool] ?? step.tool),
  );
  const detail = make("div", "step-detail", make("p", "sub mono", step.tool), argumentList(step), result(step, page));
  const details = make("details", "step-more", make("summary", "", iconElement("chevron-right"), name, chip), detail);
  const box = make("div", "chat-step", details, step.approval ? approvalCard(step, step.approval, asker, page) : null);
  box.dataset.step = step.id;
  if (step.isWithheld && mayRunCommands()) void complete(box, step, asker, page);
  return box;
}

/** Adds the command, which messages do not contain. Only then can it be approved. */
async function complete(box: HTMLElement, step: Step, asker: string, page: Page): Promise<void> {
  try {
    const whole = await getJson<Step>(`${page.settings.urls.chat}steps/${encodeURIComponent(step.id)}/`);
    const isOpen = box.querySelector("details")?.open ?? false;
    // Only what is withheld: the message may be newer than this answer.
    const { arguments: given, summary, phrases } = whole;
    const shown = stepElement({ ...step, arguments: given, summary, phrases, isWithheld: false }, asker, page);
    box.replaceChildren(...shown.childNodes);
    const details = box.querySelector("details");
    if (details) details.open = isOpen;
  } catch (error) {
    console.warn("could not read a command", error);
    const line = make("p", "step-unread");
    line.append(
      ...loadFailure(page, () => {
        line.remove();
        void complete(box, step, asker, page);
      }),
    );
    box.append(line);
  }
}

function result(step: Step, page: Page): HTMLElement | null {
  if (step.result === "") return null;
  const text = make("pre", "step-result", phraseText(step, "result", page.settings.labels).slice(0, MAX_SHOWN));
  text.tabIndex = 0;
  text.toggleAttribute("data-error", step.isError);
  return text;
}

function argumentList(step: Step): HTMLElement | null {
  const given = step.arguments;
  if (typeof given !== "object" || given === null || Object.keys(given).length === 0) return null;
  const list = make("dl", "step-arguments");
  for (const [name, value] of Object.entries(given)) {
    const text = typeof value === "string" ? value : JSON.stringify(value, null, 1);
    list.append(make("dt", "", plain(name)), make("dd", "mono", plain(text)));
  }
  return list;
}

/** Stays visible after the decision, to show who decided. */
function approvalCard(step: Step, approval: Approval, asker: string, page: Page): HTMLElement {
  const { texts, settings } = page;
  const isWaiting = approval.state === "waiting";
  const look = settings.labels.chatApprovals[approval.state];
  const title = make(
    "p",
    "approval-title",
    iconElement(look.icon),
    make("strong", "", isWaiting ? texts.get("chat.approvalTitle") : outcome(approval, page)),
  );
  const card = make("section", "approval", title);
  card.dataset.approval = approval.id;
  card.dataset.digest = approval.digest;
  card.dataset.state = approval.state;
  card.dataset.tone = look.tone;
  card.tabIndex = -1;
  card.dataset.part = "approval";
  // Labelled with its action and target, because several may wait at once.
  card.setAttribute(
    "aria-label",
    texts.get("chat.approval", { action: plain(step.summary || settings.labels.chatTools[step.tool] || step.tool) }),
  );
  if (!isWaiting) return card;
  const effect = settings.labels.chatEffects[step.tool] ?? "";
  const what = make("p", "approval-what", phraseText(step, "summary", settings.labels));
  what.id = `approval-${approval.id}`;
  card.append(what);
  for (const target of targets(step, page)) card.append(target);
  const given = argumentList(step);
  if (given) card.append(given);
  if (effect) card.append(make("p", "approval-effect", effect));
  const expiry = make("span", "", "");
  expiry.dataset.expires = String(approval.expiresAt);
  card.append(make("p", "sub", texts.get("chat.askedBy", { name: asker || "AgentFlow" }), " · ", expiry));
  drawExpiry(expiry, page);
  if (step.isWithheld) {
    const loads = mayRunCommands();
    card.append(make("p", "sub", page.texts.get(loads ? "evidence.loading" : "command.hidden")));
  } else if (document.body.classList.contains(`may-${approval.right}`)) {
    const answers = make("div", "approval-buttons");
    answers.append(
      // A destructive action is not the default button.
      button(
        `btn btn-sm ${step.risk === "destructive" ? "btn-error btn-outline" : "btn-primary"}`,
        "circle-check",
        texts.get("chat.approve"),
        { answer: "approve" },
      ),
      button("btn btn-sm", "ban", texts.get("chat.refuse"), { answer: "deny" }),
    );
    for (const answer of answers.children) answer.setAttribute("aria-describedby", what.id);
    card.append(answers);
  } else {
    card.append(make("p", "sub", texts.get("chat.needsRight")));
  }
  return card;
}

function outcome(approval: Approval, page: Page): string {
  const { texts, settings } = page;
  const label = settings.labels.chatApprovals[approval.state].label;
  if (!approval.answeredBy) return label;
  const time = approval.answeredAt === null ? "" : ` · ${texts.clock(approval.answeredAt, page.now())}`;
  return `${label} · ${approval.answeredBy}${time}`;
}

/** The tasks in the arguments, as known to the page. */
function targets(step: Step, page: Page): HTMLElement[] {
  const given = step.arguments as { task?: unknown; tasks?: unknown } | null;
  const ids = [given?.task, ...(Array.isArray(given?.tasks) ? (given.tasks as unknown[]) : [])];
  return ids.flatMap((id) => {
    const task = typeof id === "string" ? page.fleet.tasks.get(id) : undefined;
    if (!task) return [];
    const link = make("a", "", plain(task.name));
    link.href = page.taskUrl(task.id);
    return [
      make(
        "p",
        "sub",
        link,
        ` · ${plain(task.node || task.targetNode)} · ${stateOf(task, page.settings.labels).label}`,
      ),
    ];
  });
}

/** Called once a second. Only disables buttons that the server would refuse. */
export function drawExpiry(expiry: HTMLElement, page: Page): void {
  const seconds = Math.floor((Number(expiry.dataset.expires) - page.now()) / 1000);
  expiry.textContent =
    seconds > 0
      ? page.texts.get("chat.expiresIn", { duration: clockDuration(seconds) })
      : page.texts.get("chat.expired");
  if (seconds > 0) return;
  for (const answer of expiry.closest(".approval")?.querySelectorAll("button") ?? []) answer.disabled = true;
}
