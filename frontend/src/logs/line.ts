/** One row of a log view: a line of output, or a drawn gap. */

import type { LogBatch, LogLevel, LogStream } from "../live/messages";

export interface LogLine {
  /** Place in the feed; also what tells two rows apart. */
  id: string;
  number: number;
  atMs: number;
  level: LogLevel;
  stream: LogStream;
  node: string;
  task: string;
  attempt: number;
  text: string;
  /** Nothing was printed here: something is missing, and the text says how much. */
  isGap?: boolean;
}

export function linesOf(batch: LogBatch): LogLine[] {
  return batch.lines.map(([id, number, atMs, level, stream, text]) => ({
    id,
    number: Number(number),
    atMs,
    level,
    stream,
    text,
    node: batch.node,
    task: batch.task,
    attempt: batch.attempt,
  }));
}
