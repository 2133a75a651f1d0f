/** The "New task" dialog: node, project and named task depend on each other; commands need the right. */

import type { NamedTask, NodeStatus } from "../live/messages";
import { setHidden, setText } from "../tables/cells";
import type { Actions } from "./actions";
import { limitTexts } from "./limits";
import { element, type Page } from "./page";
import { filledFields, namedTasks, projectNames, type RunFields, runRequest } from "./run-request";

/** A copy of the form's filled fields. */
type Entries = [name: string, value: string][];

export class NewTaskDialog {
  readonly #page: Page;
  readonly #actions: Actions;
  readonly #dialog: HTMLDialogElement;
  readonly #form: HTMLFormElement;
  /** The last request that was not accepted, and why; shown when the dialog opens again. */
  #draft: { entries: Entries; problem: string } | null = null;

  private constructor(page: Page, actions: Actions, dialog: HTMLDialogElement, form: HTMLFormElement) {
    this.#page = page;
    this.#actions = actions;
    this.#dialog = dialog;
    this.#form = form;
    form.addEventListener("change", (event) => this.#changed(event));
    form.querySelector("textarea[name=command]")?.addEventListener("keydown", (event) => {
      if (!(event instanceof KeyboardEvent) || event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      form.requestSubmit(form.querySelector<HTMLButtonElement>("button[value=yes]"));
    });
    form.addEventListener("submit", (event) => this.#submitted(event));
  }

  /** Null if the page has no such dialog, because the person may not start tasks. */
  static wire(page: Page, actions: Actions): NewTaskDialog | null {
    const dialog = element<HTMLDialogElement>("new-task");
    const form = dialog?.querySelector("form");
    return dialog && form ? new NewTaskDialog(page, actions, dialog, form) : null;
  }

  /**
   * Call it before the dialog is shown. The form starts empty, so that values typed for another task are not reused.
   * Only a request that was not accepted is restored, unless the opener sets a node, project and task.
   */
  prepare(opener: HTMLElement | null): void {
    const { presetNode = "", presetProject = "", presetTask = "" } = opener?.dataset ?? {};
    const draft = presetNode + presetProject + presetTask === "" ? this.#draft : null;
    this.#draft = null;
    this.#form.reset();
    if (draft) this.#restore(draft.entries);
    const chosen = new Map(draft?.entries);
    this.#showKind();
    this.#fillNodes(chosen.get("node") ?? presetNode);
    this.#fillProjects(chosen.get("project") ?? presetProject);
    this.#fillTasks(chosen.get("task") ?? presetTask);
    this.#showProblem(draft?.problem ?? "");
    const more = this.#form.querySelector("details");
    if (more)
      more.open = [...more.querySelectorAll<HTMLInputElement | HTMLTextAreaElement>("input, textarea")].some(isFilled);
  }

  /** Fills everything except the selects, which depend on the nodes' current capabilities. */
  #restore(entries: Entries): void {
    for (const [name, value] of entries) {
      for (const control of this.#form.querySelectorAll<HTMLInputElement>(`:is(input, textarea)[name="${name}"]`)) {
        if (control.type === "radio" || control.type === "checkbox") control.checked ||= control.value === value;
        else control.value = value;
      }
    }
  }

  get #fields(): RunFields {
    const data = new FormData(this.#form);
    const text = (name: string): string => String(data.get(name) ?? "");
    return {
      kind: text("kind") === "command" ? "command" : "named",
      task: text("task"),
      command: text("command"),
      shell: data.has("shell"),
      environment: text("environment"),
    };
  }

  #changed(event: Event): void {
    const name = event.target instanceof HTMLElement ? event.target.getAttribute("name") : "";
    if (name === "kind") this.#showKind();
    if (name === "kind" || name === "node") {
      this.#fillProjects(this.#chosen("project"));
      this.#fillTasks(this.#fields.task);
    } else if (name === "project") this.#fillTasks("");
    else if (name === "task") this.#showHint();
    this.#showProblem("");
  }

  #submitted(event: SubmitEvent): void {
    const entries = [...new FormData(this.#form)] as Entries;
    const request = runRequest(this.#fields, filledFields(this.#form));
    if (typeof request === "string") {
      event.preventDefault();
      this.#showProblem(this.#page.texts.get(request));
      return;
    }
    const title = request.name || request.namedTask || request.shellLine || request.argv?.join(" ") || "";
    this.#actions.run(request, title, (outcome) => {
      if (outcome.kind === "failed") this.#draft = { entries, problem: outcome.reason };
      else if (outcome.kind === "no-answer") this.#draft = { entries, problem: this.#page.texts.get("toast.noAnswer") };
    });
  }

  /** Enables the fields of the chosen kind only: a disabled field set is not part of the form. */
  #showKind(): void {
    const { kind } = this.#fields;
    for (const group of this.#form.querySelectorAll<HTMLFieldSetElement>("fieldset[data-kind]")) {
      const isShown = group.dataset.kind === kind;
      setHidden(group, !isShown);
      group.disabled = !isShown;
    }
  }

