"""docs/websocket.md, "Limits": what waits for one socket is bounded, in order, and never lost silently."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.live.frames import Answer, Frame
from dashboard.live.outbox import Outbox, OutboxLimits, Skipped

LIMITS = OutboxLimits(state_messages=20, state_bytes=400, log_lines=6, log_bytes=2000, answers=2)


def state(seq: int, size: int = 10) -> Frame:
    return Frame("s" * size, seq=seq)


def log(seq: int, lines: int = 1) -> Frame:
    return Frame(json.dumps({"lines": [["x"]] * lines}), lane="logs", seq=seq, line_count=lines)


def behind() -> Outbox:
    """The outbox of a client that has fallen behind: something is waiting already."""
    outbox = Outbox(LIMITS)
    outbox.put(metrics("a", 0))
    outbox.fall_behind()
    return outbox


def metrics(node: str, value: int) -> Frame:
    return Frame(str(value), lane="metrics", key=node)


def test_states_and_logs_leave_in_the_order_of_the_feed() -> None:
    outbox = Outbox(LIMITS)
    for frame in (state(1), log(2), state(3), log(4), state(5)):
        outbox.put(frame)

    assert [item.seq for item in outbox.take(10_000) if isinstance(item, Frame)] == [1, 2, 3, 4, 5]
    assert not outbox


def test_metrics_keep_the_newest_of_each_node() -> None:
    outbox = Outbox(LIMITS)
    for value in range(100):
        outbox.put(metrics("a", value))
        outbox.put(metrics("b", -value))

    assert [item.text for item in outbox.take(10_000) if isinstance(item, Frame)] == ["99", "-99"]


def test_too_many_logs_make_room_and_say_so() -> None:
    outbox = behind()
    for seq in range(1, 6):
        outbox.put(log(seq, lines=2))

    skipped, *rest = outbox.take(10_000)

    assert skipped == Skipped(messages=2, lines=4, first_seq=1, last_seq=2)
    assert [item.seq for item in rest if isinstance(item, Frame) and item.seq] == [3, 4, 5]


def test_a_burst_to_a_client_that_reads_skips_nothing_until_it_falls_behind() -> None:
    outbox = Outbox(LIMITS)
    for seq in range(1, 31):
        outbox.put(log(seq) if seq % 2 else state(seq))

    assert [item.seq for item in outbox.take(10_000) if isinstance(item, Frame)] == list(range(1, 31))

    for seq in range(31, 61):
        outbox.put(log(seq))
    outbox.fall_behind()
    assert outbox.take(1)[0] == Skipped(messages=24, lines=24, first_seq=31, last_seq=54)


def test_one_log_message_larger_than_the_ring_is_kept_but_not_one_larger_than_its_bytes() -> None:
    outbox = behind()
    outbox.take(10_000)
    outbox.fall_behind()

    outbox.put(log(1, lines=50))
    outbox.put(state(2))
    assert [type(item) for item in outbox.take(300)] == [Frame]

    outbox.put(log(3, lines=1000))
    assert outbox.take(1)[0] == Skipped(messages=1, lines=1000, first_seq=3, last_seq=3)


@pytest.mark.parametrize("frames", [[state(n) for n in range(21)], [state(n, 150) for n in range(3)]])
def test_too_many_states_overflow_and_free_their_memory(frames: list[Frame]) -> None:
    outbox = behind()
    for frame in frames:
        outbox.put(frame)
    outbox.put(log(99))

    assert outbox.is_overflown
    assert outbox.held_bytes == 0
    assert not outbox


def test_answers_use_no_bytes_but_are_counted() -> None:
    outbox = Outbox(LIMITS)
    answer = Answer([Frame("x" * 5000, seq=7), Frame("y", seq=9)], store="s", seq=9)

    outbox.put_answer(answer)
    outbox.put_answer(answer)
    assert (outbox.held_bytes, outbox.is_overflown) == (0, False)

    outbox.put_answer(answer)
    assert outbox.is_overflown


def test_the_position_never_skips_queued_messages() -> None:
    outbox = Outbox(LIMITS)
    assert outbox.position(10) == 10

    outbox.put(log(8))
    outbox.put(state(9))
    assert outbox.position(10) == 7

    outbox.put_answer(Answer([Frame("x", seq=5)], store="s", seq=5))
    assert outbox.position(10) == 4

    outbox.take(10_000)
    assert outbox.position(10) == 10


@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("state"), st.integers(1, 60)),
            st.tuples(st.just("log"), st.integers(1, 9)),
            st.tuples(st.just("metrics"), st.integers(0, 3)),
            st.tuples(st.just("take"), st.integers(1, 300)),
            st.tuples(st.just("behind"), st.just(0)),
        ),
        max_size=120,
    )
)
def test_the_outbox_stays_bounded_ordered_and_complete(steps: list[tuple[str, int]]) -> None:
    outbox = Outbox(LIMITS)
    is_behind = False
    given_states: list[int] = []
    taken_states: list[int] = []
    last = given_lines = taken_lines = skipped_lines = 0

    def take(size: int) -> None:
        nonlocal last, taken_lines, skipped_lines
        for item in outbox.take(size):
            if isinstance(item, Skipped):
                skipped_lines += item.lines
            elif item.lane != "metrics":
                assert item.seq > last
                last = item.seq
                taken_lines += item.line_count
                if item.lane == "states":
                    taken_states.append(item.seq)

    for seq, (kind, number) in enumerate(steps, 1):
        if kind == "state":
            outbox.put(state(seq, number))
            given_states.append(seq)
        elif kind == "log":
            outbox.put(log(seq, number))
            given_lines += number
        elif kind == "metrics":
            outbox.put(metrics(str(number), seq))
        elif kind == "behind":
            outbox.fall_behind()
            is_behind = True
        else:
            take(number)
        is_behind = is_behind and bool(outbox)
        burst = 1 if is_behind else 4
        assert outbox.held_bytes <= burst * (LIMITS.state_bytes + LIMITS.log_bytes) + 4 * 3
        assert outbox.position(seq) >= last or not outbox
        if outbox.is_overflown:
            return
    while outbox:
        take(50)

    assert taken_states == given_states
    assert taken_lines + skipped_lines == given_lines
