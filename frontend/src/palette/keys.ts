/** Keyboard shortcuts: Ctrl/Cmd-K, "/", "?", "n", and "g" followed by a letter. Disabled while the reader types. */

import { element } from "../app/page";

const JUMP_WITHIN_MS = 1500;

export function wireKeys(open: (dialog: string) => void): void {
  let jumpUntil = 0;
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.shiftKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      const palette = element<HTMLDialogElement>("palette");
      if (palette?.open) palette.close();
      else open("palette");
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || isTyping(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    // Use the events' timestamps, because a busy page handles them late.
    const isJump = event.timeStamp < jumpUntil;
    jumpUntil = 0;
    if (isJump) {
      document.querySelector<HTMLElement>(`[data-jump="${CSS.escape(event.key)}"]`)?.click();
    } else if (event.key === "g") {
      jumpUntil = event.timeStamp + JUMP_WITHIN_MS;
    } else if (event.key === "/") {
      event.preventDefault();
      (element("log-text") ?? document.querySelector<HTMLElement>("main input[type=search]"))?.focus();
    } else if (event.key === "?") {
      open("help");
    } else if (event.key === "c") {
      event.preventDefault();
      element("chat-toggle")?.click();
    } else if (event.key === "n") {
      open("new-task");
    }
  });
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest("input, textarea, select, [contenteditable]") !== null;
}
