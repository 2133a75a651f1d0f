/**
 * The page's only WebSocket: authenticates, subscribes, keeps order, acknowledges, notices silence, comes back.
 *
 * It knows nothing of the DOM and nothing of nodes or tasks. Handlers see each state message once and in order; after a
 * break it asks for exactly what it missed, and gets that or a SNAPSHOT.
 */

import { Acknowledger } from "./acknowledger";
import { Backoff } from "./backoff";
import { FeedPosition } from "./cursor";
import { Handlers } from "./handlers";
import { type LinkStatus, type LiveOptions, type Socket, TicketError } from "./link";
import {
  type ClientMessage,
  type Cursor,
  type MessageOf,
  type MessageType,
  parseFrame,
  type ServerMessage,
} from "./messages";
import { Standing } from "./standing";
import { Topics } from "./topics";

type Timer = ReturnType<typeof setTimeout>;

const OPEN = 1;
const SESSION_OVER = 4401;
const FORBIDDEN = 4403;
const SILENT_CLOSE = 4000;
const WATCH_INTERVAL_MS = 1000;
const LATENCY_INTERVAL_MS = 5000;
const STABLE_AFTER_MS = 10_000;
/** From the first step to AUTH_OK. A browser itself waits for minutes, and for an answer to AUTH for ever. */
const OPEN_WITHIN_MS = 20_000;

export class LiveClient {
  readonly #options: Required<Omit<LiveOptions, "start">>;
  readonly #backoff: Backoff;
  readonly #position: FeedPosition;
  readonly #acks: Acknowledger;
  readonly #handlers = new Handlers();
  readonly #topics: Topics;
  readonly #statusListeners = new Set<(status: LinkStatus) => void>();

  #socket: Socket | null = null;
  #status: LinkStatus = { kind: "connecting", since: null };
  readonly #standing = new Standing();
  #queue: ServerMessage[] = [];
  #queuedAt = 0;
  #isFlushScheduled = false;
  #openedAt = 0;
  #needsFreshTicket = false;
  #wasRefusedOnce = false;
  /** Counts connection tries, so that one that was overtaken while it waited for its ticket gives up. */
  #attempt = 0;
  #retryTimer: Timer | undefined;
  #watchTimer: Timer | undefined;
  #openTimer: Timer | undefined;

  constructor(options: LiveOptions) {
    this.#options = { now: Date.now, random: Math.random, schedule: (flush) => setTimeout(flush, 16), ...options };
    this.#backoff = new Backoff(this.#options.random);
    this.#position = new FeedPosition(options.start);
    this.#topics = new Topics(options.topics);
    this.#acks = new Acknowledger((message) => this.#transmit(message), this.#options.now);
  }

  get status(): LinkStatus {
    return this.#status;
  }

  get cursor(): Cursor | null {
    return this.#position.cursor;
  }

  /** Calls `handler` for each message of the type, in order. A handler that throws hurts no other. */
  on<T extends MessageType>(type: T, handler: (message: MessageOf<T>) => void): () => void {
    return this.#handlers.on(type, handler);
  }

