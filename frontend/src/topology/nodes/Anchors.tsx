import { Handle, Position } from "@xyflow/react";

/** Where wires are tied; the layout draws their paths, so these are never seen. */
export function Anchors() {
  return (
    <>
      <Handle type="target" position={Position.Top} isConnectable={false} />
      <Handle type="source" position={Position.Bottom} isConnectable={false} />
    </>
  );
}