  #fillNodes(chosen: string): void {
    const { texts, fleet, settings } = this.#page;
    const nodes = [...fleet.nodes.values()]
      .filter((node) => settings.labels.decisions.roles[node.role].isMember)
      .sort((a, b) => a.id.localeCompare(b.id));
    const label = (node: NodeStatus): string =>
      settings.labels.decisions.nodes[node.state].isReachable
        ? node.id
        : texts.get("run.offline", { node: node.id, state: settings.labels.nodeStates[node.state].label });
    fillSelect(
      this.#select("node"),
      [["", texts.get("run.anyNode")], ...nodes.map((node): Option => [node.id, label(node)])],
      chosen,
    );
  }

  #fillProjects(chosen: string): void {
    const { fleet } = this.#page;
    const names = projectNames(fleet.nodes.values(), this.#chosen("node"));
    const options = names.map((name): Option => [name, name]);
    // A command can run without a project; a named task always has one.
    if (this.#fields.kind === "command") options.unshift(["", "–"]);
    fillSelect(this.#select("project"), options, chosen);
  }

  #fillTasks(chosen: string): void {
    const tasks = this.#namedTasks();
    fillSelect(
      this.#select("task"),
      tasks.map((task): Option => [task.name, task.name]),
      chosen,
    );
    this.#showHint();
  }

  #showHint(): void {
    const { texts } = this.#page;
    const name = this.#fields.task;
    const task = this.#namedTasks().find((each) => each.name === name);
    const hint = this.#form.querySelector("[data-named-hint]");
    if (!task) {
      setText(hint, name === "" ? texts.get("run.noProjects") : "");
      return;
    }
    const limits = limitTexts(task, texts);
    setText(hint, [task.description, `$ ${task.argv.join(" ")}`, ...limits].filter(Boolean).join(" · "));
  }

  #showProblem(text: string): void {
    const line = this.#dialog.querySelector(".form-error");
    setText(line, text);
    setHidden(line, text === "");
  }

  #namedTasks(): NamedTask[] {
    return namedTasks(this.#page.fleet.nodes.values(), this.#chosen("node"), this.#chosen("project"));
  }

  #chosen(name: string): string {
    return this.#select(name)?.value ?? "";
  }

  #select(name: string): HTMLSelectElement | null {
    return this.#form.querySelector(`select[name="${name}"]`);
  }
}

function isFilled(control: HTMLInputElement | HTMLTextAreaElement): boolean {
  return control.type === "checkbox" ? (control as HTMLInputElement).checked : control.value !== "";
}

type Option = [value: string, label: string];

/** Fills a select and keeps the choice if it is still offered. */
function fillSelect(select: HTMLSelectElement | null, options: Option[], chosen: string): void {
  if (!select) return;
  select.replaceChildren(...options.map(([value, label]) => new Option(label, value)));
  select.value = options.some(([value]) => value === chosen) ? chosen : (options[0]?.[0] ?? "");
}
