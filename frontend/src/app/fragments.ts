/** htmx: forms and pagers that narrow a list fetch only its part of the page. Never used for pushes. */

import htmx from "htmx.org";
import type { NodeStatus, TaskInfo } from "../live/messages";
import type { Page } from "./page";
import { drawTimes } from "./ticker";

interface TrustedTypesWindow {
  trustedTypes?: { createPolicy(name: string, rules: { createHTML: (text: string) => string; createScript: () => string }): object };
}

export function wireFragments(page: Page, afterSwap: () => void): void {
  // Fragments may bring markup but never a script.
  const policy = (window as TrustedTypesWindow).trustedTypes?.createPolicy("htmx", {
    createHTML: (text) => text,
    createScript: () => "",
  });
  if (policy) {
    htmx.registerExtension("trusted-types", {
      init: (api: { initSecurity(policy: object): void }) => api.initSecurity(policy),
    } as unknown as Parameters<typeof htmx.registerExtension>[1]);
  }
  document.addEventListener("htmx:after:swap", () => {
    takeListData(page);
    drawTimes(document, page);
    afterSwap();
  });
}

/** The rows that a fragment brought are things the page may not have heard of. */
function takeListData(page: Page): void {
  const holder = document.getElementById("list-data");
  if (holder?.dataset.tasks) page.fleet.learnTasks(JSON.parse(holder.dataset.tasks) as TaskInfo[]);
  if (holder?.dataset.nodes) page.fleet.learnNodes(JSON.parse(holder.dataset.nodes) as NodeStatus[]);
}
