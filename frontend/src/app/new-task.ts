/** The "new task" dialog: node, project and named task narrow each other; any command for those with the right. */

import type { NodeStatus } from "../live/messages";
import { setHidden, setText } from "../tables/cells";
import type { Actions } from "./actions";
import { element, type Page } from "./page";
import { namedTasks, projectNames, type RunFields, runRequest } from "./run-request";
import { clockDuration } from "./texts";

export class NewTaskDialog {
  readonly #page: Page;
  readonly #actions: Actions;
  readonly #dialog: HTMLDialogElement;
  readonly #form: HTMLFormElement;
  /** The request that was not accepted, and why; the dialog shows it when it opens next. */
  #draft: { fields: RunFields; problem: string } | null = null;

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

  /** Null where the page has no such dialog: the person may not start tasks. */
  static wire(page: Page, actions: Actions): NewTaskDialog | null {
    const dialog = element<HTMLDialogElement>("new-task");
    const form = dialog?.querySelector("form");
    return dialog && form ? new NewTaskDialog(page, actions, dialog, form) : null;
  }

  /**
   * To be called before the dialog is shown. It starts empty: values typed for another task must not run with this one.
   * Only a request that was not accepted comes back, unless the opener names a node, project and task of its own.
   */
  prepare(opener: HTMLElement | null): void {
    const { presetNode = "", presetProject = "", presetTask = "" } = opener?.dataset ?? {};
    const draft = presetNode + presetProject + presetTask === "" ? this.#draft : null;
    this.#draft = null;
    this.#form.reset();
    if (draft) this.#restore(draft.fields);
    const { node, project, task } = draft?.fields ?? { node: presetNode, project: presetProject, task: presetTask };
    this.#showKind();
    this.#fillNodes(node);
    this.#fillProjects(project);
    this.#fillTasks(task);
    this.#showProblem(draft?.problem ?? "");
    const more = this.#form.querySelector("details");
    if (more)
      more.open = [...more.querySelectorAll<HTMLInputElement | HTMLTextAreaElement>("input, textarea")].some(isFilled);
  }

  /** Everything except the choices, which depend on the nodes' current capabilities. */
  #restore(fields: RunFields): void {
    const set = (name: string, value: string): void => {
      const control = this.#form.querySelector<HTMLInputElement | HTMLTextAreaElement>(
        `:is(input, textarea)[name="${name}"]`,
      );
      if (control) control.value = value;
    };
    const check = (selector: string, isChecked: boolean): void => {
      const box = this.#form.querySelector<HTMLInputElement>(`input${selector}`);
      if (box) box.checked = isChecked;
    };
    check(`[name=kind][value=${fields.kind}]`, true);
    for (const name of ["command", "name", "timeout", "stall", "folder", "environment"] as const)
      set(name, fields[name]);
    check("[name=shell]", fields.isShell);
    check("[name=closeInput]", fields.closeInput);
  }

  get #fields(): RunFields {
    const data = new FormData(this.#form);
    const text = (name: string): string => String(data.get(name) ?? "");
    return {
      kind: text("kind") === "command" ? "command" : "named",
      node: text("node"),
      project: text("project"),
      task: text("task"),
      command: text("command"),
      isShell: data.has("shell"),
      name: text("name"),
      timeout: text("timeout"),
      stall: text("stall"),
      folder: text("folder"),
      environment: text("environment"),
      closeInput: data.has("closeInput"),
    };
  }

  #changed(event: Event): void {
    const name = event.target instanceof HTMLElement ? event.target.getAttribute("name") : "";
    if (name === "kind") {
      this.#showKind();
      this.#fillProjects(this.#fields.project);
      this.#fillTasks(this.#fields.task);
    } else if (name === "node") {
      this.#fillProjects(this.#fields.project);
      this.#fillTasks(this.#fields.task);
    } else if (name === "project") this.#fillTasks("");
    else if (name === "task") this.#showHint();
    this.#showProblem("");
  }

  #submitted(event: SubmitEvent): void {
    const fields = this.#fields;
    const request = runRequest(fields);
    if (typeof request === "string") {
      event.preventDefault();
      this.#showProblem(this.#page.texts.say(request));
      return;
    }
    const title = request.name || request.namedTask || request.shellLine || request.argv?.join(" ") || "";
    this.#actions.run(request, title, (outcome) => {
      if (outcome.kind === "failed") this.#draft = { fields, problem: outcome.reason };
      else if (outcome.kind === "no-answer") this.#draft = { fields, problem: this.#page.texts.say("toast.noAnswer") };
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
        : texts.say("run.offline", { node: node.id, state: settings.labels.nodeStates[node.state].label });
    fillSelect(
      this.#select("node"),
      [["", texts.say("run.anyNode")], ...nodes.map((node): Option => [node.id, label(node)])],
      chosen,
    );
  }

  #fillProjects(chosen: string): void {
    const { fleet } = this.#page;
    const names = projectNames(fleet.nodes.values(), this.#fields.node);
    const options = names.map((name): Option => [name, name]);
    // A command may run without a project; a named task is always one of a project.
    if (this.#fields.kind === "command") options.unshift(["", "–"]);
    fillSelect(this.#select("project"), options, chosen);
  }

  #fillTasks(chosen: string): void {
    const { node, project } = this.#fields;
    const tasks = namedTasks(this.#page.fleet.nodes.values(), node, project);
    fillSelect(
      this.#select("task"),
      tasks.map((task): Option => [task.name, task.name]),
      chosen,
    );
    this.#showHint();
  }

  #showHint(): void {
    const { texts, fleet } = this.#page;
    const { node, project, task: name } = this.#fields;
    const task = namedTasks(fleet.nodes.values(), node, project).find((each) => each.name === name);
    const hint = this.#form.querySelector("[data-named-hint]");
    if (!task) {
      setText(hint, name === "" ? texts.say("run.noProjects") : "");
      return;
    }
    const limits = [
      task.timeoutSeconds > 0 ? texts.say("run.timeout", { duration: clockDuration(task.timeoutSeconds) }) : "",
      task.stallAfterSeconds > 0 ? texts.say("run.stall", { duration: clockDuration(task.stallAfterSeconds) }) : "",
    ];
    setText(hint, [task.description, `$ ${task.argv.join(" ")}`, ...limits].filter(Boolean).join(" · "));
  }

  #showProblem(text: string): void {
    const line = this.#dialog.querySelector(".form-error");
    setText(line, text);
    setHidden(line, text === "");
  }

  #select(name: string): HTMLSelectElement | null {
    return this.#form.querySelector(`select[name="${name}"]`);
  }
}

function isFilled(control: HTMLInputElement | HTMLTextAreaElement): boolean {
  return control.type === "checkbox" ? (control as HTMLInputElement).checked : control.value !== "";
}

type Option = [value: string, label: string];

/** Fills a select and keeps the choice where it is still offered. */
function fillSelect(select: HTMLSelectElement | null, options: Option[], chosen: string): void {
  if (!select) return;
  select.replaceChildren(...options.map(([value, label]) => new Option(label, value)));
  select.value = options.some(([value]) => value === chosen) ? chosen : (options[0]?.[0] ?? "");
}
