/** The healthy Edges of a Master, folded into one card with their number. A click unfolds them. */

import type { Node, NodeProps } from "@xyflow/react";
import { memo } from "react";
import type { NodeState } from "../../live/messages";
import { useIsFar, useIsland } from "../context";
import { Anchors } from "./Anchors";
import { Icon } from "./Icon";

export interface GroupData extends Record<string, unknown> {
  master: string;
  counts: Record<NodeState, number>;
  worst: NodeState;
}
export type GroupCardType = Node<GroupData, "fold">;

const STATES: NodeState[] = ["online", "suspect", "offline"];

export const GroupCard = memo(function GroupCard({ data }: NodeProps<GroupCardType>) {
  const { bridge, toggle } = useIsland();
  const far = useIsFar();
  const total = STATES.reduce((sum, state) => sum + data.counts[state], 0);
  return (
    <button
      type="button"
      className="topo-card topo-group nopan"
      data-state={data.worst}
      data-far={far || undefined}
      aria-expanded={false}
      onClick={() => toggle(data.master)}
    >
      <Anchors />
      <span className={far ? "sr-only" : "topo-head"}>
        <Icon name="boxes" />
        <strong>{bridge.count("topology.edges", total)}</strong>
        <Icon name="chevrons-down" />
        <span className="sr-only">{bridge.getText("topology.expand", { node: data.master })}</span>
      </span>
      <span className="topo-counts">
        {STATES.filter((state) => data.counts[state] > 0).map((state) => (
          <span key={state} data-state={state}>
            <Icon name={bridge.stateIcon(state)} />
            {data.counts[state]}
            <span className="sr-only">{bridge.stateLabel(state)}</span>
          </span>
        ))}
      </span>
    </button>
  );
});
