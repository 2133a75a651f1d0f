"""Order of stopping, faults, deadline, second signal."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable

import pytest

from nodes.core.lifecycle import EXIT_FAULT, EXIT_OK, finish, run_services


class Part:
    """Runs until asked to stop; records its lifecycle in `story`."""

    def __init__(
        self, name: str, story: list[str], *, stubborn: bool = False, on_start: Callable[[], None] | None = None
    ):
        self.name = name
        self._story = story
        self._stubborn = stubborn
        self._on_start = on_start
        self._stop = asyncio.Event()

    async def run(self) -> None:
        self._story.append(f"{self.name} starts")
        if self._on_start is not None:
            self._on_start()
        try:
            await self._stop.wait()
            if self._stubborn:
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            self._story.append(f"{self.name} is cancelled")
            raise
        self._story.append(f"{self.name} ends")

    def request_stop(self) -> None:
        self._story.append(f"{self.name} is asked")
        self._stop.set()


def _terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


async def test_a_signal_stops_the_services_one_after_the_other_in_reverse_order() -> None:
    story: list[str] = []

    code = await run_services([Part("journal", story), Part("uplink", story, on_start=_terminate)])

    assert code == EXIT_OK
    assert story == [
        "journal starts",
        "uplink starts",
        "uplink is asked",
        "uplink ends",
        "journal is asked",
        "journal ends",
    ]


class Faulty(Part):
    async def run(self) -> None:
        await super().run()
        raise OSError("disk gone")


@pytest.mark.parametrize("kind", [Part, Faulty])
async def test_a_service_that_ends_without_a_stop_request_is_a_fault_and_stops_the_others(
    kind: type[Part], caplog: pytest.LogCaptureFixture
) -> None:
    story: list[str] = []
    ending = kind("uplink", story)
    ending.request_stop()  # The process was not asked to stop: for `run_services` the service ends by itself.

    code = await run_services([Part("journal", story), ending], handle_signals=False)

    assert code == EXIT_FAULT
    assert "journal ends" in story
    assert "service uplink ended before a stop was requested" in caplog.text
    assert ("disk gone" in caplog.text) == (kind is Faulty)


async def test_running_services_are_cancelled_at_the_deadline() -> None:
    story: list[str] = []

    code = await run_services(
        [Part("journal", story), Part("runner", story, stubborn=True, on_start=_terminate)], stop_deadline_seconds=0.05
    )

    assert code == EXIT_OK
    assert "runner is cancelled" in story


async def test_the_second_signal_cancels() -> None:
    story: list[str] = []
    part = Part("runner", story, stubborn=True, on_start=_terminate)
    asyncio.get_running_loop().call_later(0.05, _terminate)

    async with asyncio.timeout(5):
        await run_services([part], stop_deadline_seconds=60)

    assert story[-1] == "runner is cancelled"


async def test_finish_completes_the_write_before_it_passes_the_cancellation_on() -> None:
    may_end = asyncio.Event()
    written: list[str] = []

    async def write() -> None:
        await may_end.wait()
        written.append("row")

    async def caller() -> None:
        await finish(write())

    task = asyncio.create_task(caller())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()

    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert written == ["row"]


async def test_a_hang_up_asks_for_a_reload_and_ends_nothing() -> None:
    story: list[str] = []
    hung_up = asyncio.Event()

    async def hang_up_then_stop() -> None:
        os.kill(os.getpid(), signal.SIGHUP)
        await hung_up.wait()
        _terminate()

    async with asyncio.TaskGroup() as group:
        running = group.create_task(run_services([Part("a", story)], on_hang_up=hung_up.set))
        await asyncio.sleep(0)  # The handlers are in place.
        group.create_task(hang_up_then_stop())

    assert running.result() == EXIT_OK
    assert story == ["a starts", "a is asked", "a ends"]
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