  onStatus(listener: (status: LinkStatus) => void): void {
    this.#statusListeners.add(listener);
    listener(this.#status);
  }

  /** Subscribes to one more topic, also after every break: its state comes in a SNAPSHOT. */
  follow(topic: string): void {
    if (this.#topics.add(topic)) this.send({ type: "SUBSCRIBE", topics: [topic] });
  }

  unfollow(topic: string): void {
    if (this.#topics.remove(topic)) this.send({ type: "UNSUBSCRIBE", topics: [topic] });
  }

  start(): void {
    void this.#connect();
  }

  /** Closes for good-bye (the page is left); `resume` opens again. */
  suspend(): void {
    clearTimeout(this.#retryTimer);
    this.#attempt += 1;
    const socket = this.#socket;
    this.#socket = null;
    this.#openedAt = 0;
    this.#standing.cut(this.#options.now());
    this.#stopTimers();
    socket?.close(1000);
  }

  /** Ends a wait between tries: the person is looking, or the network is back. */
  resume(): void {
    if (this.#status.kind === "closed" || this.#socket !== null) return;
    clearTimeout(this.#retryTimer);
    this.#backoff.reset();
    void this.#connect();
  }

  /** Applies what has arrived, without waiting for the next frame on screen. */
  flush(): void {
    this.#isFlushScheduled = false;
    if (this.#queue.length === 0) return;
    const queue = this.#queue;
    this.#queue = [];
    for (const message of queue) this.#apply(message);
    this.#acks.applied(this.#position.cursor);
    this.#judge();
  }

  /** False when there is no authenticated link: nothing was sent and nothing will be. */
  send(message: ClientMessage): boolean {
    if (this.#openedAt === 0) return false;
    return this.#transmit(message);
  }

  async #connect(): Promise<void> {
    const attempt = ++this.#attempt;
    this.#setStatus({ kind: "connecting", since: this.#standing.missedSince });
    clearTimeout(this.#openTimer);
    this.#openTimer = setTimeout(() => this.#giveUp(), OPEN_WITHIN_MS);
    let token: string;
    try {
      token = await this.#options.ticket(this.#needsFreshTicket);
    } catch (error) {
      if (attempt !== this.#attempt) return;
      clearTimeout(this.#openTimer);
      const reason = error instanceof TicketError ? error.reason : "network";
      if (reason === "network") this.#retryLater();
      else this.#close(reason);
      return;
    }
    if (attempt !== this.#attempt) return;
    const socket = this.#options.openSocket();
    this.#socket = socket;
    socket.onopen = () => this.#transmit({ type: "AUTH", token, batch: true });
    socket.onmessage = (event) => {
      if (socket === this.#socket) this.#receive(event.data);
    };
    socket.onclose = (event) => {
      if (socket === this.#socket) this.#closed(event.code);
    };
  }

  /** Nothing came of this try, or nothing comes any more. */
  #giveUp(): void {
    this.#attempt += 1; // Its ticket may still come.
    const socket = this.#socket;
    this.#closed(SILENT_CLOSE);
    socket?.close(SILENT_CLOSE);
  }

  #receive(text: string): void {
    const now = this.#options.now();
    this.#standing.heardAt = now;
    if (this.#queue.length === 0) this.#queuedAt = now;
    for (const message of parseFrame(text)) {
      if (message.type === "AUTH_OK") this.#authenticated(message);
      else this.#queue.push(message);
    }
    if (this.#status.kind === "silent") this.#judge();
    if (this.#queue.length === 0 || this.#isFlushScheduled) return;
    this.#isFlushScheduled = true;
    this.#options.schedule(() => this.flush());
  }

  #authenticated(message: MessageOf<"AUTH_OK">): void {
    clearTimeout(this.#openTimer);
    this.#openedAt = this.#options.now();
    this.#standing.opened({ store: message.store, seq: message.seq }, message.heartbeatSeconds * 1000);
    this.#needsFreshTicket = this.#wasRefusedOnce = false;
    const since = this.#position.cursor;
    for (const request of this.#topics.requests(since?.store === message.store ? since : null)) this.#transmit(request);
    this.#ping();
    this.#watchTimer = setInterval(() => this.#watch(), WATCH_INTERVAL_MS);
    this.#handlers.deliver(message);
    this.#judge();
  }

  #apply(message: ServerMessage): void {
    if (message.type === "SNAPSHOT") {
      this.#position.reset(message);
      this.#topics.came(message.topics);
      this.#standing.replaced();
    } else if (message.type === "PONG") {
      this.#pong(message);
    } else if ("seq" in message && message.store !== undefined && message.seq !== undefined) {
      if (!this.#position.accept({ store: message.store, seq: message.seq })) return;
      if ("at" in message && message.at !== undefined && this.#standing.isLate(message.at, this.#options.now())) this.#ping();
    }
    this.#handlers.deliver(message);
  }

  #pong(message: MessageOf<"PONG">): void {
    if (message.store !== undefined && message.seq !== undefined) {
      this.#position.advance({ store: message.store, seq: message.seq });
    }
    this.#standing.ponged(this.#position.cursor, message.pushMs);
  }

  #judge(): void {
    if (this.#openedAt === 0) return;
    this.#setStatus(this.#standing.judge(this.#options.now(), this.#queue.length > 0 ? this.#queuedAt : null));
  }

  #watch(): void {
    const now = this.#options.now();
    if (this.#standing.isDead(now)) {
      this.#standing.cut(this.#standing.heardAt);
      this.#giveUp();
      return;
    }
    this.#judge();
    if (this.#standing.isSilent(now)) return;
    // Something was acknowledged: its measured latency comes with a PONG. On an idle link this is the heartbeat alone.
    const wait = this.#acks.hasNews ? LATENCY_INTERVAL_MS : this.#standing.heartbeatMs;
    if (now - this.#standing.pingedAt >= wait) this.#ping();
  }

  #ping(): void {
    this.#standing.pingedAt = this.#options.now();
    this.#acks.forgetNews();
    this.#transmit({ type: "PING" });
  }

  #closed(code: number): void {
    this.#socket = null;
    this.#stopTimers();
    if (code === FORBIDDEN) return this.#close("forbidden");
    if (code === SESSION_OVER) {
      // The ticket may just have grown old while the page waited: one try with a new one decides.
      if (this.#wasRefusedOnce) return this.#close("login");
      this.#wasRefusedOnce = this.#needsFreshTicket = true;
    }
    if (this.#openedAt > 0 && this.#options.now() - this.#openedAt > STABLE_AFTER_MS) this.#backoff.reset();
    this.#openedAt = 0;
    this.#retryLater();
  }

  #retryLater(): void {
    const delay = this.#backoff.nextDelayMs();
    const now = this.#options.now();
    this.#standing.cut(now);
    this.#setStatus({ kind: "waiting", retryAt: now + delay, since: this.#standing.missedSince ?? now });
    this.#retryTimer = setTimeout(() => void this.#connect(), delay);
  }

  #close(reason: "login" | "forbidden"): void {
    const now = this.#options.now();
    this.#standing.cut(now);
    this.#openedAt = 0;
    this.#setStatus({ kind: "closed", reason, since: this.#standing.missedSince ?? now });
  }

  #stopTimers(): void {
    clearInterval(this.#watchTimer);
    clearTimeout(this.#openTimer);
    this.#acks.stop();
  }

  #transmit(message: ClientMessage): boolean {
    if (this.#socket?.readyState !== OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  #setStatus(status: LinkStatus): void {
    const isSame = JSON.stringify(status) === JSON.stringify(this.#status);
    this.#status = status;
    if (isSame) return;
    for (const listener of this.#statusListeners) listener(status);
  }
}

