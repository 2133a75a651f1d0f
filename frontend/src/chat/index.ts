/** Connects the chat panel to the page: open and close, "Ask about this", and notices about other conversations. */

import type { AlertNotices } from "../app/alert-notices";
import { element, type Page } from "../app/page";
import { phraseText } from "../app/phrases";
import type { Tone } from "../app/settings";
import type { ToastContent, Toasts } from "../app/toasts";
import { setAttribute } from "../tables/cells";
import { EVERYTHING, nearestContext } from "./contexts";
import { plain } from "./markdown";
import { ChatPanel } from "./panel";

const YEAR_SECONDS = 31_536_000;
const TOPIC = "chats";
const NOTICE_SECONDS = 20;

export function wireChat(page: Page, toasts: Toasts, notices: AlertNotices): void {
  const root = element("chat");
  const toggle = element("chat-toggle");
  if (!root || !toggle) return;
  page.live.follow(TOPIC);
  const panel = new ChatPanel(page, root);
  const isOpen = (): boolean => document.body.dataset.chat === "open";
  const setOpen = (open: boolean): void => {
    document.body.dataset.chat = open ? "open" : "closed";
    setAttribute(toggle, "aria-expanded", String(open));
    // On a phone it covers the page, so it does not open automatically.
    const isKept = open && matchMedia("(min-width: 861px)").matches;
    document.cookie = `agentflow_chat=${isKept ? "open" : "closed"};path=/;max-age=${YEAR_SECONDS};samesite=lax`;
    if (open) panel.focus();
    else toggle.focus();
  };
  setAttribute(toggle, "aria-expanded", String(isOpen()));
  toggle.addEventListener("click", () => setOpen(!isOpen()));
  element("chat-close")?.addEventListener("click", () => setOpen(false));
  root.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.isComposing) setOpen(false);
  });
  document.addEventListener("click", (event) => {
    const pressed = event.target instanceof Element ? event.target : null;
    const notice = pressed?.closest<HTMLAnchorElement>('a[href^="#chat="]');
    const about = pressed?.closest<HTMLElement>("[data-ask]");
    if (notice) {
      event.preventDefault();
      panel.open(decodeURIComponent(notice.hash.slice("#chat=".length)));
      setOpen(true);
    } else if (about) {
      const { context, words } = subject(about, page);
      if (panel.context !== context) panel.choose(context);
      setOpen(true);
      if (words) panel.propose(words);
    }
  });
  notices.isInSight = (alert) => isOpen() && panel.tellsOf(alert);
  wireNotices(page, toasts, notices, (conversation) => isOpen() && panel.shows(conversation));
}

/** The subject of the button: an alert, a task or a node. */
function subject(about: HTMLElement, page: Page): { context: string; words: string } {
  const holder = about.closest<HTMLElement>("[data-alert], [data-task], [data-node]");
  const { alert = "", task = "", node = "" } = holder?.dataset ?? {};
  const known = page.fleet.alerts.get(alert);
  const subjectTask = page.fleet.tasks.get(known?.task || task);
  if (subjectTask) {
    const where = nearestContext(subjectTask.project, subjectTask.node || subjectTask.targetNode, page.fleet.nodes);
    return {
      context: where,
      words: page.texts.get("chat.aboutTask", { name: plain(subjectTask.name), id: subjectTask.id }),
    };
  }
  const name = known?.node || node;
  return {
    context: page.fleet.nodes.get(name)?.role === "leader" ? EVERYTHING : nearestContext("", name, page.fleet.nodes),
    words: "",
  };
}

/** Notices about waiting approvals and new analyses, on every page. Each is shown once. */
function wireNotices(
  page: Page,
  toasts: Toasts,
  notices: AlertNotices,
  isSeen: (conversation: string) => boolean,
): void {
  const { texts, live } = page;
  const announced = new Set<string>();
  const isNew = (what: string, conversation: string): boolean => {
    if (announced.has(what) || isSeen(conversation)) return false;
    announced.add(what);
    return true;
  };
  const content = (conversation: string, tone: Tone, title: string, text: string): ToastContent => ({
    tone,
    title,
    text,
    href: `#chat=${encodeURIComponent(conversation)}`,
    lifeSeconds: NOTICE_SECONDS,
  });
  live.on("CHAT_STEP", ({ step, conversation }) => {
    if (step.approval?.state !== "waiting" || !isNew(step.approval.id, conversation)) return;
    toasts.show(
      content(conversation, "held", texts.get("chat.approvalTitle"), phraseText(step, "summary", page.settings.labels)),
    );
  });
  // Update the alert's existing notice.
  live.on("CHAT_ANALYSIS", ({ analysis, conversation }) => {
    if (!isNew(`${analysis.id} ${analysis.verdict}`, conversation) || analysis.verdict === "watching") return;
    const look = analysis.verdict === "none" ? null : page.settings.labels.chatVerdicts[analysis.verdict];
    const name = plain(
      (page.fleet.tasks.get(analysis.task)?.name ?? page.fleet.alerts.get(analysis.alert)?.taskName) || analysis.task,
    );
    const title = look ? `${look.label} · ${name}` : texts.get("analysis.notice", { name });
    notices.show(
      analysis.alert,
      content(
        conversation,
        look?.tone ?? "held",
        title,
        phraseText(analysis, look ? "verdictText" : "cause", page.settings.labels),
      ),
    );
  });
}
