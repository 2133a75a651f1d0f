/** A node: name, state, load. Zoomed out: only name and state. */

import type { Node, NodeProps } from "@xyflow/react";
import { memo } from "react";
import { useIsFar, useIsland, useNode, usePageAge } from "../context";
import { Age } from "./Age";
import { Anchors } from "./Anchors";
import { Icon } from "./Icon";

/** More do not fit beside the numbers. */
const SLOTS = [0, 1, 2, 3, 4, 5, 6, 7];

export type NodeCardType = Node<{ isUnfolded: boolean }, "node">;

export const NodeCard = memo(function NodeCard({ id, data, selected }: NodeProps<NodeCardType>) {
  const { bridge, toggle } = useIsland();
  const node = useNode(id);
  const far = useIsFar();
  if (!node) return null;
  return (
    <div
      className="topo-card"
      data-state={node.state}
      data-role={node.role}
      data-far={far || undefined}
      data-selected={selected || undefined}
    >
      <Anchors />
      <div className="topo-head">
        {!far && <Icon name={bridge.roleIcon(node.role)} />}
        <a className="nopan" href={bridge.href(id)} tabIndex={-1} title={node.name}>
          {node.name}
        </a>
        <span className="topo-state">
          <Icon name={bridge.stateIcon(node.state)} />
        </span>
      </div>
      {!far && (node.state === "online" ? <Load id={id} /> : <Absence id={id} />)}
      {data.isUnfolded && (
        <button type="button" className="topo-fold nopan" onClick={() => toggle(id)}>
          <Icon name="chevrons-up" />
          <span className="sr-only">{bridge.getText("topology.fold", { node: node.name })}</span>
        </button>
      )}
    </div>
  );
});

function Load({ id }: { id: string }) {
  const { bridge } = useIsland();
  const node = useNode(id);
  const age = usePageAge();
  if (!node) return null;
  const { tone, word, isLive } = bridge.freshness(node);
  return (
    <>
      <Bar label="CPU" value={node.cpu} />
      <Bar label={bridge.getText("topology.memory")} value={node.memory} />
      <p className="topo-foot">
        {node.slots > 0 && (
          <span
            className="topo-load"
            title={bridge.getText("topology.running", { running: node.running, slots: node.slots })}
          >
            {/* Replaced by "as of 14:03:22". */}
            {isLive && (
              <span className="topo-slots" aria-hidden="true">
                {SLOTS.slice(0, node.slots).map((slot) => (
                  <i key={slot} data-busy={slot < node.running || undefined} />
                ))}
              </span>
            )}
            {node.running}/{node.slots}
          </span>
        )}
        {node.role === "leader" && age.push !== "" && <Push latency={age.push} />}
        <span className="fresh topo-fresh" data-tone={tone}>
          {word}
        </span>
        {isLive && <Age at={node.lastSeenAt} />}
      </p>
    </>
  );
}

/** Latency of changes to this page; the card has no room for a label. */
function Push({ latency }: { latency: string }) {
  const { bridge } = useIsland();
  const words = bridge.getText("topology.push", { latency });
  return (
    <span title={words} aria-label={words} role="img">
      ⇢ {latency}
    </span>
  );
}

/** For an unreachable node: since when, age of the metrics, the unreachable parent, and the number of unknown tasks. */
function Absence({ id }: { id: string }) {
  const { bridge } = useIsland();
  const node = useNode(id);
  usePageAge();
  if (!node) return null;
  const { word, beyond } = bridge.freshness(node);
  return (
    <p className="topo-absence">
      <strong>{bridge.stateLabel(node.state)}</strong>
      <small>
        {word} · <Age at={node.lastSeenAt} />
      </small>
      {beyond !== "" ? (
        <small>{bridge.getText("fresh.beyond", { node: beyond })}</small>
      ) : (
        node.running > 0 && <small>{bridge.count("node.unknownTasks", node.running)}</small>
      )}
    </p>
  );
}

function Bar({ label, value }: { label: string; value: number | null }) {
  const shown = value === null ? null : Math.round(value);
  return (
    <p className="topo-bar">
      <span>{label}</span>
      <meter min={0} max={100} low={75} high={90} optimum={0} value={shown ?? 0} aria-label={label} />
      <b>{shown === null ? "–" : `${shown}%`}</b>
    </p>
  );
}
