/**
 * The messages of `/ws/` as the page uses them (docs/websocket.md), validated on arrival.
 *
 * Ids and 64-bit numbers are strings; times named `…At` and `at` are Unix milliseconds; unknown messages are ignored.
 */

import {
  type ClientMessage,
  type Control,
  type JournalGap,
  type LogBatch,
  type Phrase,
  REQUIRED,
  type Run,
  type ServerMessage,
  type Turn,
} from "./contract";

export type * from "./contract";

/** The page's position: a store and a number in its feed. */
export interface Cursor {
  store: string;
  seq: string;
}

/**
 * Something is missing. Without a `seq`: lines that were not sent because this page reads too slowly. With a `seq`: entries
 * that the node dropped or cannot send again.
 */
export type Gap = { type: "GAP"; skipped?: number } & Partial<Omit<JournalGap, "type">>;

/** A line of output: untrusted text, never HTML. */
export type WireLine = LogBatch["lines"][number];
export type ChatServerMessage = Extract<ServerMessage, { type: `CHAT_${string}` }>;
export type Phrases = Turn["phrases"];
export type PhraseValue = Phrase["values"][string];

export type MessageType = ServerMessage["type"];
export type MessageOf<T extends MessageType> = Extract<ServerMessage, { type: T }>;

/** The request without the fields that the sender adds. */
export type RunRequest = Omit<Run, "type" | "ref">;
export type ControlRequest = Omit<Control, "type" | "ref">;

export type ChatClientMessage = Extract<ClientMessage, { type: `CHAT${string}` }>;

/** The messages of a frame, which is an object or an array of objects. Malformed messages are dropped. */
export function parseFrame(text: string): ServerMessage[] {
  let frame: unknown;
  try {
    frame = JSON.parse(text);
  } catch {
    return [];
  }
  return (Array.isArray(frame) ? frame : [frame]).filter(isMessage);
}

function isMessage(value: unknown): value is ServerMessage {
  if (!isRecord(value) || typeof value.type !== "string" || !Object.hasOwn(REQUIRED, value.type)) return false;
  return REQUIRED[value.type as MessageType].some((fields) =>
    Object.entries(fields).every(([field, isObject]) =>
      isObject ? isRecord(value[field]) : value[field] !== undefined,
    ),
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
