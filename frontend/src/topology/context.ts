/** Shared by all cards; read-only. */

import { useStore } from "@xyflow/react";
import { createContext, useCallback, useContext, useSyncExternalStore } from "react";
import type { AgeOfPage, Bridge, IslandNode } from "../bridge";
import type { NodeStore } from "./store";

export interface Island {
  bridge: Bridge;
  store: NodeStore;
  /** Folds or unfolds a Master's Edges. */
  toggle: (master: string) => void;
}

const IslandContext = createContext<Island | null>(null);

export const IslandProvider = IslandContext.Provider;

export function useIsland(): Island {
  const island = useContext(IslandContext);
  if (!island) throw new Error("a card must be inside the island");
  return island;
}

/** A node's current state; re-renders only when this node changes. */
export function useNode(id: string): IslandNode | undefined {
  const { store } = useIsland();
  const subscribe = useCallback((listener: () => void) => store.subscribe(id, listener), [store, id]);
  return useSyncExternalStore(subscribe, () => store.get(id));
}

/** Whether the page is current; re-renders when that changes. */
export function usePageAge(): AgeOfPage {
  const { bridge } = useIsland();
  return useSyncExternalStore(bridge.onAge, bridge.age);
}

const FAR_BELOW = 0.55;
const isFar = (state: { transform: [number, number, number] }): boolean => state.transform[2] < FAR_BELOW;

/** Whether the view is zoomed out so far that only names and states are legible. */
export function useIsFar(): boolean {
  return useStore(isFar);
}
