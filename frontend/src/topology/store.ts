/**
 * The island's state: one value and one set of subscribers per node, so that a change of one node redraws one card.
 *
 * The shape (nodes, parents, states) has its own version; only its changes need a new layout.
 */

import type { IslandNode } from "../bridge";

type Listener = () => void;

export class NodeStore {
  readonly #nodes = new Map<string, IslandNode>();
  readonly #listeners = new Map<string, Set<Listener>>();
  readonly #shapeListeners = new Set<Listener>();
  #shapeVersion = 0;

  get = (id: string): IslandNode | undefined => this.#nodes.get(id);

  all = (): IslandNode[] => [...this.#nodes.values()];

  shapeVersion = (): number => this.#shapeVersion;

  subscribe(id: string, listener: Listener): () => void {
    const listeners = this.#listeners.get(id) ?? new Set();
    this.#listeners.set(id, listeners);
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.#listeners.delete(id);
    };
  }

  subscribeShape = (listener: Listener): (() => void) => {
    this.#shapeListeners.add(listener);
    return () => this.#shapeListeners.delete(listener);
  };

  set(id: string, node: IslandNode | undefined): void {
    const before = this.#nodes.get(id);
    if (node) this.#nodes.set(id, node);
    else this.#nodes.delete(id);
    for (const listener of this.#listeners.get(id) ?? []) listener();
    const isSameShape = before?.parent === node?.parent && before?.role === node?.role && before?.state === node?.state;
    if (!isSameShape || !before || !node) this.#shapeChanged();
  }

  replace(nodes: readonly IslandNode[]): void {
    this.#nodes.clear();
    for (const node of nodes) this.#nodes.set(node.id, node);
    for (const listeners of this.#listeners.values()) for (const listener of listeners) listener();
    this.#shapeChanged();
  }

  #shapeChanged(): void {
    this.#shapeVersion += 1;
    for (const listener of this.#shapeListeners) listener();
  }
}
