import { Handle, Position } from "@xyflow/react";

/** Invisible anchors of the wires, because the layout computes their paths. */
export function Anchors() {
  return (
    <>
      <Handle type="target" position={Position.Top} isConnectable={false} />
      <Handle type="source" position={Position.Bottom} isConnectable={false} />
    </>
  );
}
