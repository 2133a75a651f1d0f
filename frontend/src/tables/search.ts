/** The searchable text of a node or a task: the labels in its row and its projects. Pure. */

import type { Labels } from "../app/settings";
import type { NodeStatus, TaskInfo } from "../live/messages";
import { shownHealth, stateOf } from "./task-view";

export function searchNode(node: NodeStatus, labels: Labels): string {
  const projects = node.capabilities.projects?.map((project) => project.name) ?? [];
  return [
    node.name,
    node.parent,
    labels.nodeRoles[node.role].label,
    labels.nodeStates[node.state].label,
    ...projects,
  ].join("\n");
}

export function searchTask(task: TaskInfo, labels: Labels): string {
  const health = shownHealth(task, labels);
  return [
    task.name,
    task.project,
    task.node || task.targetNode,
    stateOf(task, labels).label,
    (health && labels.taskHealth[health]?.label) ?? "",
    task.message,
    task.pendingReason,
  ].join("\n");
}
