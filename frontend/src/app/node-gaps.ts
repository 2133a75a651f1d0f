/** On a node's page: permanently missing journal entries, added when they are reported. */

import { plain } from "../chat/markdown";
import type { Gap } from "../live/messages";
import { gapReason } from "../logs/gaps";
import { field, setAttribute, setHidden, setText, setTime } from "../tables/cells";
import { element, type Page } from "./page";

export function wireNodeGaps(page: Page): void {
  const list = element("gap-list");
  const source = element<HTMLTemplateElement>("gap-template")?.content.firstElementChild;
  const node = element("node-head")?.dataset.node;
  if (!list || !source) return;
  page.live.on("GAP", (gap) => {
    if (gap.reason === "slow" || !("node" in gap) || gap.node !== node) return;
    const text = entriesText(gap, page);
    if (text === "") return;
    const item = document.importNode(source, true) as HTMLElement;
    setText(field(item, "gapText"), text);
    setTime(field(item, "gapAt"), gap.at ?? null);
    const task = field(item, "gapTask");
    setHidden(task, !gap.task);
    if (gap.task) setAttribute(task, "href", page.taskUrl(gap.task));
    setText(task, plain(page.fleet.tasks.get(gap.task ?? "")?.name ?? gap.task ?? ""));
    list.prepend(item);
    setHidden(element("node-gaps"), false);
  });
}

/** Empty for a gap with line numbers only, which the task's log shows. */
export function entriesText(gap: Gap, page: Pick<Page, "texts" | "settings">): string {
  const first = Number(gap.from ?? 0);
  const last = Number(gap.to ?? 0);
  if (first === 0 || gap.seq === undefined) return "";
  if (gap.reason === "damaged") return page.texts.get("node.lostJournal");
  return page.texts.get("node.lostEntries", { first, last, reason: gapReason(gap.reason ?? "", page.settings.labels) });
}
