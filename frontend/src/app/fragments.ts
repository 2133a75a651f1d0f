/** htmx: filters and pagers fetch only the list. Never used for live updates. */

import htmx from "htmx.org";
import type { NodeStatus, TaskInfo } from "../live/messages";
import { setAttribute } from "../tables/cells";
import type { Page } from "./page";
import { drawTimes } from "./ticker";
import type { Toasts } from "./toasts";

interface TrustedTypesWindow {
  trustedTypes?: {
    createPolicy(name: string, rules: { createHTML: (text: string) => string; createScript: () => string }): object;
  };
}

interface RequestEnd {
  ctx?: { target?: Element; response?: { status?: number } };
}

export function wireFragments(page: Page, toasts: Toasts, afterSwap: () => void): void {
  // Fragments may contain markup, but no scripts.
  const policy = (window as TrustedTypesWindow).trustedTypes?.createPolicy("htmx", {
    createHTML: (text) => text,
    createScript: () => "",
  });
  if (policy) {
    htmx.registerExtension("trusted-types", {
      init: (api: { initSecurity(policy: object): void }) => api.initSecurity(policy),
    } as unknown as Parameters<typeof htmx.registerExtension>[1]);
  }
  const failed = (): void => {
    const { texts } = page;
    toasts.show({
      tone: "warn",
      title: texts.get("fragment.title"),
      text: texts.get("fragment.unavailable"),
      lifeSeconds: 20,
    });
  };
  document.addEventListener("htmx:response:error", failed);
  document.addEventListener("htmx:error", failed);
  // Until the response arrives, the list shows the earlier result.
  for (const [event, isBusy] of [
    ["htmx:before:request", "true"],
    ["htmx:finally:request", null],
  ] as const) {
    document.addEventListener(event, (request) => {
      setAttribute((request as CustomEvent<RequestEnd>).detail.ctx?.target ?? null, "aria-busy", isBusy);
    });
  }
  document.addEventListener("htmx:before:swap", (event) => {
    // Never insert an error page; keep the current content.
    const status = (event as CustomEvent<RequestEnd>).detail.ctx?.response?.status ?? 200;
    if (status >= 400) event.preventDefault();
  });
  document.addEventListener("htmx:after:swap", () => {
    takeListData(page);
    drawTimes(document, page);
    afterSwap();
  });
}

/** A fragment's rows may contain items that the page does not know yet. */
function takeListData(page: Page): void {
  const holder = document.getElementById("list-data");
  if (holder?.dataset.tasks) page.fleet.learnTasks(JSON.parse(holder.dataset.tasks) as TaskInfo[]);
  if (holder?.dataset.nodes) page.fleet.learnNodes(JSON.parse(holder.dataset.nodes) as NodeStatus[]);
}
