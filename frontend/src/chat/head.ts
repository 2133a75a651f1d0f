/** The panel's head: the engine and why it answers, older conversations, errors. */

import { element, type Page } from "../app/page";
import type { ConversationInfo, EngineStatus } from "../live/messages";
import { setHidden, setText } from "../tables/cells";
import { make } from "./dom";

export function drawEngine(engine: EngineStatus | null, page: Page): void {
  const reasons = page.settings.labels.chatEngines;
  setText(element("chat-model"), engine?.name === "claude" ? engine.model : "");
  setHidden(element("chat-engine"), engine === null || engine.name === "claude");
  setText(element("chat-engine-text"), reasons[engine?.reason ?? ""] ?? page.texts.get("chat.byRules"));
}

/** Shows the error of a request; empty = none. */
export function showError(text: string): void {
  setText(element("chat-problem"), text);
  setHidden(element("chat-problem"), text === "");
}

/** Updates the button for a new conversation; `code`: why none can be started. */
export function drawBegin(code: string, page: Page): void {
  const begin = element<HTMLButtonElement>("chat-new");
  if (!begin) return;
  begin.disabled = code !== "";
  begin.title = begin.textContent.trim() + (code ? `: ${page.settings.labels.chatReasons[code] ?? code}` : "");
}

export function listPast(results: readonly ConversationInfo[], page: Page): void {
  const rows = results
    .filter((info) => !info.isOpen)
    .map((info) => {
      const open = make("button", "chat-past-item", page.texts.dateTime(info.lastAt));
      open.type = "button";
      open.dataset.conversation = info.id;
      return make("li", "", open);
    });
  element("chat-past-list")?.replaceChildren(...rows);
  setHidden(element("chat-past"), rows.length === 0);
}
