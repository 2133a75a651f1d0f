/** From the fields of the "new task" form to a RUN message. Pure. */

import type { NamedTask, NodeStatus, RunRequest } from "../live/messages";

export interface RunFields {
  kind: "named" | "command";
  node: string;
  project: string;
  task: string;
  command: string;
  isShell: boolean;
  name: string;
  timeout: string;
  stall: string;
  folder: string;
  environment: string;
  closeInput: boolean;
}

export type RunProblem =
  | "run.needsCommand"
  | "run.unclosedQuote"
  | "run.needsNode"
  | "run.badEnvironment"
  | "run.noProjects";

/** The request, or the key of the error in the fields. */
export function runRequest(fields: RunFields): RunRequest | RunProblem {
  const base: RunRequest = {
    project: fields.project,
    node: fields.node,
    name: fields.name.trim(),
    ...(Number(fields.timeout) > 0 ? { timeoutSeconds: Number(fields.timeout) } : {}),
    ...(Number(fields.stall) > 0 ? { stallAfterSeconds: Number(fields.stall) } : {}),
    ...(fields.closeInput ? { closeInput: true } : {}),
  };
  if (fields.kind === "named") return fields.task === "" ? "run.noProjects" : { ...base, namedTask: fields.task };
  if (fields.project === "" && fields.node === "") return "run.needsNode";
  if (fields.command.trim() === "") return "run.needsCommand";
  const environment = parseEnvironment(fields.environment);
  if (environment === null) return "run.badEnvironment";
  const more = {
    ...base,
    ...(fields.folder.trim() === "" ? {} : { workingDirectory: fields.folder.trim() }),
    ...(Object.keys(environment).length === 0 ? {} : { environment }),
  };
  if (fields.isShell) return { ...more, shellLine: fields.command.trim() };
  const argv = splitWords(fields.command);
  return argv === null ? "run.unclosedQuote" : { ...more, argv };
}

/** Splits as a shell does, without expanding anything; null when a quotation mark is not closed. */
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

/** Projects of one node, or of all nodes; by name. */
export function projectNames(nodes: Iterable<NodeStatus>, node: string): string[] {
  const names = new Set<string>();
  for (const each of nodes) {
    if (node !== "" && each.id !== node) continue;
    for (const project of each.capabilities.projects ?? []) names.add(project.name);
  }
  return [...names].sort((a, b) => a.localeCompare(b));
}

/** Named tasks of a project on one node or on any; if two nodes differ, the first one wins. */
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
