/** The text by which a node or a task is found: the words in its row, and its projects. Pure. */

import type { Words } from "../app/settings";
import type { NodeStatus, TaskInfo } from "../live/messages";
import { stateOf } from "./task-view";

export function searchNode(node: NodeStatus, words: Words): string {
  const projects = node.capabilities.projects?.map((project) => project.name) ?? [];
  return [node.name, node.parent, words.nodeRoles[node.role].label, words.nodeStates[node.state].label, ...projects].join("\n");
}

export function searchTask(task: TaskInfo, words: Words): string {
  const health = task.state === "running" ? words.taskHealth[task.health]?.label : "";
  return [task.name, task.project, task.node ?? task.targetNode, stateOf(task, words).label, health, task.message, task.pendingReason].join("\n");
}
