/**
 * The page's only WebSocket: authenticates, subscribes, keeps order, acknowledges, notices silence, comes back.
 *
 * It knows nothing of the DOM and nothing of nodes or tasks. Handlers see each state message once and in order; after a
 * break it asks for exactly what it missed, and gets that or a SNAPSHOT.
 */

import { Acknowledger } from "./acknowledger";
import { Backoff } from "./backoff";
import { compareSeq, FeedPosition } from "./cursor";
import { type LinkStatus, type LiveOptions, type Socket, TicketError } from "./link";
import {
  type ClientMessage,
  type Cursor,
  type MessageOf,
  type MessageType,
  parseFrame,
  type ServerMessage,
} from "./messages";

type Handler<T extends MessageType> = (message: MessageOf<T>) => void;
type Timer = ReturnType<typeof setTimeout>;

const OPEN = 1;
const SESSION_OVER = 4401;
const FORBIDDEN = 4403;
const SILENT_CLOSE = 4000;
const WATCH_INTERVAL_MS = 1000;
const LATENCY_INTERVAL_MS = 5000;
const STABLE_AFTER_MS = 10_000;
/** A message that was so long on its way, or waits so long to be applied, means that the page may be behind. */
const BEHIND_MS = 3000;
/** How long the answer to the question whether it is may take. */
const PROBE_MS = 1000;
/** What AUTH alone subscribes to. */
const DEFAULT_TOPICS = ["nodes", "tasks", "alerts"];

export class LiveClient {
  readonly #options: Required<Omit<LiveOptions, "start">>;
  readonly #backoff: Backoff;
  readonly #position: FeedPosition;
  readonly #acks: Acknowledger;
  readonly #handlers = new Map<MessageType, Set<(message: ServerMessage) => void>>();
  /** Topics of the page's own choosing: true = their state has come, so only what is missed is asked for again. */
  readonly #followed = new Map<string, boolean>();
  readonly #statusListeners = new Set<(status: LinkStatus) => void>();

  #socket: Socket | null = null;
  #status: LinkStatus = { kind: "connecting", since: null };
  /** From when on something may be missing here; null = nothing is. */
  #missedSince: number | null = null;
  /** A message came late: since when the page may be behind, until a PONG says that it has everything. */
  #lateSince: number | null = null;
  /** Where the server's feed stood when this link was opened: only beyond that has the page caught up. */
  #goal: Cursor | null = null;
  #queue: ServerMessage[] = [];
  #queuedAt = 0;
  #isFlushScheduled = false;
  #heartbeatMs = 30_000;
  #openedAt = 0;
  #heardAt = 0;
  #pingedAt = 0;
  #pushMs: number | null = null;
  #needsFreshTicket = false;
  #wasRefusedOnce = false;
  /** Counts connection tries, so that one that was overtaken while it waited for its ticket gives up. */
  #attempt = 0;
  #retryTimer: Timer | undefined;
  #watchTimer: Timer | undefined;

  constructor(options: LiveOptions) {
    this.#options = { now: Date.now, random: Math.random, schedule: (flush) => setTimeout(flush, 16), ...options };
    this.#backoff = new Backoff(this.#options.random);
    this.#position = new FeedPosition(options.start);
    this.#acks = new Acknowledger((message) => this.#transmit(message), this.#options.now);
  }

  get status(): LinkStatus {
    return this.#status;
  }

  get cursor(): Cursor | null {
    return this.#position.cursor;
  }

  /** Calls `handler` for each message of the type, in order. A handler that throws hurts no other. */
  on<T extends MessageType>(type: T, handler: Handler<T>): () => void {
    const handlers = this.#handlers.get(type) ?? new Set();
    this.#handlers.set(type, handlers);
    handlers.add(handler as (message: ServerMessage) => void);
    return () => handlers.delete(handler as (message: ServerMessage) => void);
  }

