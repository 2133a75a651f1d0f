/** The panel's status: number of lines, progress of a search, and why a log is empty. */

import { element, type Page } from "../app/page";
import { setHidden, setText } from "../tables/cells";
import { AttemptLog } from "./attempt-log";
import type { LogBuffer } from "./buffer";
import type { FleetLog } from "./fleet-log";
import type { LogSearch } from "./search";
import type { LogView } from "./view";

export interface Status {
  page: Page;
  buffer: LogBuffer;
  view: LogView;
  search: LogSearch;
  log: AttemptLog | FleetLog;
  /** Whether the filter excludes lines. */
  isNarrow: boolean;
  /** Text key for an empty log. */
  emptiness: string;
}

export function drawStatus(status: Status): void {
  const { view } = status;
  const { texts } = status.page;
  setText(element("log-count"), countText(status));
  drawSearch(status);
  const more = element("log-more");
  setHidden(more, view.isFollowing || view.unseen === 0);
  setText(more?.querySelector("span") ?? null, texts.count("log.newLines", view.unseen));
  const empty = element("log-empty");
  setHidden(empty, status.buffer.visible.length > 0);
  setText(empty, texts.get(emptyKey(status)));
}

function countText({ page, buffer, search, log, isNarrow }: Status): string {
  const { texts } = page;
  const { lineCount, matchCount } = buffer;
  if (!isNarrow) {
    if (log.isWhole) return texts.count("log.lines", lineCount);
    return log instanceof AttemptLog
      ? texts.get("log.newestOf", { count: lineCount, total: log.total })
      : texts.count("log.newest", lineCount);
  }
  if (search.state === "off") return texts.get("log.filtered", { shown: matchCount, count: lineCount });
  if (search.state === "done" && log instanceof AttemptLog)
    return texts.get("log.filtered", { shown: matchCount, count: log.total });
  return texts.count("log.found", matchCount);
}

function drawSearch({ page, search, log }: Status): void {
  const { texts } = page;
  const isOver = search.state === "off" || (search.state === "done" && log instanceof AttemptLog);
  setHidden(element("log-search"), isOver);
  if (isOver) return;
  const bar = element("log-search")?.querySelector("progress") ?? null;
  const first = log.firstWhole;
  setHidden(bar, !(log instanceof AttemptLog));
  let text: string;
  if (log instanceof AttemptLog) {
    const searched = log.total + 1 - (search.line || (first?.number ?? log.total + 1));
    if (bar) [bar.max, bar.value] = [log.total, searched];
    text = texts.get("log.searchedOf", { searched, total: log.total });
  } else if (search.state === "done") text = texts.get("log.searchedAll");
  else {
    const at = search.at || first?.atMs || page.now();
    text = texts.get("log.searchedBack", { time: texts.clock(at, page.now()) });
  }
  setText(element("log-searched"), search.state === "failed" ? `${text} ${texts.get("log.searchFailed")}` : text);
  const more = element("log-search-more");
  setHidden(more, search.state !== "paused" && search.state !== "failed");
  setText(more, texts.get(search.state === "failed" ? "log.searchAgain" : "log.searchMore"));
}

function emptyKey({ buffer, search, isNarrow, emptiness }: Status): string {
  if (!isNarrow || (buffer.lineCount === 0 && search.state === "off")) return emptiness;
  if (search.state === "busy") return "log.searching";
  return search.state === "paused" || search.state === "failed" ? "log.noMatchYet" : "log.noMatch";
}
