/**
 * Searches lines that the page does not have: newest first, a limited piece of the log at a time. Pauses after many
 * matches or pieces, reports its progress, and continues on request.
 */

import type { LogBatch } from "../live/messages";
import { type LogLine, linesOf } from "./line";

export interface SearchAnswer {
  logs: LogBatch[];
  /** Start of the next piece; null = nothing older. */
  before: string | null;
  /** The oldest line that was read: its number in the attempt, and its time; 0 = none. */
  line: number;
  at: number;
}

export interface SearchOptions {
  ask: (before: string) => Promise<SearchAnswer>;
  onFound: (lines: readonly LogLine[]) => void;
  onChange: () => void;
}

/** Debounces typing. */
const TYPING_MS = 250;
const MATCHES_A_ROUND = 400;
const PIECES_A_ROUND = 10;

export type SearchState = "off" | "busy" | "paused" | "failed" | "done";

export class LogSearch {
  readonly #options: SearchOptions;
  #state: SearchState = "off";
  #before = "";
  #line = 0;
  #at = 0;
  /** Counts searches, to ignore responses of earlier ones. */
  #run = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: SearchOptions) {
    this.#options = options;
  }

  get state(): SearchState {
    return this.#state;
  }

  /** Number of the oldest line that was read; 0 = none yet. */
  get line(): number {
    return this.#line;
  }

  /** Time of the oldest line that was read; 0 = none yet. */
  get at(): number {
    return this.#at;
  }

  /** Restarts with lines before this id; empty = with the newest line. */
  start(before: string): void {
    this.stop();
    this.#before = before;
    this.#state = "busy";
    this.#timer = setTimeout(() => void this.#round(), TYPING_MS);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#run += 1;
    this.#state = "off";
    this.#line = this.#at = 0;
  }

  /** Continues after a pause. */
  more(): void {
    if (this.#state === "paused" || this.#state === "failed") void this.#round();
  }

  async #round(): Promise<void> {
    const run = ++this.#run;
    let found = 0;
    this.#become("busy");
    for (let piece = 0; piece < PIECES_A_ROUND && found < MATCHES_A_ROUND; piece += 1) {
      let answer: SearchAnswer;
      try {
        answer = await this.#options.ask(this.#before);
      } catch (error) {
        if (run !== this.#run) return;
        console.warn("could not search older lines", error);
        return this.#become("failed");
      }
      if (run !== this.#run) return;
      const lines = answer.logs.flatMap(linesOf);
      found += lines.length;
      this.#line = answer.line || this.#line;
      this.#at = answer.at || this.#at;
      if (lines.length > 0) this.#options.onFound(lines);
      if (answer.before === null) return this.#become("done");
      this.#before = answer.before;
      this.#options.onChange();
    }
    this.#become("paused");
  }

  #become(state: SearchState): void {
    this.#state = state;
    this.#options.onChange();
  }
}
