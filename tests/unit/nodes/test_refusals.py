"""A flood of refused attempts fills neither the log nor the store."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

import pytest

from nodes.limits import TokenLimits
from nodes.refusals import RefusalCount, RefusalRecorder


class Time:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Store:
    def __init__(self) -> None:
        self.counts: list[RefusalCount] = []
        self.is_down = False
        self.stored = threading.Event()

    def __call__(self, counts: Sequence[RefusalCount]) -> None:
        if self.is_down:
            raise OSError("no store")
        self.counts.extend(counts)
        self.stored.set()


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def recorder(time: Time, store: Store) -> RefusalRecorder:
    return RefusalRecorder(store, in_background=False, mono=time)


def note(recorder: RefusalRecorder, address: str = "192.0.2.7", times: int = 1, **values: str) -> None:
    for _ in range(times):
        recorder.note("login", address=address, result="refused", **values)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "agentflow.refused"]


def test_a_flood_from_one_source_is_one_line_a_minute(
    recorder: RefusalRecorder, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    note(recorder, times=300, reason="wrong password")
    recorder.flush()
    time.now += 60
    note(recorder, times=200)
    recorder.flush()
    time.now += 60
    recorder.flush()
    time.now += 60
    recorder.flush()
    note(recorder)

    first = "login refused (wrong password), from 192.0.2.7"
    assert lines(caplog) == [
        first,
        "login refused 499 more times, from 192.0.2.7",
        first.replace("wrong password", "refused"),
    ]


def test_counts_go_to_the_store_per_source_and_result(recorder: RefusalRecorder, store: Store) -> None:
    note(recorder, "2001:db8::1", 3, name="ada")
    note(recorder, "2001:db8::2", 2, name="bob")
    recorder.note("login", address="2001:db8::3", result="limited", name="ada")
    recorder.flush()
    recorder.flush()

    assert [(c.address, c.result, c.count, c.names) for c in store.counts] == [
        ("2001:db8::1", "refused", 5, ["ada", "bob"]),
        ("2001:db8::1", "limited", 1, ["ada"]),
    ]


def test_addresses_of_one_network_have_one_name_within_a_minute(recorder: RefusalRecorder, store: Store) -> None:
    for number in range(1, 4):
        note(recorder, f"2001:db8::{number}")
        recorder.flush()

    assert [count.address for count in store.counts] == ["2001:db8::1"] * 3


def test_many_sources_and_names_are_bounded(
    recorder: RefusalRecorder, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(5_000):
        note(recorder, f"10.0.{number // 250}.{number % 250}", name=f"name-{number}")
    recorder.flush()

    assert len(store.counts) == 101
    assert sum(count.count for count in store.counts) == 5_000
    assert (store.counts[-1].address, len(store.counts[-1].names)) == ("", 10)
    assert len(lines(caplog)) == 101


def test_counts_wait_for_the_store(recorder: RefusalRecorder, store: Store) -> None:
    store.is_down = True
    note(recorder, times=3)
    assert not recorder.flush()
    note(recorder, times=2)
    store.is_down = False

    assert recorder.flush()

    assert [count.count for count in store.counts] == [5]


def test_the_thread_stores_by_itself_and_close_ends_it(store: Store) -> None:
    recorder = RefusalRecorder(store)
    note(recorder)
    assert store.stored.wait(10)
    note(recorder)

    recorder.close()

    assert sum(count.count for count in store.counts) == 2
    assert not [thread for thread in threading.enumerate() if thread.name == "refusals"]


def test_close_logs_what_the_log_has_not_said(recorder: RefusalRecorder, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    note(recorder, times=7)

    recorder.close()

    assert lines(caplog)[-1] == "login refused 6 more times, from 192.0.2.7"


def test_wrong_tokens_are_limited_and_right_ones_never_wait(time: Time) -> None:
    limits = TokenLimits(mono=time)
    limits.accepted("right")
    checked = 0
    for number in range(300):
        if not limits.wait_seconds("192.0.2.7", f"wrong-{number}"):
            checked += 1
            limits.refused("192.0.2.7", f"wrong-{number}")

    assert checked == 20
    assert limits.wait_seconds("192.0.2.7", "new") > 0
    assert limits.wait_seconds("192.0.2.7", "right") == 0
    assert limits.wait_seconds("192.0.2.8", "new") == 0
    limits.refused("192.0.2.7", "right")  # It was revoked.
    assert limits.wait_seconds("192.0.2.7", "right") > 0
    time.now += 3
    assert limits.wait_seconds("192.0.2.7", "new") == 0


def test_wrong_tokens_of_all_sources_together_are_limited(time: Time) -> None:
    limits = TokenLimits(mono=time)
    for number in range(200):
        limits.refused(f"10.0.0.{number}", "wrong")

    assert limits.wait_seconds("192.0.2.8", "new") > 0
