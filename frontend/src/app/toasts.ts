/** Short notices in a corner of the page: few at a time; errors stay until dismissed. */

import { setAttribute, setText } from "../tables/cells";
import { element } from "./page";
import type { Tone } from "./settings";

export interface Link {
  text: string;
  href: string;
}

export interface ToastContent {
  tone: Tone;
  title: string;
  text: string;
  /** Target of the title. */
  href?: string;
  /** Its subject, after the title. */
  about?: Link[];
  /** 0 = stays until dismissed. */
  lifeSeconds: number;
}

export interface Toast {
  update(content: ToastContent): void;
  close(): void;
}

const ICONS: Record<Tone, string> = {
  good: "circle-check",
  busy: "loader",
  warn: "triangle-alert",
  bad: "circle-x",
  calm: "circle-check",
  held: "message-circle-question",
};
const MAX_SHOWN = 4;

export class Toasts {
  show(content: ToastContent): Toast {
    const card = this.#create();
    if (card === null) return { update: () => undefined, close: () => undefined };
    let timer: ReturnType<typeof setTimeout> | undefined;
    const remove = (): void => card.remove();
    const close = (): void => {
      clearTimeout(timer);
      remove();
    };
    const update = (next: ToastContent): void => {
      clearTimeout(timer);
      if (!card.isConnected) this.#place(card, next.tone);
      this.#fill(card, next);
      if (next.lifeSeconds > 0) timer = setTimeout(remove, next.lifeSeconds * 1000);
    };
    // Dismissed, or its link was followed.
    card.addEventListener("click", (event) => {
      if (!(event.target instanceof Element) || !event.target.closest("button, a")) return;
      close();
    });
    update(content);
    return { update, close };
  }

  #create(): HTMLElement | null {
    const source = element<HTMLTemplateElement>("toast-template")?.content.firstElementChild;
    return source ? (document.importNode(source, true) as HTMLElement) : null;
  }

  /** Errors interrupt a screen reader; other notices wait for a pause. */
  #place(card: HTMLElement, tone: Tone): void {
    element(tone === "bad" ? "toasts-urgent" : "toasts-polite")?.append(card);
    const shown = [...document.querySelectorAll("#toasts .toast-card")];
    for (const old of shown.slice(0, Math.max(0, shown.length - MAX_SHOWN))) old.remove();
  }

  #fill(card: HTMLElement, content: ToastContent): void {
    setAttribute(card, "data-tone", content.tone);
    setAttribute(card.querySelector(".toast-icon use"), "href", `#${ICONS[content.tone]}`);
    const title = content.href ? linkTo({ text: content.title, href: content.href }) : content.title;
    const about = (content.about ?? []).flatMap((link) => [" · ", linkTo(link)]);
    card.querySelector("strong")?.replaceChildren(title, ...about);
    setText(card.querySelector("p"), content.text);
  }
}

function linkTo({ text, href }: Link): HTMLAnchorElement {
  const link = document.createElement("a");
  link.href = href;
  link.textContent = text;
  return link;
}
