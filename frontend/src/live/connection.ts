/**
 * Opens the page's WebSocket and reconnects: ticket, AUTH, timeouts, delays between attempts.
 *
 * The listener handles its messages; `established` is called after AUTH_OK.
 */

import { Backoff } from "./backoff";
import { type LiveOptions, type Socket, TicketError } from "./link";
import type { ClientMessage } from "./messages";

type Timer = ReturnType<typeof setTimeout>;

const OPEN = 1;
const SESSION_OVER = 4401;
const FORBIDDEN = 4403;
const SILENT_CLOSE = 4000;
const STABLE_AFTER_MS = 10_000;
/** Timeout until AUTH_OK. Browsers wait for minutes to connect, and forever for an answer. */
const OPEN_WITHIN_MS = 20_000;

type ConnectionOptions = Required<Pick<LiveOptions, "openSocket" | "ticket" | "now" | "random">>;

export interface ConnectionListener {
  connecting(): void;
  frame(text: string): void;
  /** There is no link; the next attempt starts after `delayMs`. */
  waiting(delayMs: number): void;
  /** There is no link, and no attempt until the person acts. */
  refused(reason: "login" | "forbidden"): void;
}

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #listener: ConnectionListener;
  readonly #backoff: Backoff;
  #socket: Socket | null = null;
  #openedAt = 0;
  #wasRefusedOnce = false;
  /** Counts attempts, so that an outdated one stops when its ticket arrives. */
  #attempt = 0;
  #retryTimer: Timer | undefined;
  #openTimer: Timer | undefined;

  constructor(options: ConnectionOptions, listener: ConnectionListener) {
    this.#options = options;
    this.#listener = listener;
    this.#backoff = new Backoff(options.random);
  }

  /** Time of AUTH_OK. */
  get isEstablished(): boolean {
    return this.#openedAt > 0;
  }

  async open(): Promise<void> {
    const attempt = ++this.#attempt;
    this.#listener.connecting();
    clearTimeout(this.#openTimer);
    this.#openTimer = setTimeout(() => this.drop(), OPEN_WITHIN_MS);
    let token: string;
    try {
      token = await this.#options.ticket();
    } catch (error) {
      if (attempt !== this.#attempt) return;
      clearTimeout(this.#openTimer);
      const reason = error instanceof TicketError ? error.reason : "network";
      if (reason === "network") this.#retryLater();
      else this.#listener.refused(reason);
      return;
    }
    if (attempt !== this.#attempt) return;
    const socket = this.#options.openSocket();
    this.#socket = socket;
    socket.onopen = () => this.send({ type: "AUTH", token, batch: true });
    socket.onmessage = (event) => {
      if (socket === this.#socket) this.#listener.frame(event.data);
    };
    socket.onclose = (event) => {
      if (socket === this.#socket) this.#closed(event.code);
    };
  }

  established(): void {
    clearTimeout(this.#openTimer);
    this.#openedAt = this.#options.now();
    this.#wasRefusedOnce = false;
  }

  /** This attempt failed or its link is dead: schedule the next one. */
  drop(): void {
    this.#attempt += 1; // Its ticket may still arrive later.
    const socket = this.#socket;
    this.#closed(SILENT_CLOSE);
    socket?.close(SILENT_CLOSE);
  }

  /** Closes until `resume`. */
  suspend(): void {
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#openTimer);
    this.#attempt += 1;
    const socket = this.#socket;
    this.#socket = null;
    this.#openedAt = 0;
    socket?.close(1000);
  }

  /** Retries at once and resets the delay. */
  resume(): void {
    if (this.#socket !== null) return;
    clearTimeout(this.#retryTimer);
    this.#backoff.reset();
    void this.open();
  }

  /** Sends a message; false without an open socket, in which case nothing is sent later either. */
  send(message: ClientMessage): boolean {
    if (this.#socket?.readyState !== OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  #closed(code: number): void {
    this.#socket = null;
    clearTimeout(this.#openTimer);
    if (this.#openedAt > 0 && this.#options.now() - this.#openedAt > STABLE_AFTER_MS) this.#backoff.reset();
    this.#openedAt = 0;
    if (code === FORBIDDEN) {
      this.#listener.refused("forbidden");
      return;
    }
    if (code === SESSION_OVER) {
      // The ticket may have expired: try once with a new one.
      if (this.#wasRefusedOnce) {
        this.#listener.refused("login");
        return;
      }
      this.#wasRefusedOnce = true;
    }
    this.#retryLater();
  }

  #retryLater(): void {
    const delayMs = this.#backoff.nextDelayMs();
    this.#retryTimer = setTimeout(() => void this.open(), delayMs);
    this.#listener.waiting(delayMs);
  }
}
