/** Handlers by message type. */

import type { MessageOf, MessageType, ServerMessage } from "./messages";

export class Handlers {
  readonly #handlers = new Map<MessageType, Set<(message: ServerMessage) => void>>();

  /** Calls `handler` for each message of this type, in order; returns a function that unsubscribes. */
  on<T extends MessageType>(type: T, handler: (message: MessageOf<T>) => void): () => void {
    const handlers = this.#handlers.get(type) ?? new Set();
    this.#handlers.set(type, handlers);
    handlers.add(handler as (message: ServerMessage) => void);
    return () => handlers.delete(handler as (message: ServerMessage) => void);
  }

  /** A handler that throws does not affect the others. */
  deliver(message: ServerMessage): void {
    for (const handler of this.#handlers.get(message.type) ?? []) {
      try {
        handler(message);
      } catch (error) {
        console.error("live handler failed", message.type, error);
      }
    }
  }
}
