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


_VERBS = {
    "取消": "cancel",
    "暂停": "pause",
    "恢复": "resume",
    "重试": "retry",
    "pause": "pause",
    "resume": "resume",
    "retry": "retry",
}
_WORDS = {"编译": "build", "构建": "build", "测试": "test", "部署": "deploy"}
_FILLERS = ("的", "任务", "the", "on", "task", "请", "please")


def understand(text: str, context: Context, *, last_task: str = "") -> Understanding:
    rest = text.lower()
    verbs = [action for verb, action in _VERBS.items() if verb in rest]
    if len(verbs) != 1:
        return Understanding(outcome="help")
    tasks = [task for task in world(context) if task["name"].lower() in rest or _by_word(task, rest)]
    nodes = {node["id"] for node in selectors.node_list() if re.search(rf"{re.escape(node['id'].lower())}(?!\d)", rest)}
    tasks = [task for task in tasks if not nodes or task["node"] in nodes]
    if len(tasks) != 1:
        return Understanding(outcome="ask", intent=verbs[0], why="which task")
    for word in sorted([*_VERBS, *_WORDS, tasks[0]["name"].lower(), *map(str.lower, nodes), *_FILLERS], key=len)[::-1]:
        rest = rest.replace(word, " ")
    outcome = "confirm" if rest.strip() else "execute"
    return Understanding(outcome=outcome, intent=verbs[0], task_ids=(tasks[0]["id"],))


def _by_word(task: Mapping[str, Any], text: str) -> bool:
    return any(word in text and english in task["name"].lower() for word, english in _WORDS.items())


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
