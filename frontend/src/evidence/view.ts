/** A dialog with the complete evidence of a stuck task and a button to acknowledge its alert. */

import { element, type Page } from "../app/page";
import { phraseText } from "../app/phrases";
import { getJson, postJson, RestError } from "../app/rest";
import { byteSize } from "../app/texts";
import { button, make } from "../chat/dom";
import { plain } from "../chat/markdown";
import type { AlertInfo } from "../live/messages";
import { alertTask } from "../tables/alert-view";
import { setHidden, setText } from "../tables/cells";
import { emptyText, figureRows, processRows } from "./text";

type Known = Omit<AlertInfo, "evidence">;

interface Piece {
  id: string;
  kind: string;
  text: string;
}

export function wireEvidence(page: Page): void {
  const dialog = element<HTMLDialogElement>("evidence");
  if (!dialog) return;
  const view = new EvidenceView(page, dialog);
  document.addEventListener("click", (event) => {
    const pressed = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-evidence]") : null;
    if (!pressed) return;
    const alert = pressed.dataset.evidence || (pressed.closest<HTMLElement>("[data-alert]")?.dataset.alert ?? "");
    if (alert) view.open(alert);
  });
  page.live.on("ALERT", (message) => view.update(message));
  // No message reports changes from while the page was disconnected.
  page.fleet.onReplace("alerts", () => view.refresh());
}

class EvidenceView {
  readonly #page: Page;
  readonly #dialog: HTMLDialogElement;
  readonly #acknowledge: HTMLButtonElement | null;
  #shown = "";
  /** Digest of the alert whose evidence is shown; empty = none yet. */
  #seen = "";
  /** Pushed while the evidence was loading. */
  #newer: Known | null = null;

  constructor(page: Page, dialog: HTMLDialogElement) {
    this.#page = page;
    this.#dialog = dialog;
    this.#acknowledge = element<HTMLButtonElement>("evidence-acknowledge");
    this.#acknowledge?.addEventListener("click", () => void this.#takeCare());
  }

