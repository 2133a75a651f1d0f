/** The searchable drop-down of contexts, for keyboard and pointer. */

import type { Page } from "../app/page";
import { setAttribute, setHidden } from "../tables/cells";
import { findContexts, inWords } from "./contexts";
import { make, need } from "./dom";

const MAX_SHOWN = 50;

export interface ComboboxParts {
  input: HTMLInputElement;
  list: HTMLElement;
  /** The current choices; called when it opens. */
  options: () => Promise<string[]>;
  describe: (context: string) => string;
  none: string;
  onChoose: (context: string) => void;
}

export class ContextBox {
  readonly #parts: ComboboxParts;
  #value = "";
  #all: string[] = [];
  #shown: string[] = [];
  #current = -1;
  #isOpen = false;

  /** The panel's context. */
  static wire(
    page: Page,
    root: HTMLElement,
    options: () => Promise<string[]>,
    onChoose: (context: string) => void,
  ): ContextBox {
    const { texts } = page;
    const [input, list] = [need<HTMLInputElement>(root, "#chat-context"), need(root, "#chat-contexts")];
    return new ContextBox({
      input,
      list,
      options,
      describe: (context) => inWords(context, texts),
      none: texts.get("chat.noContext"),
      onChoose,
    });
  }

  constructor(parts: ComboboxParts) {
    this.#parts = parts;
    const { input, list } = parts;
    input.addEventListener("focus", () => input.select());
    input.addEventListener("click", () => void this.#open());
    input.addEventListener("input", () => void this.#open().then(() => this.#draw(input.value)));
    input.addEventListener("keydown", (event) => this.#key(event));
    input.addEventListener("blur", () => this.#close());
    // Keep the focus in the input; its blur would close the list under the pointer.
    list.addEventListener("mousedown", (event) => event.preventDefault());
    list.addEventListener("click", (event) => {
      const option = event.target instanceof Element ? event.target.closest<HTMLElement>("[role=option]") : null;
      if (option?.dataset.context !== undefined) this.#choose(option.dataset.context);
    });
  }

  get value(): string {
    return this.#value;
  }

  show(context: string): void {
    this.#value = context;
    if (!this.#isOpen) this.#parts.input.value = context;
  }

  async #open(): Promise<void> {
    if (this.#isOpen) return;
    this.#isOpen = true;
    this.#draw("");
    this.#all = await this.#parts.options();
    // The person may have typed or left in the meantime.
    if (this.#isOpen) this.#draw(this.#parts.input.value === this.#value ? "" : this.#parts.input.value);
  }

  #close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const { input, list } = this.#parts;
    input.value = this.#value;
    setHidden(list, true);
    setAttribute(input, "aria-expanded", "false");
    setAttribute(input, "aria-activedescendant", null);
  }

  #draw(typed: string): void {
    const { input, list, none, describe } = this.#parts;
    this.#shown = findContexts(this.#all, typed, MAX_SHOWN);
    this.#current = typed === "" ? this.#shown.indexOf(this.#value) : this.#shown.length > 0 ? 0 : -1;
    const options = this.#shown.map((context, index) => {
      const option = make("div", "chat-option", make("span", "mono", context), make("small", "", describe(context)));
      option.role = "option";
      option.id = `chat-context-${index}`;
      option.dataset.context = context;
      return option;
    });
    if (options.length === 0) {
      const empty = make("div", "chat-option is-none", none);
      empty.role = "option";
      empty.setAttribute("aria-disabled", "true");
      options.push(empty);
    }
    list.replaceChildren(...options);
    setHidden(list, false);
    setAttribute(input, "aria-expanded", "true");
    this.#mark();
  }

  #mark(): void {
    [...this.#parts.list.children].forEach((option, index) => {
      option.setAttribute("aria-selected", String(index === this.#current));
      if (index === this.#current) option.scrollIntoView({ block: "nearest" });
    });
    setAttribute(
      this.#parts.input,
      "aria-activedescendant",
      this.#current >= 0 ? `chat-context-${this.#current}` : null,
    );
  }

  #key(event: KeyboardEvent): void {
    if (event.isComposing) return;
    const last = this.#shown.length - 1;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!this.#isOpen) return void this.#open();
      const step = event.key === "ArrowDown" ? 1 : -1;
      this.#current = last < 0 ? -1 : (this.#current + step + last + 1) % (last + 1);
      this.#mark();
    } else if (event.key === "Enter") {
      event.preventDefault();
      const context = this.#shown[this.#current];
      if (this.#isOpen && context !== undefined) this.#choose(context);
    } else if (event.key === "Escape" && this.#isOpen) {
      event.preventDefault();
      event.stopPropagation();
      this.#close();
      this.#parts.input.select();
    }
  }

  #choose(context: string): void {
    this.#value = context;
    this.#close();
    this.#parts.onChoose(context);
  }
}
