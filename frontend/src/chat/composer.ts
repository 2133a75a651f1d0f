/** The message box: Enter sends, Shift+Enter adds a line. Enter in an input method does not send. */

import type { Page } from "../app/page";
import { setHidden, setText } from "../tables/cells";
import { isTooLong, MAX_CHARACTERS } from "./contexts";
import { need } from "./dom";

export class Composer {
  readonly #page: Page;
  readonly #form: HTMLFormElement;
  readonly #text: HTMLTextAreaElement;
  readonly #send: HTMLButtonElement;
  readonly #problem: HTMLElement;
  /** Unsent texts of other contexts: a text about one node must not be sent to another. */
  readonly #drafts = new Map<string, string>();
  #context = "";
  /** Text inserted by a button. */
  #proposed = "";
  #isSending = false;
  #isReadOnly = false;

  constructor(page: Page, form: HTMLFormElement, onSend: (text: string) => void) {
    this.#page = page;
    this.#form = form;
    this.#text = need(form, "textarea");
    this.#send = need(form, "button[data-send]");
    this.#problem = need(form, ".form-error");
    this.#text.addEventListener("keydown", (event) => {
      // 229: the key code for the Enter that ends a composition.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
      event.preventDefault();
      form.requestSubmit();
    });
    this.#text.addEventListener("input", () => this.#draw());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const text = this.#text.value;
      if (this.#isSending || text.trim() === "" || isTooLong(text)) return;
      this.#isSending = true;
      this.#draw();
      onSend(text);
    });
    this.#draw();
  }

  focus(): void {
    this.#text.focus();
  }

  /** Switches the context; each context keeps its unsent text. */
  setContext(context: string): void {
    if (context === this.#context) return;
    const { value } = this.#text;
    if (value.trim() === "" || value === this.#proposed) this.#drafts.delete(this.#context);
    else this.#drafts.set(this.#context, value);
    this.#context = context;
    this.#text.value = this.#drafts.get(context) ?? "";
    this.#draw();
  }

  /** Inserts a text for the person to edit; does not replace typed text. */
  propose(text: string): void {
    const { value } = this.#text;
    if (value.trim() === "" || value === this.#proposed) this.#text.value = this.#proposed = text;
    this.#draw();
    this.focus();
    this.#text.setSelectionRange(this.#text.value.length, this.#text.value.length);
  }

  /** The Leader accepted the message. Text typed since then stays. */
  sent(context: string, text: string): void {
    this.#isSending = false;
    if (this.#drafts.get(context) === text) this.#drafts.delete(context);
    if (context === this.#context && this.#text.value === text) this.#text.value = "";
    this.#draw();
  }

  /** The message was refused: keeps the text and shows the reason. */
  refused(reason: string): void {
    this.#isSending = false;
    this.#draw();
    this.#showProblem(reason);
  }

  setReadOnly(isReadOnly: boolean): void {
    this.#isReadOnly = isReadOnly;
    setHidden(this.#form, isReadOnly);
    this.#draw();
  }

  #draw(): void {
    const isLong = isTooLong(this.#text.value);
    const { texts } = this.#page;
    this.#send.disabled = this.#isReadOnly || this.#isSending || isLong || this.#text.value.trim() === "";
    this.#showProblem(isLong ? texts.get("chat.tooLong", { limit: MAX_CHARACTERS }) : "");
  }

  #showProblem(problem: string): void {
    setText(this.#problem, problem);
    setHidden(this.#problem, problem === "");
    this.#text.toggleAttribute("aria-invalid", problem !== "");
  }
}
