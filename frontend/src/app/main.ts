/** Starts a page: reads the server's data, opens the live connection, and connects both. */

import { wireChat } from "../chat/index";
import { wireEvidence } from "../evidence/view";
import { LiveClient } from "../live/client";
import type { Socket } from "../live/link";
import { fetchTicket } from "../live/ticket";
import { Attempts } from "../logs/attempts";
import { LogPanel } from "../logs/panel";
import { wireKeys } from "../palette/keys";
import { Palette } from "../palette/palette";
import { Actions } from "./actions";
import { AlertNotices, noticeOf } from "./alert-notices";
import { wireAnswerForm } from "./answers";
import { wireChangedDefinition } from "./changed-definition";
import { wireCommands } from "./command-rows";
import { openDialog, wireDialogs, wireTaskButtons } from "./dialogs";
import { Fleet } from "./fleet";
import { wireFragments } from "./fragments";
import { openBridge } from "./island";
import { wireLinkBadge } from "./link-badge";
import { NewTaskDialog } from "./new-task";
import { wireNodeGaps } from "./node-gaps";
import { wireOutdated } from "./outdated";
import type { Page } from "./page";
import { PageAge } from "./page-age";
import { wireRetire } from "./retire";
import { metaContent, type PageData, readJson, type Settings, startCursor } from "./settings";
import { wireTables } from "./tables";
import { wireTaskCommand } from "./task-command";
import { Texts } from "./texts";
import { wireTheme } from "./theme";
import { startTicker } from "./ticker";
import { wireTiles } from "./tiles";
import { Toasts } from "./toasts";
import { wireTrouble } from "./trouble";

function openPage(settings: Settings, data: PageData): Page {
  const loadedAt = Date.now();
  const serverAhead = Number(metaContent("server-now")) - loadedAt;
  const now = (): number => Date.now() + serverAhead;
  const topics = (document.body.dataset.topics ?? "").split(" ").filter(Boolean);
  const start = startCursor(data);
  const live = new LiveClient({
    topics,
    ...(start ? { start } : {}),
    // The DOM's handler types declare `this`, which is not used here.
    openSocket: () =>
      new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/`) as unknown as Socket,
    ticket: () => fetchTicket(settings.urls.ticket),
    // Times in messages are server time.
    now,
    // Hidden pages get no animation frames, but must still acknowledge messages.
    schedule: (flush) => (document.hidden ? setTimeout(flush, 250) : requestAnimationFrame(flush)),
  });
  return {
    settings,
    texts: new Texts(document.documentElement.lang, settings.strings),
    live,
    fleet: new Fleet(settings.labels, data),
    age: new PageAge(live),
    now,
    taskUrl: (id) => settings.urls.task.replace("TASK", encodeURIComponent(id)),
    nodeUrl: (id) => settings.urls.node.replace("NODE", encodeURIComponent(id)),
  };
}

/** Applies live messages to the page's data, from which everything is rendered. */
function feedFleet(page: Page, notices: AlertNotices): void {
  const { live, fleet } = page;
  live.on("SNAPSHOT", (snapshot) => fleet.replace(snapshot));
  live.on("NODE_STATUS", (message) => fleet.applyNode(message.node));
  live.on("METRICS", (message) => fleet.applyMetrics(message));
  live.on("TASK_UPDATE", (message) => fleet.applyTask(message.task));
  live.on("COMMAND", (message) => fleet.applyCommand(message.command));
  live.on("ALERT", (message) => {
    fleet.applyAlert(message);
    const content = noticeOf(message, page);
    if (content) notices.show(message.id, content);
  });
}

function wireLife(live: LiveClient): void {
  document.addEventListener("visibilitychange", () => {
    // An animation frame requested before the page was hidden never arrives.
    live.flush();
    if (!document.hidden) live.resume();
  });
  addEventListener("online", () => live.resume());
  addEventListener("pagehide", () => live.suspend());
  addEventListener("pageshow", (event) => {
    if (event.persisted) live.resume();
  });
}

function main(): void {
  const settings = readJson<Settings | null>("script-settings", null);
  if (!settings) return;
  const data = readJson<PageData>("page-data", {});
  const page = openPage(settings, data);
  const toasts = new Toasts();
  const actions = new Actions(page, toasts);
  const notices = new AlertNotices(toasts);
  feedFleet(page, notices);
  const redrawTables = wireTables(page);
  wireCommands(page);
  wireNodeGaps(page);
  wireRetire(page);
  wireOutdated(page);
  wireLinkBadge(page);
  wireTiles(page, wireTrouble(page));
  page.age.onChange(redrawTables);
  wireTheme();
  wireFragments(page, toasts, redrawTables);
  const logs = LogPanel.wire(page, data.logs ?? [], data.gaps ?? []);
  Attempts.wire(page, logs);
  // After the attempts, whose shown one it reads.
  wireTaskCommand(page);

  const palette = Palette.wire(page);
  const newTask = NewTaskDialog.wire(page, actions);
  const prepare = (dialog: HTMLDialogElement, opener: HTMLElement | null): void => {
    if (dialog.id === "palette") palette?.prepare();
    if (dialog.id === "new-task") newTask?.prepare(opener);
  };
  wireDialogs(prepare);
  wireKeys((id) => openDialog(id, null, prepare));
  wireTaskButtons(page, actions);
  wireAnswerForm(page, actions);
  wireChangedDefinition(page, actions);

  wireEvidence(page);
  wireChat(page, toasts, notices);
  openBridge(page, (node) => logs?.chooseNode(node));
  startTicker(page);
  wireLife(page.live);
  page.live.start();
}

main();
