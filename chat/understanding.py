"""What the person's own sentence asks for, read by rules: for the gate with every engine, and for the offline one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chat.contexts import Context
from chat.policy import Wish
from nodes import selectors
from nodes.domain.states import TaskState

LIVE_STATES = tuple(str(state) for state in TaskState if not state.is_final)
_TASKS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Understanding:
    outcome: str  # "execute", "confirm", "ask", "refuse", "help"
    intent: str = ""
    task_ids: tuple[str, ...] = ()
    why: str = ""


# By what a sentence says: an action of a task.
_VERBS = {
    "暂停": "pause",
    "恢复": "resume",
    "继续": "resume",
    "重试": "retry",
    "取消": "cancel",
    "pause": "pause",
    "resume": "resume",
    "retry": "retry",
    "cancel": "cancel",
}
# A kind of task, and the word that the names of such tasks hold.
_KINDS = {"编译": "build", "构建": "build", "测试": "test", "部署": "deploy", "build": "build", "test": "test"}
_FILLERS = ("的", "任务", "上", "请", "把", "the", "on", "task", "please", "of", "。", ".")
_READS = {
    "节点": "nodes",
    "nodes": "nodes",
    "任务列表": "tasks",
    "tasks": "tasks",
    "历史": "history",
    "history": "history",
}


def understand(text: str, context: Context, *, last_task: str = "") -> Understanding:
    """Sure only when every word is accounted for: a word that is not could turn the meaning round."""
    rest = text.lower()
    verbs = {action for verb, action in _VERBS.items() if verb in rest}
    if not verbs:
        reads = {intent for word, intent in _READS.items() if word in rest}
        return (
            Understanding(outcome="execute", intent=reads.pop()) if len(reads) == 1 else Understanding(outcome="help")
        )
    if len(verbs) > 1:
        return Understanding(outcome="ask", why="more than one action")
    action = verbs.pop()
    nodes = {node["id"].lower() for node in selectors.node_list() if _names(rest, node["id"])}
    tasks = [task for task in world(context) if not nodes or task["node"].lower() in nodes]
    named = [task for task in tasks if _names(rest, task["id"]) or _names(rest, task["name"])]
    chosen = named or [task for task in tasks if _is_of_kind(task, rest)]
    if len(chosen) != 1:
        return Understanding(outcome="ask", intent=action, why="which task")
    task = chosen[0]
    known = [*_VERBS, *_KINDS, *nodes, *_FILLERS, task["id"].lower(), task["name"].lower()]
    for word in sorted(filter(None, known), key=len, reverse=True):
        rest = rest.replace(word, " ")
    return Understanding(outcome="confirm" if rest.strip() else "execute", intent=action, task_ids=(task["id"],))


def _names(text: str, name: str) -> bool:
    """The whole name: "master-1" does not stand in "master-12"."""
    return bool(name) and re.search(rf"(?<![a-z0-9]){re.escape(name.lower())}(?![a-z0-9])", text) is not None


def _is_of_kind(task: Mapping[str, Any], text: str) -> bool:
    return task["state"] in LIVE_STATES and any(
        word in text and kind in task["name"].lower() for word, kind in _KINDS.items()
    )


def world(context: Context) -> list[dict[str, Any]]:
    """Tasks that words in this context can mean."""
    found = selectors.task_list(state=LIVE_STATES, limit=_TASKS, **context.filters)["results"]
    ended = selectors.task_list(limit=50, **context.filters)["results"]
    return list({task["id"]: task for task in [*found, *ended]}.values())


def wish_of(text: str, context: Context) -> Wish | None:
    """One action on one task that the sentence asks for beyond doubt; None for everything else."""
    found = understand(text, context)
    if found.outcome != "execute" or len(found.task_ids) != 1:
        return None
    return Wish(action=found.intent, task_id=found.task_ids[0], text=text)
