/**
 * What the shown attempt of a task runs, on the task's page. Messages do not contain it, because they go to everyone:
 * REST has it, for people who may see it.
 */

import { make } from "../chat/dom";
import { plain } from "../chat/markdown";
import { element, type Page } from "./page";
import { getJson } from "./rest";
import { loadFailure } from "./rights";

interface Resolved {
  command: string;
  workingDirectory: string;
  environment: Record<string, string>;
}

export interface CommandDetail {
  /** As requested; null: this person may not see it. */
  command: string | null;
  attempts: { attempt: number; resolved: Resolved | null }[];
}

export function wireTaskCommand(page: Page): void {
  const box = element("task-command");
  const id = box?.dataset.task;
  if (!box || !id) return;
  const url = `${page.settings.urls.tasks}${encodeURIComponent(id)}/`;
  let drawn = "";
  /** Changes when there may be something new to read: the node says what it runs when the attempt starts or ends. */
  const version = (): string => {
    const task = page.fleet.tasks.get(id);
    return `${shownAttempt()} ${task?.attempt} ${task?.startedAt} ${task?.state === "failed"}`;
  };
  const load = async (): Promise<void> => {
    const wanted = version();
    if (wanted === drawn) return;
    drawn = wanted;
    try {
      const found = await getJson<CommandDetail>(url);
      if (drawn === wanted) box.replaceChildren(...commandView(found, shownAttempt(), page));
    } catch (error) {
      console.warn("could not read a task's command", error);
      const again = (): void => {
        drawn = "";
        void load();
      };
      if (drawn === wanted) box.replaceChildren(...loadFailure(page, again));
    }
  };
  page.fleet.onChange("tasks", (changed) => changed === id && void load());
  page.fleet.onReplace("tasks", () => void load());
  void load();
}

/** The attempt whose log is shown. */
function shownAttempt(): number {
  return Number(document.querySelector<HTMLElement>("#attempts [aria-current]")?.dataset.attempt ?? 0);
}

export function commandView(found: CommandDetail, attempt: number, page: Page): HTMLElement[] {
  const { texts } = page;
  if (found.command === null) return [make("span", "sub", texts.get("command.hidden"))];
  const resolved = found.attempts.find((one) => one.attempt === attempt)?.resolved ?? null;
  const line = make("code", "command-line", plain(resolved?.command ?? found.command));
  if (!resolved) return [line];
  const folder = make("p", "sub mono", texts.get("command.folder", { folder: plain(resolved.workingDirectory) }));
  const variables = Object.entries(resolved.environment);
  const list = make("dl", "step-arguments");
  for (const [name, value] of variables) list.append(make("dt", "", plain(name)), make("dd", "mono", plain(value)));
  const more = make("details", "sub", make("summary", "", texts.count("command.variables", variables.length)), list);
  return [line, folder, more];
}
