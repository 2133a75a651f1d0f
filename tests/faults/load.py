"""Mixed load over the REST API during a scenario: tasks start and end, pause, resume, get input."""

from __future__ import annotations

import contextlib
import itertools
import random
import threading
import traceback
from collections.abc import Sequence

from tests.faults.arena import Arena


class Load:
    """Runs while the block runs. Requests that the Leader does not accept are not repeated."""

    def __init__(self, arena: Arena, nodes: Sequence[str] = (), *, pause_seconds: float = 0.25, seed: int = 1) -> None:
        self._arena = arena
        self._nodes = list(nodes) or arena.agents
        self._pause_seconds = pause_seconds
        self._rng = random.Random(seed)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load")
        self._readers: list[str] = []
        self._failure = ""
        self.requests = 0

    def __enter__(self) -> Load:
        self._readers = [self._arena.start_task(node, "--read", "--pause", "0.1") for node in self._nodes]
        self._thread.start()
        return self

    def __exit__(self, *details: object) -> None:
        self._stop.set()
        self._thread.join(60)
        assert not self._failure, self._failure

    def _run(self) -> None:
        try:
            for number in itertools.count():
                if self._stop.wait(self._pause_seconds):
                    return
                # The Leader may be dead, or the task may have changed state.
                with contextlib.suppress(OSError):
                    self._ask(number, self._nodes[number % len(self._nodes)], self._readers[number % len(self._nodes)])
                    self.requests += 1
        except Exception:  # noqa: BLE001 - raised by the test's own thread
            self._failure = traceback.format_exc()

    def _ask(self, number: int, node: str, reader: str) -> None:
        match self._rng.randrange(5):
            case 0 | 1:
                code = self._rng.choice([0, 7])
                self._arena.run(node, "--lines", "20", "--pause", "0", "--exit", str(code))
            case 2:
                self._arena.send_input(reader, f"input {id(self)} {number}")
            case 3:
                self._arena.cluster.control(reader, "pause")
            case _:
                self._arena.cluster.control(reader, "resume")
