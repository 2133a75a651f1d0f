"""When each alert gets a turn, and whether a fix helped: both pure, with a numeric clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from chat.contexts import Context
from chat.stalls.queue import A_MINUTE, AN_HOUR, COOLDOWN_SECONDS, Queue, Stuck
from chat.stalls.verdicts import SETTLES_AFTER, Observation, judge
from chat.states import FixVerdict
from nodes.domain.states import Action, TaskState


def stuck(alert_id: int, *, kind: str = "waiting", mark: str = "", node: str = "", task: str = "") -> Stuck:
    return Stuck(
        alert_id=alert_id,
        task_id=task or f"t{alert_id}",
        kind=kind,
        context=Context(node=node or f"n{alert_id}"),
        fingerprint=mark or f"f{alert_id}",
    )


def ids(queue: Queue, now: float) -> list[int]:
    """Of the turns that start now."""
    found = []
    while (batch := queue.next(now)) is not None:
        found.append(batch.first.alert_id)
    return found


def test_a_waiting_task_is_analysed_soon_and_a_stalled_one_later() -> None:
    queue = Queue()
    queue.add(stuck(1, kind="stalled"), 0.0)
    queue.add(stuck(2, kind="waiting"), 0.0)

    assert queue.delay(0.0) == 2.0
    assert ids(queue, 1.9) == []
    assert ids(queue, 2.0) == [2]
    assert ids(queue, 20.0) == [1]
    assert queue.delay(20.0) is None


def test_alerts_of_one_context_are_handled_in_sequence() -> None:
    queue = Queue()
    for number in (1, 2, 3):
        queue.add(stuck(number, kind="stalled", node="master-1"), float(number))

    assert ids(queue, 25.0) == [1]
    assert ids(queue, 44.0) == []
    assert ids(queue, 45.0) == [2]


def test_the_same_problem_is_one_turn_that_names_the_others() -> None:
    queue = Queue()
    for number in range(1, 6):
        queue.add(stuck(number, mark="same"), 0.0)

    batch = queue.next(2.0)

    assert batch is not None
    assert (batch.first.alert_id, [other.alert_id for other in batch.others]) == (1, [2, 3, 4, 5])
    assert ids(queue, 2.0 + COOLDOWN_SECONDS - 1) == []


def test_when_a_fix_helps_the_next_is_analysed_and_otherwise_the_others_wait() -> None:
    queue = Queue()
    for number in (1, 2, 3):
        queue.add(stuck(number, mark="same"), 0.0)
    queue.next(2.0)

    queue.judged(1, "t1", 10.0, has_helped=False)
    assert ids(queue, 10.0) == []
    queue.judged(1, "t1", 11.0, has_helped=True)
    assert ids(queue, 11.0) == [2]


def test_a_task_that_is_stuck_again_waits_unless_a_fix_was_tried() -> None:
    queue = Queue()
    queue.add(stuck(1, mark="same", task="t1"), 0.0)
    assert ids(queue, 2.0) == [1]

    queue.add(stuck(2, mark="same", task="t1"), 10.0)
    assert ids(queue, 100.0) == []
    queue.judged(1, "t1", 100.0, has_helped=False)
    assert ids(queue, 102.0) == [2]


def test_alerts_over_the_budget_wait_oldest_first_and_are_dropped_when_resolved() -> None:
    queue = Queue()
    for number in range(1, A_MINUTE + 4):
        queue.add(stuck(number), 0.0)

    assert ids(queue, 2.0) == list(range(1, A_MINUTE + 1))
    assert queue.delay(10.0) == pytest.approx(52.0)
    queue.drop(A_MINUTE + 1)
    assert ids(queue, 61.9) == []
    assert ids(queue, 62.0) == [A_MINUTE + 2, A_MINUTE + 3]


def test_an_hour_has_its_own_budget() -> None:
    queue = Queue()
    begun = 0
    for second in range(0, 3600, 10):
        queue.add(stuck(second + 1), float(second))
        begun += len(ids(queue, float(second)))

    assert begun == AN_HOUR


def test_a_turn_that_could_not_start_is_retried() -> None:
    queue = Queue()
    queue.add(stuck(1), 0.0)
    batch = queue.next(2.0)
    assert batch is not None
    queue.retry(batch.first, 2.0, after_seconds=20.0)

    assert ids(queue, 21.0) == []
    assert ids(queue, 22.0) == [1]


def test_a_turn_that_could_not_start_does_not_use_the_budget() -> None:
    queue = Queue()
    for number in range(A_MINUTE + 1):
        queue.add(stuck(number), 0.0)
    batch = queue.next(2.0)
    assert batch is not None
    queue.retry(batch.first, 2.0, after_seconds=20.0)

    assert len(ids(queue, 2.0)) == A_MINUTE
    assert ids(queue, 22.0) == []


# --- verdicts -------------------------------------------------------------------------------------

NOW = datetime(2026, 11, 28, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("fields", "verdict", "how"),
    [
        ({}, "watching", ""),
        ({"until": NOW}, "not-helped", "still"),
        ({"resolved_at": NOW}, "watching", ""),
        ({"resolved_at": NOW - SETTLES_AFTER}, "helped", "goes-on"),
        ({"resolved_at": NOW, "until": NOW}, "helped", "goes-on"),
        ({"resolved_at": NOW, "later": ("same",)}, "not-helped", "again"),
        ({"resolved_at": NOW, "later": ("other",)}, "helped", "next"),
        ({"resolved_at": NOW, "later": ("other", "same")}, "not-helped", "again"),
        ({"state": TaskState.SUCCEEDED}, "helped", "ended"),
        ({"state": TaskState.FAILED}, "not-helped", "failed"),
        ({"state": TaskState.LOST}, "not-helped", "failed"),
        ({"state": TaskState.CANCELLED}, "not-helped", "failed"),
        ({"state": TaskState.CANCELLED, "action": Action.CANCEL}, "helped", "stopped"),
        ({"state": None}, "not-helped", "failed"),
    ],
)
def test_verdicts(fields: dict[str, object], verdict: str, how: str) -> None:
    observed = Observation(
        **{
            "action": Action.INPUT,
            "state": TaskState.RUNNING,
            "resolved_at": None,
            "later": (),
            "fingerprint": "same",
            "until": NOW + 60 * SECOND,
            **fields,
        }  # type: ignore[arg-type]  # A table.
    )

    judged = judge(observed, NOW)

    assert (judged.verdict, judged.how) == (verdict, how)
    assert (judged.again_at is not None) == (judged.verdict is FixVerdict.WATCHING)
