/**
 * The page's only WebSocket: authenticates, subscribes, keeps order, acknowledges, notices silence, comes back.
 *
 * It knows nothing of the DOM and nothing of nodes or tasks. Handlers see each state message once and in order; after a
 * break it asks for exactly what it missed, and gets that or a SNAPSHOT.
 */

import { Acknowledger } from "./acknowledger";
import { Backoff } from "./backoff";
import { FeedPosition } from "./cursor";
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
/** What AUTH alone subscribes to. */
const DEFAULT_TOPICS = ["nodes", "tasks", "alerts"];

export class LiveClient {
  readonly #options: Required<Omit<LiveOptions, "start">>;
  readonly #backoff: Backoff;
  readonly #position: FeedPosition;
  readonly #acks: Acknowledger;
  readonly #handlers = new Map<MessageType, Set<(message: ServerMessage) => void>>();
  readonly #statusListeners = new Set<(status: LinkStatus) => void>();

  #socket: Socket | null = null;
  #status: LinkStatus = { kind: "connecting" };
  #queue: ServerMessage[] = [];
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

  start(): void {
    void this.#connect();
  }

  /** Closes for good-bye (the page is left); `resume` opens again. */
  suspend(): void {
    clearTimeout(this.#retryTimer);
    this.#attempt += 1;
    const socket = this.#socket;
    this.#socket = null;
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
  }

  /** False when there is no authenticated link: nothing was sent and nothing will be. */
  send(message: ClientMessage): boolean {
    if (this.#status.kind !== "live" && this.#status.kind !== "silent") return false;
    return this.#transmit(message);
  }

  async #connect(): Promise<void> {
    const attempt = ++this.#attempt;
    this.#setStatus({ kind: "connecting" });
    let token: string;
    try {
      token = await this.#options.ticket(this.#needsFreshTicket);
    } catch (error) {
      if (attempt !== this.#attempt) return;
      const reason = error instanceof TicketError ? error.reason : "network";
      if (reason === "network") this.#retryLater();
      else this.#setStatus({ kind: "closed", reason });
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
    if (this.#status.kind === "silent") this.#setStatus({ kind: "live", pushMs: this.#pushMs });
    for (const message of parseFrame(text)) {
      if (message.type === "AUTH_OK") this.#authenticated(message);
      else this.#queue.push(message);
    }
    if (this.#queue.length === 0 || this.#isFlushScheduled) return;
    this.#isFlushScheduled = true;
    this.#options.schedule(() => this.flush());
  }

  #authenticated(message: MessageOf<"AUTH_OK">): void {
    this.#openedAt = this.#options.now();
    this.#heartbeatMs = message.heartbeatSeconds * 1000;
    this.#needsFreshTicket = this.#wasRefusedOnce = false;
    const { topics } = this.#options;
    const unwanted = DEFAULT_TOPICS.filter((topic) => !topics.includes(topic));
    if (unwanted.length > 0) this.#transmit({ type: "UNSUBSCRIBE", topics: unwanted });
    const since = this.#position.cursor;
    const canResume = since !== null && since.store === message.store;
    this.#transmit({ type: "SUBSCRIBE", topics: [...topics], ...(canResume ? { since } : {}) });
    this.#ping();
    this.#watchTimer = setInterval(() => this.#watch(), WATCH_INTERVAL_MS);
    this.#deliver(message);
    this.#setStatus({ kind: "live", pushMs: this.#pushMs });
  }

  #apply(message: ServerMessage): void {
    if (message.type === "SNAPSHOT") {
      this.#position.reset(message);
    } else if (message.type === "PONG") {
      this.#pong(message);
    } else if ("seq" in message && message.store !== undefined && message.seq !== undefined) {
      if (!this.#position.accept({ store: message.store, seq: message.seq })) return;
    }
    this.#deliver(message);
  }

  #pong(message: MessageOf<"PONG">): void {
    if (message.store !== undefined && message.seq !== undefined) {
      this.#position.advance({ store: message.store, seq: message.seq });
    }
    this.#pushMs = message.pushMs ?? this.#pushMs;
    if (this.#status.kind === "live") this.#setStatus({ kind: "live", pushMs: this.#pushMs });
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
      this.#closed(SILENT_CLOSE);
      socket?.close(SILENT_CLOSE);
    } else if (silentMs > 1.5 * this.#heartbeatMs) {
      if (this.#status.kind !== "silent") this.#setStatus({ kind: "silent", since: this.#heardAt });
    } else {
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
    if (code === FORBIDDEN) return this.#setStatus({ kind: "closed", reason: "forbidden" });
    if (code === SESSION_OVER) {
      // The ticket may just have grown old while the page waited: one try with a new one decides.
      if (this.#wasRefusedOnce) return this.#setStatus({ kind: "closed", reason: "login" });
      this.#wasRefusedOnce = this.#needsFreshTicket = true;
    }
    if (this.#openedAt > 0 && this.#options.now() - this.#openedAt > STABLE_AFTER_MS) this.#backoff.reset();
    this.#openedAt = 0;
    this.#retryLater();
  }

  #retryLater(): void {
    const delay = this.#backoff.nextDelayMs();
    this.#setStatus({ kind: "waiting", retryAt: this.#options.now() + delay });
    this.#retryTimer = setTimeout(() => void this.#connect(), delay);
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
    this.#status = status;
    for (const listener of this.#statusListeners) listener(status);
  }
}

