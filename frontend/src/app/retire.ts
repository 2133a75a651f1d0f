/** A node's page: retires a node that is gone, after a confirmation. */

import { setHidden, setText } from "../tables/cells";
import { element, type Page } from "./page";
import { postJson, RestError } from "./rest";

export function wireRetire(page: Page): void {
  const button = element("retire");
  const dialog = element<HTMLDialogElement>("retire-dialog");
  if (!button || !dialog) return;
  const { decisions } = page.settings.labels;
  const id = element("node-head")?.dataset.node ?? "";
  const draw = (): void => {
    const node = page.fleet.nodes.get(id);
    if (!node) return;
    const isReachable = decisions.nodes[node.state].isReachable;
    setHidden(button, isReachable);
    if (isReachable) dialog.close("");
  };
  page.fleet.onChange("nodes", (changed) => changed === id && draw());
  page.fleet.onReplace("nodes", draw);
  dialog.querySelector("form")?.addEventListener("submit", (event) => {
    event.preventDefault();
    void retire(page, dialog);
  });
}

async function retire(page: Page, dialog: HTMLDialogElement): Promise<void> {
  const yes = element<HTMLButtonElement>("retire-yes");
  const problem = element("retire-problem");
  if (yes) yes.disabled = true;
  setHidden(problem, true);
  try {
    await postJson(dialog.dataset.url ?? "", {});
    location.reload();
  } catch (error) {
    const isOnline = error instanceof RestError && error.code === "node-online";
    setText(problem, page.texts.get(isOnline ? "retire.online" : "retire.failed"));
    setHidden(problem, false);
    if (yes) yes.disabled = false;
  }
}
