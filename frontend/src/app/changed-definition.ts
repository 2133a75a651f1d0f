/** Asks before a retry that would run something else than last time: the task's definition has changed. */

import { plain } from "../chat/markdown";
import type { TaskInfo } from "../live/messages";
import { setText } from "../tables/cells";
import type { Actions } from "./actions";
import { confirmWith } from "./dialogs";
import { element, type Page } from "./page";

/** `details` of an ERROR with the code "definition-changed". */
interface Change {
  definition: string;
  nodes: string[];
  before: string;
  after: string;
}

export function wireChangedDefinition(page: Page, actions: Actions): void {
  const dialog = element<HTMLDialogElement>("changed-dialog");
  if (!dialog) return;
  actions.onChangedDefinition = (task: TaskInfo, details) => {
    const change = details as unknown as Change;
    if (dialog.open) return;
    setText(element("changed-title"), page.texts.get("changed.title", { name: plain(task.name) }));
    setText(element("changed-text"), page.texts.get("changed.text", { nodes: plain(change.nodes.join(", ")) }));
    setText(element("changed-before"), plain(change.before));
    setText(element("changed-after"), plain(change.after));
    // Accepts only this definition: if it changes again, the server asks again.
    confirmWith(dialog, () => actions.control(task, "retry", { definition: change.definition }));
  };
}
