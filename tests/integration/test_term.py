"""The record of who may write a database: taking, renewing, losing and giving it up, on SQLite and PostgreSQL alike."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import OperationalError, connection, transaction

from nodes.domain.events import TaskStatus
from nodes.domain.states import TaskState
from nodes.errors import LeaderRuns, StaleTerm
from nodes.leader.projection.epoch import Epoch
from nodes.leader.projection.projection import Projection
from nodes.leader.projection.term import BEAT_SECONDS, LAPSE_SECONDS, Record, Term, Watch, acquire, read, take
from nodes.models import LeaderTerm, Store, Task
from tests.support import database
from tests.support import leader_store as store
from tests.support.leader_store import Recorder, Voice, running_projection

pytestmark = pytest.mark.django_db(transaction=True)


class Clock:
    """A watcher's time; something may happen while it sleeps."""

    def __init__(self, meanwhile: Callable[[], None] = lambda: None, step: float | None = None) -> None:
        self.mono = 100.0
        self.slept = 0.0
        self._meanwhile = meanwhile
        self._step = step

    def sleep(self, seconds: float) -> None:
        self._meanwhile()
        self.mono += seconds if self._step is None else self._step
        self.slept += seconds

    def acquire(self, **named: str) -> Term:
        return acquire(address="the second", sleep=self.sleep, mono=lambda: self.mono, **named)


def first() -> Term:
    return acquire(address="host-1, process 7")


# --- taking ---------------------------------------------------------------------------------------


def test_a_second_holder_is_refused_while_the_first_beats() -> None:
    term = first()
    clock = Clock(term.renew)

    with pytest.raises(LeaderRuns, match=r"already running on this database \(host-1, process 7\)"):
        clock.acquire()

    assert clock.slept < BEAT_SECONDS
    term.renew()


def test_a_beat_that_stands_still_lapses(caplog: pytest.LogCaptureFixture) -> None:
    """The watcher counts on its own clock, and says what it waits for."""
    term = first()
    clock = Clock()

    with caplog.at_level(logging.INFO):
        second = clock.acquire()

    assert LAPSE_SECONDS <= clock.slept < LAPSE_SECONDS + 1
    assert second.value == term.value + 1
    (line,) = [record.getMessage() for record in caplog.records]
    assert "host-1, process 7" in line
    assert "at most 10 s" in line
    with pytest.raises(StaleTerm, match=r"another Leader \(the second\) has taken over"):
        term.renew()


def test_a_term_that_was_given_up_is_free_at_once() -> None:
    first().give_up()
    clock = Clock()

    clock.acquire()

    assert not clock.slept


def test_a_holder_that_is_known_to_be_dead_is_not_waited_for() -> None:
    dead, clock = first(), Clock()

    clock.acquire(dead_holder=dead.holder)

    assert not clock.slept


def test_a_watcher_that_stood_still_itself_counts_anew() -> None:
    """Frozen, or without the database: the holder may have been as well, and gets the whole lapse."""
    watch, record = Watch(), Record(1, "a", "", 1)
    for mono in (0.0, 1.0, 2.0, 60.0, 61.0):
        watch.look(record, mono)
    assert not watch.has_lapsed

    for mono in range(62, 71):
        watch.look(record, mono)
    assert watch.has_lapsed


def test_a_term_exceeds_every_number_known_here_or_elsewhere() -> None:
    """A backup that was restored has an old record; the epoch's file, or the store, knows better."""
    Store.objects.update_or_create(id=1, defaults={"epoch": 40})
    assert first().value == 41

    assert acquire(address="x", above=70, dead_holder=read().holder).value == 71


def test_of_many_that_take_the_same_record_one_gets_it() -> None:
    first()
    for _ in range(25):
        seen, won, start = read(), [], threading.Barrier(4)

        def race(seen: Record = seen, won: list[Term] = won, start: threading.Barrier = start) -> None:
            start.wait(10)
            try:
                if (term := take(seen, address="racer")) is not None:
                    won.append(term)
            finally:
                connection.close()

        racers = [threading.Thread(target=race) for _ in range(4)]
        for racer in racers:
            racer.start()
        for racer in racers:
            racer.join()

        assert [(term.value, term.holder) for term in won] == [(read().term, read().holder)]
        assert read().term == seen.term + 1


def test_giving_up_a_term_that_is_over_changes_nothing() -> None:
    term = first()
    second = Clock().acquire(dead_holder=term.holder)

    term.give_up()

    assert read().holder == second.holder


def test_it_is_kept_while_its_holder_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nodes.leader.projection.term.BEAT_SECONDS", 0.01)
    term = first()

    with term.kept(), pytest.raises(LeaderRuns):
        acquire(address="the second")


# --- the fence ------------------------------------------------------------------------------------


def test_nobody_takes_over_in_the_middle_of_a_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commit of an old term comes before the next term, or not at all."""
    term, seen = first(), read()
    database.wait_shortly(monkeypatch)
    outcome: list[object] = []

    def take_over() -> None:
        try:
            outcome.append(take(seen, address="the second"))
        except OperationalError:
            outcome.append("locked")
        finally:
            connection.close()

    def in_thread() -> object:
        thread = threading.Thread(target=take_over)
        thread.start()
        thread.join()
        return outcome.pop()

    with transaction.atomic():
        term.renew()
        assert in_thread() == "locked"

    assert in_thread() is None  # The record has changed.
    term.renew()


async def test_a_leader_that_lost_the_term_writes_nothing_more(tmp_path: Path) -> None:
    """As one that was frozen and wakes: nothing is stored or acknowledged, not even what was queued before."""
    term = await store.taken_term()
    lost: list[StaleTerm] = []
    epoch = Epoch(tmp_path / "epoch")
    epoch.begin(term.value)
    projection = Projection(
        Recorder(), term=term, epoch=epoch, public_key=b"", leader_id="l", revoked=set, on_lost=lost.append
    )
    await projection.start()
    voice = Voice(projection, "master-1")
    await voice.arrive()
    await store.taken_term(dead_holder=term.holder)

    told = [voice.tell(TaskStatus(task_id=name, state=TaskState.RUNNING)) for name in ("t1", "t2")]
    refused = await asyncio.gather(*told, projection.write(lambda unit: unit.next_seq()), return_exceptions=True)

    assert [type(error) for error in refused] == [StaleTerm] * 3
    assert len(lost) == 1
    with pytest.raises(StaleTerm):
        await projection.write(lambda unit: unit.next_seq())
    assert not await store.read(Task.objects.exists)
    assert (await store.read(LeaderTerm.objects.get)).address == "the test"
    await projection.stop()


async def test_an_idle_leader_notices_the_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nodes.leader.projection.writer.BEAT_SECONDS", 0.01)
    term = await store.taken_term()
    lost = asyncio.Event()
    loop = asyncio.get_running_loop()
    epoch = Epoch(tmp_path / "epoch")
    projection = Projection(
        Recorder(),
        term=term,
        epoch=epoch,
        public_key=b"",
        leader_id="l",
        revoked=set,
        on_lost=lambda exc: loop.call_soon_threadsafe(lost.set),
    )
    await projection.start()

    await store.taken_term(dead_holder=term.holder)

    async with asyncio.timeout(10):
        await lost.wait()
    await projection.stop()


async def test_a_clean_stop_gives_the_term_up(tmp_path: Path) -> None:
    async with running_projection(tmp_path, Recorder()):
        assert (await store.read(read)).holder

    assert not (await store.read(read)).holder
