"""Reads `agentflow.toml` again when it changes or on SIGHUP.

A bad file is reported, and the configuration before it stays in force.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from nodes.agent.config import AgentConfig, BadConfigFile
from nodes.agent.file_watch import LOOK_SECONDS, FileWatch, file_state
from nodes.domain.phrases import Phrase, phrase

logger = logging.getLogger(__name__)

Use = Callable[[AgentConfig, tuple[Phrase, ...]], Awaitable[None]]


class ConfigWatch:
    """`load` reads and checks the file; `use` gets the configuration that is in force, and why a newer one is not."""

    name = "configuration"

    def __init__(
        self,
        path: Path,
        *,
        node_id: str,
        load: Callable[[], AgentConfig],
        current: AgentConfig,
        use: Use,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._path = path
        self._node_id = node_id
        self._load = load
        self._current = current
        self._use = use
        self._file = FileWatch(path, look_seconds=look_seconds)
        self._trouble: tuple[Phrase, ...] = ()
        self._is_asked = False
        self._stop = asyncio.Event()

    def reload(self) -> None:
        """Reads the file again soon, whether it has changed or not."""
        self._is_asked = True
        self._file.wake()

    def request_stop(self) -> None:
        self._stop.set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(self._watch(), name="configuration-watch")
            await self._stop.wait()
            watching.cancel()

    async def _watch(self) -> None:
        seen = file_state(self._path)
        await self._read()  # It may have changed since the agent read it.
        while True:
            now = await self._file.changed(seen)
            # What a bad file misses, such as a project's folder, may appear without a change of the file.
            if now != seen or self._trouble or self._is_asked:
                seen, self._is_asked = now, False
                await self._read()

    async def _read(self) -> None:
        config, trouble = self._current, tuple[Phrase, ...]()
        try:
            config = await asyncio.to_thread(self._load)
        except BadConfigFile as error:
            trouble = self._said(error)
            if trouble != self._trouble:
                logger.error("the earlier configuration stays in force: %s", error)  # noqa: TRY400 - expected
        if (config, trouble) == (self._current, self._trouble):
            return
        if not trouble:
            logger.info("configuration read again: %s", self._path)
        self._current, self._trouble = config, trouble
        await self._use(config, trouble)

    def _said(self, error: BadConfigFile) -> tuple[Phrase, ...]:
        file, line = str(error.path), str(error.line)
        if error.line:
            where = phrase("config-line", node=self._node_id, file=file, line=line)
        else:
            where = phrase("config-file", node=self._node_id, file=file)
        return where, error.reason
