/**
 * A link along the layout's path. Colour and dashes show its health, never motion; a label at its lower end shows the
 * round-trip time while heartbeats arrive, else the problem.
 */

import { BaseEdge, type Edge, type EdgeProps } from "@xyflow/react";
import { memo } from "react";
import { useIsFar, useIsland, useNode, usePageAge } from "../context";
import type { Point } from "../model/path";

export type WireEdgeType = Edge<{ path: string; end: Point; isGroup: boolean }, "wire">;

export const WireEdge = memo(function WireEdge({ id, target, data }: EdgeProps<WireEdgeType>) {
  const far = useIsFar();
  if (!data) return null;
  return (
    <>
      <BaseEdge id={id} path={data.path} interactionWidth={0} />
      {!far && !data.isGroup && <Health node={target} at={data.end} />}
    </>
  );
});

function Health({ node: id, at }: { node: string; at: Point }) {
  const { bridge } = useIsland();
  const node = useNode(id);
  usePageAge();
  if (!node) return null;
  const { state, word } = bridge.hop(node);
  return (
    <text className="wire-word" data-link={state} x={at.x + 6} y={at.y - 6}>
      {word}
    </text>
  );
}