  open(alert: string): void {
    const { texts } = this.#page;
    this.#shown = alert;
    this.#seen = "";
    this.#acknowledge?.setAttribute("hidden", "");
    setText(element("evidence-title"), texts.get("evidence.title"));
    element("evidence-about")?.replaceChildren();
    element("evidence-body")?.replaceChildren(make("p", "sub", texts.get("evidence.loading")));
    setHidden(element("evidence-problem"), true);
    if (!this.#dialog.open) this.#dialog.showModal();
    void this.#load(alert);
  }

  refresh(): void {
    if (this.#dialog.open) void this.#load(this.#shown);
  }

  async #load(alert: string): Promise<void> {
    const { texts } = this.#page;
    this.#newer = null;
    try {
      const found = await getJson<Known & { evidence: Piece[]; isPartial: boolean }>(
        `${this.#page.settings.urls.alerts}${encodeURIComponent(alert)}/`,
      );
      if (this.#shown !== alert) return;
      setHidden(element("evidence-problem"), true);
      const isShown = this.#seen === found.digest;
      this.#seen = found.digest;
      this.#head(this.#newer ?? found);
      // Renewed while it loaded.
      if (this.#newer !== null && (this.#newer as Known).digest !== found.digest) void this.#load(alert);
      // Keep the scroll position.
      if (isShown) return;
      element("evidence-body")?.replaceChildren(
        ...(found.isPartial ? [make("p", "sub", texts.get("evidence.partial"))] : []),
        ...(found.evidence.length > 0
          ? found.evidence.map((piece) => section(piece, this.#page))
          : [make("p", "sub", texts.get("evidence.none"))]),
      );
      // Show the last output first.
      for (const end of this.#dialog.querySelectorAll("[data-end]")) end.scrollTop = end.scrollHeight;
    } catch (error) {
      if (this.#shown !== alert) return;
      this.#failed(error);
      // Keep what is already shown; if there is nothing, offer a retry.
      if (this.#seen) return;
      element("evidence-body")?.replaceChildren();
      if (error instanceof RestError && error.code === "not-found") return;
      const again = button("btn btn-sm", "rotate-cw", texts.get("chat.retry"), {});
      again.addEventListener("click", () => {
        this.#dialog.querySelector<HTMLElement>("[data-closes]")?.focus();
        this.open(alert);
      });
      element("evidence-body")?.append(again);
    }
  }

  /** The alert has changed. */
  update(alert: Known): void {
    if (!this.#dialog.open || alert.id !== this.#shown) return;
    this.#newer = alert;
    this.#head(alert);
    // Renewed: the evidence is another one.
    if (this.#seen && alert.digest !== this.#seen) void this.#load(alert.id);
  }

  #head(alert: Known): void {
    const { texts, settings } = this.#page;
    const health = settings.labels.taskHealth[alert.kind as "waiting"];
    const name = alertTask(alert) || plain(alert.node);
    setText(element("evidence-title"), texts.get("evidence.of", { name }));
    const where = make(
      "p",
      "sub",
      ...(alert.task ? [link(name, this.#page.taskUrl(alert.task)), " · "] : []),
      link(plain(alert.node), this.#page.nodeUrl(alert.node)),
      ` · ${texts.dateTime(alert.openedAt)}`,
    );
    const state =
      alert.resolvedAt !== null
        ? texts.get("toast.resolved")
        : alert.acknowledgedAt !== null
          ? texts.get("evidence.acknowledged", { name: alert.acknowledgedBy })
          : "";
    const reason = make("p", "evidence-reason", phraseText(alert, "message", settings.labels));
    const kept = state ? make("p", "evidence-state", state) : null;
    element("evidence-about")?.replaceChildren(...[reason, where, kept].filter((part) => part !== null));
    this.#dialog.dataset.tone = alert.resolvedAt !== null ? "good" : (health?.tone ?? "warn");
    const isNew = alert.digest !== this.#seen;
    const isDone = alert.resolvedAt !== null || alert.acknowledgedAt !== null;
    if (this.#acknowledge) {
      if (isDone && this.#acknowledge === document.activeElement)
        this.#dialog.querySelector<HTMLElement>("[data-closes]")?.focus();
      setHidden(this.#acknowledge, isDone);
      // Not before the person sees what the alert is about now.
      this.#acknowledge.disabled = isNew;
    }
  }

  async #takeCare(): Promise<void> {
    if (!this.#acknowledge) return;
    this.#acknowledge.disabled = true;
    const seen = this.#seen;
    try {
      // Everyone gets the result as an ALERT.
      await postJson(`${this.#page.settings.urls.alerts}${encodeURIComponent(this.#shown)}/acknowledge/`, { seen });
      setHidden(element("evidence-problem"), true);
    } catch (error) {
      this.#acknowledge.disabled = false;
      this.#failed(error);
      // The alert may be resolved; its current state explains the failure.
      if (error instanceof RestError && ["not-found", "stale"].includes(error.code)) void this.#load(this.#shown);
    }
  }

  #failed(error: unknown): void {
    const { reasons } = this.#page.settings.labels;
    const code = error instanceof RestError ? error.code : "unavailable";
    setText(
      element("evidence-problem"),
      code === "not-found" ? this.#page.texts.get("evidence.gone") : (reasons[code] ?? code),
    );
    setHidden(element("evidence-problem"), false);
  }
}

function link(text: string, url: string): HTMLAnchorElement {
  const made = make("a", "row-link", text);
  made.href = url;
  return made;
}

function section(piece: Piece, page: Page): HTMLElement {
  const title = make("h3", "", page.settings.labels.evidenceKinds[piece.kind] ?? piece.kind);
  const box = make("section", "evidence-piece", title, body(piece, page, title.textContent));
  box.dataset.kind = piece.kind;
  return box;
}

function body(piece: Piece, page: Page, label: string): HTMLElement {
  const nothing = emptyText(piece.text);
  if (nothing) return make("p", "sub", page.texts.get(nothing));
  const processes = piece.kind === "processes" ? processRows(piece.text) : null;
  const figures = piece.kind === "metrics" ? figureRows(piece.text) : null;
  const { texts } = page;
  if (processes) {
    const states = page.settings.labels.processStates;
    return table(
      label,
      ["evidence.command", "evidence.pid", "evidence.state", "evidence.waits", "evidence.cpu"].map((key) =>
        texts.get(key),
      ),
      processes.map((row) => {
        const command = make("span", "evidence-command mono", plain(row.command));
        command.style.setProperty("--depth", String(row.depth));
        return [command, row.pid, states[row.state] ?? row.state, row.waits || "–", `${row.cpu} s`];
      }),
    );
  }
  if (figures) {
    return table(
      label,
      [
        "evidence.when",
        "evidence.output",
        "evidence.cpu",
        "evidence.read",
        "evidence.written",
        "evidence.processes",
        "evidence.nodeCpu",
      ].map((key) => texts.get(key)),
      figures.map((row) => [
        row.before === 0 ? texts.get("evidence.last") : texts.get("evidence.before", { seconds: row.before }),
        byteSize(row.output),
        `${row.cpuSeconds.toFixed(2)} s`,
        byteSize(row.read),
        byteSize(row.written),
        texts.number(row.processes),
        row.nodeCpu ? `${row.nodeCpu}%` : "–",
      ]),
    );
  }
  const text = make("pre", "mono", plain(piece.text));
  text.tabIndex = 0;
  text.role = "group";
  text.setAttribute("aria-label", label);
  if (piece.kind === "lines") text.dataset.end = "";
  return text;
}

function table(label: string, heads: string[], rows: (HTMLElement | string)[][]): HTMLElement {
  const head = make("tr", "", ...heads.map((text) => Object.assign(make("th", "", text), { scope: "col" })));
  const lines = rows.map((cells) => make("tr", "", ...cells.map((cell) => make("td", "", cell))));
  const frame = make(
    "div",
    "evidence-frame",
    make("table", "sheet-table", make("thead", "", head), make("tbody", "", ...lines)),
  );
  frame.tabIndex = 0;
  frame.role = "group";
  frame.setAttribute("aria-label", label);
  frame.dataset.end = "";
  return frame;
}