  onStatus(listener: (status: LinkStatus) => void): void {
    this.#statusListeners.add(listener);
    listener(this.#status);
  }

  /** Subscribes to one more topic, also after every break: its state comes in a SNAPSHOT. */
  follow(topic: string): void {
    if (this.#followed.has(topic)) return;
    this.#followed.set(topic, false);
    this.send({ type: "SUBSCRIBE", topics: [topic] });
  }

  unfollow(topic: string): void {
    if (this.#followed.delete(topic)) this.send({ type: "UNSUBSCRIBE", topics: [topic] });
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
    this.#missedSince ??= this.#options.now();
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
    this.#setStatus({ kind: "connecting", since: this.#missedSince });
    let token: string;
    try {
      token = await this.#options.ticket(this.#needsFreshTicket);
    } catch (error) {
      if (attempt !== this.#attempt) return;
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

  #receive(text: string): void {
    this.#heardAt = this.#options.now();
    if (this.#queue.length === 0) this.#queuedAt = this.#heardAt;
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
    this.#openedAt = this.#options.now();
    this.#heartbeatMs = message.heartbeatSeconds * 1000;
    this.#goal = { store: message.store, seq: message.seq };
    this.#needsFreshTicket = this.#wasRefusedOnce = false;
    const { topics } = this.#options;
    const unwanted = DEFAULT_TOPICS.filter((topic) => !topics.includes(topic));
    if (unwanted.length > 0) this.#transmit({ type: "UNSUBSCRIBE", topics: unwanted });
    const since = this.#position.cursor;
    const canResume = since !== null && since.store === message.store;
    const known = [...this.#followed.keys()].filter((topic) => this.#followed.get(topic));
    const unknown = [...this.#followed.keys()].filter((topic) => !this.#followed.get(topic));
    this.#transmit({ type: "SUBSCRIBE", topics: [...topics, ...known], ...(canResume ? { since } : {}) });
    if (unknown.length > 0) this.#transmit({ type: "SUBSCRIBE", topics: unknown });
    this.#ping();
    this.#watchTimer = setInterval(() => this.#watch(), WATCH_INTERVAL_MS);
    this.#deliver(message);
    this.#judge();
  }

  #apply(message: ServerMessage): void {
    if (message.type === "SNAPSHOT") {
      this.#position.reset(message);
      for (const topic of message.topics) if (this.#followed.has(topic)) this.#followed.set(topic, true);
      this.#missedSince = this.#lateSince = null;
    } else if (message.type === "PONG") {
      this.#pong(message);
    } else if ("seq" in message && message.store !== undefined && message.seq !== undefined) {
      if (!this.#position.accept({ store: message.store, seq: message.seq })) return;
      if ("at" in message) this.#weigh(message.at);
    }
    this.#deliver(message);
  }

  /** How long a message was on its way. Only asks: the clocks may differ, and a PONG alone says that nothing is under way. */
  #weigh(at: number | undefined): void {
    if (at === undefined || this.#missedSince !== null || this.#lateSince !== null) return;
    if (this.#options.now() - at < BEHIND_MS) return;
    this.#lateSince = at;
    this.#ping();
  }

  #pong(message: MessageOf<"PONG">): void {
    if (message.store !== undefined && message.seq !== undefined) {
      this.#position.advance({ store: message.store, seq: message.seq });
    }
    this.#pushMs = message.pushMs ?? this.#pushMs;
    this.#lateSince = null;
    const { cursor } = this.#position;
    if (cursor !== null && cursor.store === this.#goal?.store && compareSeq(cursor.seq, this.#goal.seq) >= 0) this.#missedSince = null;
  }

  /** Says how well the open link serves: live, behind since when, or silent since when. */
  #judge(): void {
    if (this.#openedAt === 0) return;
    const now = this.#options.now();
    if (now - this.#heardAt > 1.5 * this.#heartbeatMs) return this.#setStatus({ kind: "silent", since: this.#heardAt });
    const isUnanswered = this.#lateSince !== null && now - this.#pingedAt > PROBE_MS;
    const isUnapplied = this.#queue.length > 0 && now - this.#queuedAt > BEHIND_MS;
    const since = this.#missedSince ?? (isUnanswered ? this.#lateSince : isUnapplied ? this.#queuedAt : null);
    this.#setStatus(since === null ? { kind: "live", pushMs: this.#pushMs } : { kind: "behind", since });
  }

  #deliver(message: ServerMessage): void {
    for (const handler of this.#handlers.get(message.type) ?? []) {
      try {
        handler(message);
      } catch (error) {
        console.error("live handler failed", message.type, error);
      }
    }
  }

  #watch(): void {
    const now = this.#options.now();
    const silentMs = now - this.#heardAt;
    if (silentMs > 2.5 * this.#heartbeatMs) {
      // A half-open connection says nothing for ever; the close event of a dead peer may take minutes.
      const socket = this.#socket;
      this.#missedSince ??= this.#heardAt;
      this.#closed(SILENT_CLOSE);
      socket?.close(SILENT_CLOSE);
      return;
    }
    this.#judge();
    if (silentMs <= 1.5 * this.#heartbeatMs) {
      // Something was acknowledged: its measured latency comes with a PONG. On an idle link this is the heartbeat alone.
      const wait = this.#acks.hasNews ? LATENCY_INTERVAL_MS : this.#heartbeatMs;
      if (now - this.#pingedAt >= wait) this.#ping();
    }
  }

  #ping(): void {
    this.#pingedAt = this.#options.now();
    this.#acks.forgetNews();
    this.#transmit({ type: "PING" });
  }

  #closed(code: number): void {
    this.#socket = null;
    this.#stopTimers();
    this.#lateSince = null;
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
    this.#missedSince ??= now;
    this.#setStatus({ kind: "waiting", retryAt: now + delay, since: this.#missedSince });
    this.#retryTimer = setTimeout(() => void this.#connect(), delay);
  }

  #close(reason: "login" | "forbidden"): void {
    this.#missedSince ??= this.#options.now();
    this.#openedAt = 0;
    this.#setStatus({ kind: "closed", reason, since: this.#missedSince });
  }

  #stopTimers(): void {
    clearInterval(this.#watchTimer);
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

