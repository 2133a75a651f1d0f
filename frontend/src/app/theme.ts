/** The theme is in a cookie, so that the server can render it; without the cookie the system decides. */

import { element } from "./page";

const YEAR_SECONDS = 31_536_000;

export function wireTheme(): void {
  element("theme-toggle")?.addEventListener("click", () => {
    const root = document.documentElement;
    const isDark = root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = isDark ? "light" : "dark";
    document.cookie = `agentflow_theme=${root.dataset.theme};path=/;max-age=${YEAR_SECONDS};samesite=lax`;
  });
}
