/** One notice per alert: opened, analysed, resolved. All modules update the same notice. */

import { plain } from "../chat/markdown";
import type { AlertInfo } from "../live/messages";
import { alertTask } from "../tables/alert-view";
import type { Page } from "./page";
import { phraseText } from "./phrases";
import type { Link, Toast, ToastContent, Toasts } from "./toasts";

const LIFE_SECONDS = 12;
const MAX_REMEMBERED = 50;

export class AlertNotices {
  readonly #toasts: Toasts;
  /** By alert, oldest first. */
  readonly #cards = new Map<string, Toast>();

  /** Whether the reader already sees this alert on the page. */
  isInSight: (alert: string) => boolean = () => false;

  constructor(toasts: Toasts) {
    this.#toasts = toasts;
  }

  show(alert: string, content: ToastContent): void {
    if (this.isInSight(alert)) return;
    const card = this.#cards.get(alert);
    if (card) {
      card.update(content);
      return;
    }
    this.#cards.set(alert, this.#toasts.show(content));
    for (const oldest of this.#cards.keys()) {
      if (this.#cards.size <= MAX_REMEMBERED) break;
      this.#cards.delete(oldest);
    }
  }
}

/** The notice of an alert; null if it is acknowledged. */
export function noticeOf(alert: AlertInfo, page: Page): ToastContent | null {
  if (alert.acknowledgedAt !== null && alert.resolvedAt === null) return null;
  const isOpen = alert.resolvedAt === null;
  const about: Link[] = [];
  if (alert.task) about.push({ text: alertTask(alert), href: page.taskUrl(alert.task) });
  if (alert.node) about.push({ text: plain(alert.node), href: page.nodeUrl(alert.node) });
  return {
    tone: !isOpen ? "good" : page.settings.labels.alertLevels[alert.level].tone,
    title: page.texts.get(isOpen ? "toast.alert" : "toast.resolved"),
    about,
    text: phraseText(alert, "message", page.settings.labels),
    lifeSeconds: isOpen && alert.level === "error" ? 0 : LIFE_SECONDS,
  };
}
