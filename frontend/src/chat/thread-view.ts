/** The turns of a conversation: drawn once per frame, and kept scrolled to the end while the reader is there. */

import type { Page } from "../app/page";
import type { TurnState } from "../live/messages";
import { setHidden } from "../tables/cells";
import { type Conversation, isOpen } from "./conversation";
import { sync } from "./dom";
import { drawExpiry } from "./step-view";
import { drawTurn, turnItem } from "./turn-view";

const NEAR_END = 60;

export class ThreadView {
  readonly #page: Page;
  readonly #box: HTMLElement;
  readonly #older: HTMLElement | null;
  #conversation: Conversation | null = null;
  #canAct = false;
  #isScheduled = false;
  /** The turn whose question gets the focus when it appears. */
  #awaited = "";

  constructor(page: Page, box: HTMLElement, older: HTMLElement | null) {
    this.#page = page;
    this.#box = box;
    this.#older = older;
    // Possible fixes depend on the task and its alert, not only on messages of the conversation.
    for (const kind of ["tasks", "alerts"] as const) {
      page.fleet.onChange(kind, (id) => this.#isAbout(id) && this.changed());
      page.fleet.onReplace(kind, () => this.changed());
    }
    setInterval(() => {
      if (document.hidden) return;
      for (const expiry of box.querySelectorAll<HTMLElement>("[data-expires]")) drawExpiry(expiry, page);
    }, 1000);
  }

  #isAbout(id: string): boolean {
    for (const { analysis } of this.#conversation?.turns.values() ?? [])
      if (analysis && (analysis.task === id || analysis.alert === id)) return true;
    return false;
  }

  show(conversation: Conversation | null, canAct: boolean): void {
    const isOther = conversation?.info.id !== this.#conversation?.info.id;
    if (isOther) this.#awaited = "";
    this.#conversation = conversation;
    this.#canAct = canAct;
    this.#draw();
    if (isOther) this.toEnd();
  }

  /** Draws once for all pending changes. Hidden pages get no animation frames. */
  changed(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    const draw = (): void => {
      this.#isScheduled = false;
      this.#draw();
    };
    if (document.hidden) setTimeout(draw, 250);
    else requestAnimationFrame(draw);
  }

  toEnd(): void {
    const scroller = this.#scroller;
    if (scroller) scroller.scrollTop = scroller.scrollHeight;
  }

  /** Scrolls to the turn and focuses its open question, now or once it arrives. */
  goTo(turn: string): void {
    this.#awaited = turn;
    this.#bring();
  }

  #bring(): void {
    const found =
      this.#awaited === "" ? null : this.#box.querySelector<HTMLElement>(`[data-turn="${CSS.escape(this.#awaited)}"]`);
    const card = found?.querySelector<HTMLElement>('.approval[data-state="waiting"]');
    if (!found || (!card && isOpen({ state: found.dataset.state as TurnState }, this.#page.settings.labels))) return;
    this.#awaited = "";
    found.scrollIntoView({ block: "nearest" });
    card?.focus({ preventScroll: true });
  }

  get #scroller(): HTMLElement | null {
    return this.#box.parentElement;
  }

  #draw(): void {
    const scroller = this.#scroller;
    const isAtEnd = !scroller || scroller.scrollTop + scroller.clientHeight >= scroller.scrollHeight - NEAR_END;
    const turns = this.#conversation?.inOrder ?? [];
    sync(
      this.#box,
      turns.map((turn) => turnItem(turn)),
    );
    turns.forEach((turn, index) => {
      const fix = this.#conversation?.fixOf(turn.id) ?? null;
      drawTurn(this.#box.children[index] as HTMLElement, turn, fix, this.#page, this.#canAct);
    });
    setHidden(this.#older, this.#conversation?.hasMore !== true);
    if (isAtEnd) this.toEnd();
    this.#bring();
  }
}
