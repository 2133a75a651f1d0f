/** The topology island: connects its store to the page's bridge and renders. */

import { ReactFlowProvider } from "@xyflow/react";
import { useCallback, useEffect, useMemo, useState } from "react";
import { createRoot } from "react-dom/client";
import type { Bridge } from "../bridge";
import { IslandProvider } from "./context";
import { NodeStore } from "./store";
import { Topology } from "./Topology";

function Root({ bridge, store, box }: { bridge: Bridge; store: NodeStore; box: HTMLElement }) {
  const [expanded, setExpanded] = useState<ReadonlySet<string>>(() => new Set());
  const aspect = useAspect(box);
  const toggle = useCallback((master: string) => {
    setExpanded((before) => {
      const after = new Set(before);
      if (!after.delete(master)) after.add(master);
      return after;
    });
  }, []);
  const island = useMemo(() => ({ bridge, store, toggle }), [bridge, store, toggle]);
  return (
    <IslandProvider value={island}>
      <ReactFlowProvider>
        <Topology expanded={expanded} aspect={aspect} />
      </ReactFlowProvider>
    </IslandProvider>
  );
}

/** Aspect ratio of the panel, in steps, so that a few pixels do not change the layout. */
function useAspect(box: HTMLElement): number {
  const [aspect, setAspect] = useState(1.7);
  useEffect(() => {
    const observer = new ResizeObserver(() => {
      if (box.clientHeight > 0) setAspect(Math.round((box.clientWidth / box.clientHeight) * 5) / 5);
    });
    observer.observe(box);
    return () => observer.disconnect();
  }, [box]);
  return aspect;
}

const box = document.getElementById("topology");
const bridge = window.agentflow;
if (box && bridge) {
  const store = new NodeStore();
  store.replace(bridge.nodes());
  bridge.onNode((id, node) => store.set(id, node));
  bridge.onReplace(() => store.replace(bridge.nodes()));
  createRoot(box).render(<Root bridge={bridge} store={store} box={box} />);
}
