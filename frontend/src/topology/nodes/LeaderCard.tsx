/** The Leader that serves this page, if it is not a node. */

import type { Node, NodeProps } from "@xyflow/react";
import { memo } from "react";
import { useIsFar, useIsland, usePageAge } from "../context";
import { Anchors } from "./Anchors";
import { Icon } from "./Icon";

export type LeaderCardType = Node<Record<string, never>, "leader">;

export const LeaderCard = memo(function LeaderCard(_props: NodeProps<LeaderCardType>) {
  const { bridge } = useIsland();
  const far = useIsFar();
  const { push } = usePageAge();
  return (
    <div className="topo-card" data-state="online" data-role="leader" data-far={far || undefined}>
      <Anchors />
      <div className="topo-head">
        <Icon name={bridge.roleIcon("leader")} />
        <strong>{bridge.roleLabel("leader")}</strong>
        <span className="topo-state">
          <Icon name={bridge.stateIcon("online")} />
        </span>
      </div>
      {!far && (
        <p className="topo-foot">
          {push === "" ? bridge.getText("topology.thisPage") : bridge.getText("topology.push", { latency: push })}
        </p>
      )}
    </div>
  );
});
