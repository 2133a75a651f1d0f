import { Handle, Position } from "@xyflow/react";

/** Anchors of the wires; the layout draws their paths, so these are invisible. */
export function Anchors() {
  return (
    <>
      <Handle type="target" position={Position.Top} isConnectable={false} />
      <Handle type="source" position={Position.Bottom} isConnectable={false} />
    </>
  );
}
