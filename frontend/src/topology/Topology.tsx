/** Draws the topology: new layout when the shape changes; fits the view until the reader moves it. */

import { Background, BackgroundVariant, Controls, type NodeChange, ReactFlow, useReactFlow } from "@xyflow/react";
import { type KeyboardEvent, useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import { useIsland } from "./context";
import { WireEdge } from "./edges/WireEdge";
import { type Card, cardsOf, wiresOf } from "./graph";
import { layOut } from "./model/layout";
import { isDirection, neighbour } from "./model/neighbour";
import { growTree } from "./model/tree";
import { GroupCard } from "./nodes/GroupCard";
import { LeaderCard } from "./nodes/LeaderCard";
import { NodeCard } from "./nodes/NodeCard";

// Outside the component: new objects on each render would recreate every card.
const NODE_TYPES = { node: NodeCard, leader: LeaderCard, fold: GroupCard };
const EDGE_TYPES = { wire: WireEdge };
/** With more cards, only visible ones are in the DOM. */
const MANY_CARDS = 150;
/** Leaves room for the zoom buttons on the left. */
const FIT = { padding: { left: "56px", right: "16px", top: "16px", bottom: "16px" }, maxZoom: 1.1 } as const;

export function Topology({ expanded, aspect }: { expanded: ReadonlySet<string>; aspect: number }) {
  const { bridge, store } = useIsland();
  const version = useSyncExternalStore(store.subscribeShape, store.shapeVersion);
  const [selected, setSelected] = useState("");
  const layout = useMemo(() => layOut(growTree(store.all()), expanded, aspect), [store, version, expanded, aspect]);
  const cards = useMemo(() => cardsOf(layout, store.get, bridge, selected), [layout, store, bridge, selected]);
  const wires = useMemo(() => wiresOf(layout, store.get), [layout, store]);
  const stopFitting = useFitting(layout.cards.length, aspect, expanded);

  const select = useCallback(
    (id: string) => {
      setSelected(id);
      bridge.select(id);
    },
    [bridge],
  );
  const onNodesChange = useCallback(
    (changes: NodeChange<Card>[]) => {
      for (const change of changes) if (change.type === "select" && change.selected) select(change.id);
    },
    [select],
  );
  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>): void => {
    const id = (event.target as HTMLElement).closest<HTMLElement>(".react-flow__node")?.dataset.id;
    if (id === undefined) return;
    if (event.key === "Enter" && store.get(id)) bridge.open(id);
    else if (isDirection(event.key)) {
      const next = neighbour(layout.cards, id, event.key);
      if (!next) return;
      event.preventDefault();
      focusCard(event.currentTarget, next.id);
    }
  };

  return (
    <ReactFlow
      nodes={cards}
      edges={wires}
      nodeTypes={NODE_TYPES}
      edgeTypes={EDGE_TYPES}
      onNodesChange={onNodesChange}
      onNodeDoubleClick={(_, card) => store.get(card.id) && bridge.open(card.id)}
      onPaneClick={() => select("")}
      onMoveStart={(event) => event && stopFitting()}
      onKeyDown={onKeyDown}
      onlyRenderVisibleElements={cards.length > MANY_CARDS}
      fitView
      fitViewOptions={FIT}
      minZoom={0.1}
      maxZoom={1.6}
      nodesDraggable={false}
      nodesConnectable={false}
      edgesFocusable={false}
      deleteKeyCode={null}
      selectionKeyCode={null}
      multiSelectionKeyCode={null}
      disableKeyboardA11y={false}
      zoomOnScroll={false}
      zoomOnDoubleClick={false}
      preventScrolling={false}
      aria-label={bridge.getText("topology.label")}
      ariaLabelConfig={{
        "node.a11yDescription.default": bridge.getText("topology.help"),
        "node.a11yDescription.keyboardDisabled": bridge.getText("topology.help"),
        "controls.ariaLabel": bridge.getText("topology.controls"),
        "controls.zoomIn.ariaLabel": bridge.getText("topology.zoomIn"),
        "controls.zoomOut.ariaLabel": bridge.getText("topology.zoomOut"),
        "controls.fitView.ariaLabel": bridge.getText("topology.fit"),
      }}
    >
      <Background variant={BackgroundVariant.Dots} gap={22} size={1} />
      <Controls showInteractive={false} fitViewOptions={FIT} />
    </ReactFlow>
  );
}

/** Fits the view when the shape changes. Returns a function that stops this, for when the reader moves the view. */
function useFitting(cardCount: number, aspect: number, expanded: ReadonlySet<string>): () => void {
  const { fitView } = useReactFlow();
  const isFitting = useRef(true);
  useEffect(() => {
    // Do not fit the view after the reader unfolds a group.
    isFitting.current = true;
  }, [expanded]);
  useEffect(() => {
    if (!isFitting.current) return;
    const duration = matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 250;
    const timer = setTimeout(() => void fitView({ ...FIT, duration }), 30);
    return () => clearTimeout(timer);
  }, [cardCount, aspect, expanded, fitView]);
  return useCallback(() => {
    isFitting.current = false;
  }, []);
}

function focusCard(root: HTMLElement, id: string): void {
  const card = root.querySelector<HTMLElement>(`.react-flow__node[data-id="${CSS.escape(id)}"]`);
  // A group is a button itself.
  ((card?.querySelector("button.topo-group") as HTMLElement | null) ?? card)?.focus();
}
