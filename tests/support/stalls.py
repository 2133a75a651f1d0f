"""A stuck task, as its node reports it, and a model's answer about it."""

from __future__ import annotations

import json
from typing import Any

from chat.models import Turn
from nodes.domain.events import Evidence, StallAlert, TaskStatus
from nodes.domain.states import TaskHealth, TaskState
from tests.support.chat import ChatWorld, named_request
from tests.support.leader_store import read
from tests.support.messages_api import Reply, text

PROMPT = "Continue? [Y/n]"


async def run_task(world: ChatWorld, task_id: str = "t1", name: str = "firmware build", project: str = "shop") -> None:
    status = TaskStatus(
        task_id=task_id,
        state=TaskState.RUNNING,
        name=name,
        project=project,
        accepts_input=True,
        request=named_request(task_id),
    )
    await world.voice.tell(status)


async def stick(
    world: ChatWorld,
    task_id: str = "t1",
    *,
    line: str = PROMPT,
    verdict: TaskHealth = TaskHealth.WAITING,
    reason: str = "waits for input",
    **others: str,
) -> None:
    """Sends the node's report with evidence; `others`: more pieces by kind."""
    pieces = {"lines": line, **others}
    evidence = tuple(Evidence(id=f"{task_id}.1-{kind}", kind=kind, text=text) for kind, text in pieces.items())
    await world.voice.tell(StallAlert(task_id=task_id, verdict=verdict, reason=reason, evidence=evidence))


async def recover(world: ChatWorld, task_id: str = "t1") -> None:
    await world.voice.tell(
        StallAlert(task_id=task_id, verdict=TaskHealth.HEALTHY, reason="the task is making progress")
    )


async def stall_turn(world: ChatWorld, number: int = 1) -> str:
    """The id of the `number`th turn that a stall started, once it exists."""

    def find() -> str | None:
        found = Turn.objects.filter(trigger="stall").order_by("created_at", "number").values_list("id", flat=True)
        return found[number - 1] if len(found) >= number else None

    found = await world.sees(lambda: read(find))
    assert isinstance(found, str)
    return found


async def analysed(world: ChatWorld, number: int = 1) -> dict[str, Any]:
    """That turn once it is done, with the analysis."""
    return await world.settled(await stall_turn(world, number), "done")


def says(**fields: Any) -> Reply:
    """A model's analysis in the requested schema."""
    answer = {
        "cause": "It asks whether to go on.",
        "confidence": "high",
        "evidence": [{"id": "t1.1-lines", "quote": PROMPT}],
        "fixes": [{"action": "input", "text": "y", "why": "the prompt offers it"}],
        **fields,
    }
    return Reply([text(json.dumps(answer, ensure_ascii=False))])


def question_in(body: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(body["messages"][-1]["content"][-1]["text"])
    return found
