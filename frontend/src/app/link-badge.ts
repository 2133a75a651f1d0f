/** The badge of the page's link: live with its latency, connecting, waiting, or silent. Never hides that data is old. */

import { type LinkStatus, oldSince } from "../live/link";
import { setAttribute, setHidden, setText } from "../tables/cells";
import { element, type Page } from "./page";
import type { Texts } from "./texts";

export interface LinkBadgeView {
  state: LinkStatus["kind"];
  text: string;
  /** Set if a click helps: the login page. */
  needsLogin: boolean;
}

export function linkBadge(status: LinkStatus, texts: Texts, nowMs: number): LinkBadgeView {
  switch (status.kind) {
    case "live": {
      const text =
        status.pushMs === null
          ? texts.get("link.live")
          : texts.get("link.liveLatency", { latency: pushLatency(status.pushMs) });
      return { state: "live", text, needsLogin: false };
    }
    case "connecting":
      return { state: "connecting", text: texts.get("link.connecting"), needsLogin: false };
    case "waiting": {
      const seconds = Math.max(1, Math.ceil((status.retryAt - nowMs) / 1000));
      return { state: "waiting", text: texts.get("link.waiting", { seconds }), needsLogin: false };
    }
    case "behind":
      return {
        state: "behind",
        text: texts.get("link.behind", { time: texts.clock(status.since, nowMs) }),
        needsLogin: false,
      };
    case "silent":
      return {
        state: "silent",
        text: texts.get("link.silent", { time: texts.clock(status.since, nowMs) }),
        needsLogin: false,
      };
    case "closed":
      return { state: "closed", text: texts.get(`link.${status.reason}`), needsLogin: status.reason === "login" };
  }
}

export function pushLatency(ms: number): string {
  return ms < 1 ? "< 1 ms" : ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

export function wireLinkBadge(page: Page): void {
  const pill = element("link-pill");
  if (!pill) return;
  let countdown: ReturnType<typeof setInterval> | undefined;
  const draw = (): void => {
    const { status } = page.live;
    const view = linkBadge(status, page.texts, page.now());
    const since = oldSince(status);
    setAttribute(pill, "data-state", view.state);
    setText(pill.querySelector("span"), view.text);
    pill.classList.toggle("is-link", view.needsLogin);
    document.body.toggleAttribute("data-stale", since !== null);
    const notice = element("link-notice");
    setHidden(notice, since === null);
    const time = page.texts.clock(since ?? 0, page.now());
    const key =
      status.kind === "behind"
        ? "link.noticeBehind"
        : status.kind === "closed"
          ? "link.noticeClosed"
          : "link.noticeLost";
    setText(notice?.querySelector("span") ?? null, page.texts.get(key, { time, state: view.text }));
  };
  page.live.onStatus((status) => {
    clearInterval(countdown);
    draw();
    if (status.kind === "waiting") countdown = setInterval(draw, 1000);
  });
  pill.addEventListener("click", () => {
    const { status } = page.live;
    if (status.kind === "closed" && status.reason === "login")
      location.assign(`${page.settings.urls.login}?next=${encodeURIComponent(location.pathname)}`);
    else page.live.resume();
  });
}
