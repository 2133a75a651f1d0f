/** The command palette: everything on the page with a `data-command`, and all nodes and tasks by name. */

import { element, iconElement, type Page } from "../app/page";
import { visible } from "../app/unseen";
import { stateOf } from "../tables/task-view";
import { type Entry, matches } from "./match";

const MAX_SHOWN = 10;

export class Palette {
  readonly #page: Page;
  readonly #input: HTMLInputElement;
  readonly #list: HTMLElement;
  readonly #dialog: HTMLDialogElement;
  #entries: Entry[] = [];
  #shown: Entry[] = [];
  #current = 0;

  private constructor(page: Page, dialog: HTMLDialogElement, input: HTMLInputElement, list: HTMLElement) {
    this.#page = page;
    this.#dialog = dialog;
    this.#input = input;
    this.#list = list;
    input.addEventListener("input", () => this.#draw());
    input.addEventListener("keydown", (event) => this.#key(event));
  }

  static wire(page: Page): Palette | null {
    const dialog = element<HTMLDialogElement>("palette");
    const input = dialog?.querySelector("input");
    const list = element("palette-list");
    return dialog && input && list ? new Palette(page, dialog, input, list) : null;
  }

  /** Call it before the dialog is shown. */
  prepare(): void {
    this.#entries = [...this.#pageCommands(), ...this.#things()];
    this.#input.value = "";
    this.#draw();
  }

  #pageCommands(): Entry[] {
    const { texts } = this.#page;
    const seen = new Set<string>();
    const entries: Entry[] = [];
    for (const source of document.querySelectorAll<HTMLElement>("[data-command]")) {
      const label = source.dataset.command ?? "";
      if (seen.has(label)) continue;
      seen.add(label);
      const isPage = source instanceof HTMLAnchorElement;
      const kind = texts.get(isPage ? "palette.page" : "palette.action");
      entries.push({ label, kind, icon: source.dataset.commandIcon ?? "zap", run: () => source.click() });
    }
    return entries;
  }

  #things(): Entry[] {
    const { fleet, texts, settings } = this.#page;
    const nodes = [...fleet.nodes.values()].map(
      (node): Entry => ({
        label: node.name,
        kind: texts.get("palette.node"),
        icon: settings.labels.nodeRoles[node.role].icon,
        run: () => location.assign(this.#page.nodeUrl(node.id)),
      }),
    );
    const tasks = [...fleet.tasks.values()].map(
      (task): Entry => ({
        label: [task.name, task.node].filter(Boolean).join(" · "),
        kind: `${texts.get("palette.task")} · ${stateOf(task, settings.labels).label}`,
        icon: stateOf(task, settings.labels).icon,
        run: () => location.assign(this.#page.taskUrl(task.id)),
      }),
    );
    return [...nodes, ...tasks];
  }

  #draw(): void {
    this.#shown = matches(this.#entries, this.#input.value, MAX_SHOWN);
    this.#current = 0;
    const options = this.#shown.map((entry, index) => this.#option(entry, index));
    if (options.length === 0) {
      const none = document.createElement("div");
      none.className = "palette-none";
      none.role = "option";
      none.setAttribute("aria-disabled", "true");
      none.textContent = this.#page.texts.get("palette.none");
      options.push(none);
    }
    this.#list.replaceChildren(...options);
    this.#mark();
  }

  #option(entry: Entry, index: number): HTMLElement {
    const option = document.createElement("div");
    option.role = "option";
    option.id = `palette-${index}`;
    option.className = "palette-option";
    const label = document.createElement("span");
    label.textContent = visible(entry.label);
    const kind = document.createElement("small");
    kind.textContent = entry.kind;
    option.append(iconElement(entry.icon), label, kind);
    option.addEventListener("click", () => this.#run(entry));
    return option;
  }

  #mark(): void {
    [...this.#list.children].forEach((option, index) => {
      const isCurrent = index === this.#current;
      option.setAttribute("aria-selected", String(isCurrent));
      if (isCurrent) option.scrollIntoView({ block: "nearest" });
    });
    this.#input.setAttribute("aria-activedescendant", this.#shown.length > 0 ? `palette-${this.#current}` : "");
  }

  #key(event: KeyboardEvent): void {
    const last = this.#shown.length - 1;
    if (event.key === "ArrowDown") this.#current = this.#current >= last ? 0 : this.#current + 1;
    else if (event.key === "ArrowUp") this.#current = this.#current <= 0 ? Math.max(0, last) : this.#current - 1;
    else if (event.key === "Enter" && !event.isComposing) {
      const entry = this.#shown[this.#current];
      if (entry) this.#run(entry);
    } else return;
    event.preventDefault();
    this.#mark();
  }

  #run(entry: Entry): void {
    this.#dialog.close();
    entry.run();
  }
}
