/**
 * The page's live messages: subscribes, keeps order, acknowledges, detects silence. `Connection` connects and reconnects.
 *
 * Knows nothing about the DOM, nodes or tasks. Handlers get each state message once and in order. After a disconnect it
 * requests exactly the missed messages, and gets them or a SNAPSHOT.
 */

import { Acknowledger } from "./acknowledger";
import { Connection } from "./connection";
import { FeedPosition } from "./cursor";
import { Handlers } from "./handlers";
import type { LinkStatus, LiveOptions } from "./link";
import { LinkHealth } from "./link-health";
import {
  type ClientMessage,
  type Cursor,
  type MessageOf,
  type MessageType,
  parseFrame,
  type ServerMessage,
} from "./messages";
import { Topics } from "./topics";

const WATCH_INTERVAL_MS = 1000;
const LATENCY_INTERVAL_MS = 5000;

export class LiveClient {
  readonly #options: Required<Omit<LiveOptions, "start">>;
  readonly #connection: Connection;
  readonly #position: FeedPosition;
  readonly #acks: Acknowledger;
  readonly #handlers = new Handlers();
  readonly #topics: Topics;
  readonly #statusListeners = new Set<(status: LinkStatus) => void>();

  #status: LinkStatus = { kind: "connecting", since: null };
  readonly #health = new LinkHealth();
  #queue: ServerMessage[] = [];
  #queuedAt = 0;
  #isFlushScheduled = false;
  #watchTimer: ReturnType<typeof setInterval> | undefined;

  constructor(options: LiveOptions) {
    this.#options = { now: Date.now, random: Math.random, schedule: (flush) => setTimeout(flush, 16), ...options };
    this.#connection = new Connection(this.#options, {
      connecting: () => this.#setStatus({ kind: "connecting", since: this.#health.missedSince }),
      frame: (text) => this.#receive(text),
      waiting: (delayMs) => this.#waiting(delayMs),
      refused: (reason) => this.#refused(reason),
    });
    this.#position = new FeedPosition(options.start);
    this.#topics = new Topics(options.topics);
    this.#acks = new Acknowledger((message) => this.#connection.send(message), this.#options.now);
  }

  get status(): LinkStatus {
    return this.#status;
  }

  get cursor(): Cursor | null {
    return this.#position.cursor;
  }

  /** Calls `handler` for each message of this type, in order. A handler that throws does not affect the others. */
  on<T extends MessageType>(type: T, handler: (message: MessageOf<T>) => void): () => void {
    return this.#handlers.on(type, handler);
  }

  onStatus(listener: (status: LinkStatus) => void): void {
    this.#statusListeners.add(listener);
    listener(this.#status);
  }

  /** Subscribes to a further topic, and again after each reconnect. Its state arrives in a SNAPSHOT. */
  follow(topic: string): void {
    if (this.#topics.add(topic)) this.send({ type: "SUBSCRIBE", topics: [topic] });
  }

  unfollow(topic: string): void {
    if (this.#topics.remove(topic)) this.send({ type: "UNSUBSCRIBE", topics: [topic] });
  }

  start(): void {
    void this.#connection.open();
  }

  /** Closes the connection when the reader leaves the page; `resume` reconnects. */
  suspend(): void {
    this.#connection.suspend();
    this.#cut(this.#options.now());
  }

  /** Reconnects without waiting: the page is visible again, or the network is back. */
  resume(): void {
    if (this.#status.kind !== "closed") this.#connection.resume();
  }

  /** Applies received messages without waiting for the next animation frame. */
  flush(): void {
    this.#isFlushScheduled = false;
    if (this.#queue.length === 0) return;
    const queue = this.#queue;
    this.#queue = [];
    for (const message of queue) this.#apply(message);
    this.#acks.applied(this.#position.cursor);
    this.#evaluate();
  }

  /** Sends a message; false without an authenticated link, in which case nothing is sent later either. */
  send(message: ClientMessage): boolean {
    return this.#connection.isEstablished && this.#connection.send(message);
  }

  #receive(text: string): void {
    const now = this.#options.now();
    this.#health.lastMessageAt = now;
    if (this.#queue.length === 0) this.#queuedAt = now;
    for (const message of parseFrame(text)) {
      if (message.type === "AUTH_OK") this.#authenticated(message);
      else this.#queue.push(message);
    }
    if (this.#status.kind === "silent") this.#evaluate();
    if (this.#queue.length === 0 || this.#isFlushScheduled) return;
    this.#isFlushScheduled = true;
    this.#options.schedule(() => this.flush());
  }

  #authenticated(message: MessageOf<"AUTH_OK">): void {
    this.#connection.established();
    this.#health.opened({ store: message.store, seq: message.seq }, message.heartbeatSeconds * 1000);
    const since = this.#position.cursor;
    for (const request of this.#topics.requests(since?.store === message.store ? since : null))
      this.#connection.send(request);
    this.#ping();
    this.#watchTimer = setInterval(() => this.#watch(), WATCH_INTERVAL_MS);
    this.#handlers.deliver(message);
    this.#evaluate();
  }

  #apply(message: ServerMessage): void {
    if (message.type === "SNAPSHOT") {
      this.#position.reset(message);
      this.#topics.came(message.topics);
      this.#health.replaced();
    } else if (message.type === "PONG") {
      this.#pong(message);
    } else if ("seq" in message && message.store !== undefined && message.seq !== undefined) {
      if (!this.#position.accept({ store: message.store, seq: message.seq })) return;
      if ("at" in message && message.at !== undefined && this.#health.isLate(message.at, this.#options.now()))
        this.#ping();
    }
    this.#handlers.deliver(message);
  }

  #pong(message: MessageOf<"PONG">): void {
    if (message.store !== undefined && message.seq !== undefined) {
      this.#position.advance({ store: message.store, seq: message.seq });
    }
    this.#health.ponged(this.#position.cursor, message.pushMs);
  }

  #evaluate(): void {
    if (!this.#connection.isEstablished) return;
    this.#setStatus(this.#health.status(this.#options.now(), this.#queue.length > 0 ? this.#queuedAt : null));
  }

  #watch(): void {
    const now = this.#options.now();
    if (this.#health.isDead(now)) {
      this.#health.disconnected(this.#health.lastMessageAt);
      this.#connection.drop();
      return;
    }
    this.#evaluate();
    if (this.#health.isSilent(now)) return;
    // After an ACK, a PONG contains the measured latency. On an idle link this is only the heartbeat.
    const wait = this.#acks.hasNews ? LATENCY_INTERVAL_MS : this.#health.heartbeatMs;
    if (now - this.#health.pingedAt >= wait) this.#ping();
  }

  #ping(): void {
    this.#health.pingedAt = this.#options.now();
    this.#acks.forgetNews();
    this.#connection.send({ type: "PING" });
  }

  #waiting(delayMs: number): void {
    const now = this.#options.now();
    this.#cut(now);
    this.#setStatus({ kind: "waiting", retryAt: now + delayMs, since: this.#health.missedSince ?? now });
  }

  #refused(reason: "login" | "forbidden"): void {
    const now = this.#options.now();
    this.#cut(now);
    this.#setStatus({ kind: "closed", reason, since: this.#health.missedSince ?? now });
  }

  #cut(now: number): void {
    clearInterval(this.#watchTimer);
    this.#acks.stop();
    this.#health.disconnected(now);
  }

  #setStatus(status: LinkStatus): void {
    const isSame = JSON.stringify(status) === JSON.stringify(this.#status);
    this.#status = status;
    if (isSame) return;
    for (const listener of this.#statusListeners) listener(status);
  }
}
