/** Dark or light: the reader's choice in a cookie, so that the server renders it at once; none = the system's. */

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
