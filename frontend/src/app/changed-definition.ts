/** Asks before a retry that would run something else than last time: the task's definition has changed. */

import { plain } from "../chat/markdown";
import type { TaskInfo } from "../live/messages";
import { setText } from "../tables/cells";
import type { Actions } from "./actions";
import { confirmWith } from "./dialogs";
import { type Limits, limitTexts } from "./limits";
import { element, type Page } from "./page";

/** `details` of an ERROR with the code "definition-changed". */
interface Change extends Limits {
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
    if (dialog.open) return false;
    setText(element("changed-title"), page.texts.get("changed.title", { name: plain(task.name) }));
    // Its time limits are part of a definition: the command alone may be the same.
    const text = change.before === change.after ? "changed.limits" : "changed.text";
    setText(element("changed-text"), page.texts.get(text, { nodes: plain(change.nodes.join(", ")) }));
    setText(element("changed-before"), plain(change.before));
    setText(element("changed-after"), plain(change.after));
    const limits = limitTexts(change, page.texts).join(" · ");
    setText(element("changed-limits"), limits || page.texts.get("changed.noLimits"));
    // Accepts only this definition: if it changes again, the server asks again.
    confirmWith(dialog, () => actions.control(task, "retry", { definition: change.definition }));
    return true;
  };
}
