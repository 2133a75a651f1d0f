/** Converts the "New task" form to a RUN message. */

import type { NamedTask, NodeStatus, RunRequest } from "../live/messages";

/** Fields that need conversion: the kind of task, and the text of its command. */
export interface RunFields {
  kind: "named" | "command";
  task: string;
  command: string;
  shell: boolean;
  environment: string;
}

export type RunProblem =
  | "run.needsCommand"
  | "run.unclosedQuote"
  | "run.needsNode"
  | "run.badEnvironment"
  | "run.noProjects";

/** The filled controls that are marked `data-run`; their names are the message's fields. */
export function filledFields(form: HTMLFormElement): RunRequest {
  const found: Record<string, string | number | boolean> = {};
  for (const control of form.querySelectorAll<HTMLInputElement | HTMLSelectElement>("[data-run]")) {
    // In a field set of another kind of task.
    if (control.closest("fieldset[disabled]")) continue;
    const value = filledValue(control);
    if (value !== null) found[control.name] = value;
  }
  return found as RunRequest;
}

/** Null if empty. */
function filledValue(control: HTMLInputElement | HTMLSelectElement): string | number | boolean | null {
  if (control.type === "checkbox") return (control as HTMLInputElement).checked || null;
  const text = control.value.trim();
  if (text === "") return null;
  return control.type === "number" ? Number(text) : text;
}

/** The request with these fields, or the key of an error. */
export function runRequest(fields: RunFields, filled: RunRequest): RunRequest | RunProblem {
  if (fields.kind === "named") return fields.task === "" ? "run.noProjects" : { ...filled, namedTask: fields.task };
  if (!filled.project && !filled.node) return "run.needsNode";
  if (fields.command.trim() === "") return "run.needsCommand";
  const environment = parseEnvironment(fields.environment);
  if (environment === null) return "run.badEnvironment";
  const request = Object.keys(environment).length === 0 ? filled : { ...filled, environment };
  if (fields.shell) return { ...request, shellLine: fields.command.trim() };
  const argv = splitWords(fields.command);
  return argv === null ? "run.unclosedQuote" : { ...request, argv };
}

/** Splits like a shell, without expansion; null if a quotation mark is not closed. */
export function splitWords(line: string): string[] | null {
  const words: string[] = [];
  let word: string | null = null;
  let quote = "";
  for (let index = 0; index < line.length; index += 1) {
    const character = line[index] as string;
    const next = line[index + 1];
    if (quote === "'") {
      if (character === "'") quote = "";
      else word += character;
    } else if (quote === '"') {
      if (character === '"') quote = "";
      else if (character === "\\" && next !== undefined && '"\\$`'.includes(next)) word += line[++index] as string;
      else word += character;
    } else if (character === "'" || character === '"') {
      quote = character;
      word ??= "";
    } else if (character === "\\") {
      if (next === undefined) return null;
      word = (word ?? "") + (line[++index] as string);
    } else if (/\s/.test(character)) {
      if (word !== null) words.push(word);
      word = null;
    } else {
      word = (word ?? "") + character;
    }
  }
  if (quote !== "") return null;
  if (word !== null) words.push(word);
  return words;
}

function parseEnvironment(text: string): Record<string, string> | null {
  const variables: Record<string, string> = {};
  for (const line of text.split("\n")) {
    if (line.trim() === "") continue;
    const [, name, value] = /^\s*([^=\s]+)=(.*)$/.exec(line) ?? [];
    if (name === undefined || value === undefined) return null;
    variables[name] = value;
  }
  return variables;
}

/** Projects of one node or of all nodes, sorted by name. */
export function projectNames(nodes: Iterable<NodeStatus>, node: string): string[] {
  const names = new Set<string>();
  for (const each of nodes) {
    if (node !== "" && each.id !== node) continue;
    for (const project of each.capabilities.projects ?? []) names.add(project.name);
  }
  return [...names].sort((a, b) => a.localeCompare(b));
}

/** Named tasks of a project on one node or on any. If nodes differ, the first one wins. */
export function namedTasks(nodes: Iterable<NodeStatus>, node: string, project: string): NamedTask[] {
  const found = new Map<string, NamedTask>();
  for (const each of nodes) {
    if (node !== "" && each.id !== node) continue;
    for (const candidate of each.capabilities.projects ?? []) {
      if (candidate.name !== project) continue;
      for (const task of candidate.tasks) if (!found.has(task.name)) found.set(task.name, task);
    }
  }
  return [...found.values()].sort((a, b) => a.name.localeCompare(b.name));
}
