/** A row of a log view: a line of output, or a gap. */

import type { LogBatch, LogLevel, LogStream } from "../live/messages";

export interface LogLine {
  /** Position in the feed; identifies the row. */
  id: string;
  number: number;
  atMs: number;
  level: LogLevel;
  stream: LogStream;
  node: string;
  task: string;
  attempt: number;
  text: string;
  /** True for a gap: the text says how much is missing. */
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
