/** A link along the path that the layout has drawn; its health is colour and dash, never motion. */

import { BaseEdge, type Edge, type EdgeProps } from "@xyflow/react";
import { memo } from "react";

export type WireEdgeType = Edge<{ path: string }, "wire">;

export const WireEdge = memo(function WireEdge({ id, data }: EdgeProps<WireEdgeType>) {
  return data ? <BaseEdge id={id} path={data.path} interactionWidth={0} /> : null;
});
