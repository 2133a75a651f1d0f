/** The banner while the Leader cannot store anything. */

import type { StoreTrouble } from "../live/messages";
import { setHidden, setText } from "../tables/cells";
import { element, type Page } from "./page";

/** Whether the Leader can store anything, for summaries that must not call a cluster healthy while it cannot. */
export interface StoreHealth {
  readonly isFailing: boolean;
  onChange(listener: () => void): void;
}

export function wireTrouble(page: Page): StoreHealth {
  const listeners = new Set<() => void>();
  let isStoreFailing = false;
  const show = (trouble: StoreTrouble | null | undefined): void => {
    const banner = element("store-banner");
    const isFailing = trouble?.state === "failing";
    setHidden(banner, !isFailing);
    // Cleared at the end, so that screen readers announce the next one.
    setText(element("store-text"), isFailing ? troubleText(trouble, page) : "");
    if (isFailing === isStoreFailing) return;
    isStoreFailing = isFailing;
    for (const listener of listeners) listener();
  };
  page.live.on("STORE", show);
  page.live.on("SNAPSHOT", (snapshot) => "trouble" in snapshot && show(snapshot.trouble));
  // A healthy Leader sends no STORE; a failing one sends it right after AUTH_OK.
  page.live.on("AUTH_OK", () => show(null));
  return {
    get isFailing() {
      return isStoreFailing;
    },
    onChange: (listener) => void listeners.add(listener),
  };
}

export function troubleText(trouble: StoreTrouble, page: Pick<Page, "texts" | "settings" | "now">): string {
  const { texts, settings } = page;
  const reasons = settings.labels.storeReasons;
  const why =
    (Object.hasOwn(reasons, trouble.reason) ? reasons[trouble.reason] : undefined) ??
    (trouble.message || trouble.reason);
  const key = trouble.since === null ? "store.failing" : "store.failingSince";
  return texts.get(key, { reason: why, time: trouble.since === null ? "" : texts.clock(trouble.since, page.now()) });
}
