"""Every way in which editors and tools replace a file, and what happens while it is not usable."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from nodes.agent import file_watch
from nodes.agent.config import AgentConfig, load_agent_config
from nodes.agent.roles.config_watch import ConfigWatch
from nodes.domain.phrases import Phrase, english
from tests.support.eventually import eventually

Used = list[tuple[int, str]]


@pytest.fixture(autouse=True)
def short_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_watch, "_QUIET_SECONDS", 0.01)
    monkeypatch.setattr(file_watch, "_SHORT_QUIET_SECONDS", 0.05)


@asynccontextmanager
async def watching(
    path: Path, *, look_seconds: float = 60.0, current: AgentConfig | None = None
) -> AsyncIterator[tuple[ConfigWatch, Used]]:
    """The watch, and (slots, trouble) of every change. With `look_seconds` this long, only inotify finds one."""
    used: Used = []
    loads: list[Path] = []

    def load() -> AgentConfig:
        loads.append(path)
        return load_agent_config(path)

    async def use(config: AgentConfig, trouble: tuple[Phrase, ...]) -> None:
        used.append((config.slots, english(trouble) if trouble else ""))

    watch = ConfigWatch(
        path,
        node_id="n1",
        load=load,
        current=current or load_agent_config(path),
        use=use,
        look_seconds=look_seconds,
    )
    running = asyncio.create_task(watch.run())
    await eventually(lambda: bool(loads))
    try:
        yield watch, used
    finally:
        watch.request_stop()
        await running


def slots(number: int) -> str:
    return f"[node]\nslots = {number}\n"


def rewrite(path: Path, text: str) -> None:
    path.write_text(text)


def rename_over(path: Path, text: str) -> None:
    path.with_suffix(".new").write_text(text)
    path.with_suffix(".new").rename(path)


def delete_and_create(path: Path, text: str) -> None:
    path.unlink()
    path.write_text(text)


def move_the_folder_away_and_back(path: Path, text: str) -> None:
    aside = path.parent.with_name("aside")
    path.parent.rename(aside)
    path.parent.mkdir()
    path.write_text(text)


@pytest.mark.parametrize("replace", [rewrite, rename_over, delete_and_create, move_the_folder_away_and_back])
async def test_a_changed_file_is_used_at_once(tmp_path: Path, replace: Callable[[Path, str], None]) -> None:
    path = tmp_path / "etc" / "agentflow.toml"
    path.parent.mkdir()
    path.write_text(slots(1))
    async with watching(path) as (_, used):
        replace(path, slots(2))
        await eventually(lambda: used == [(2, "")])


async def test_a_change_behind_a_link_is_used(tmp_path: Path) -> None:
    real = tmp_path / "real" / "agentflow.toml"
    real.parent.mkdir()
    real.write_text(slots(1))
    link = tmp_path / "agentflow.toml"
    link.symlink_to(real)
    async with watching(link) as (_, used):
        real.write_text(slots(2))
        await eventually(lambda: used == [(2, "")])


async def test_links_that_lead_in_a_circle_are_a_bad_file(tmp_path: Path) -> None:
    path = tmp_path / "agentflow.toml"
    path.write_text(slots(1))
    async with watching(path) as (_, used):
        (tmp_path / "other").symlink_to(path)
        path.unlink()
        path.symlink_to("other")
        await eventually(lambda: len(used) == 1)
        assert "Too many levels of symbolic links" in used[0][1]
        rename_over(path, slots(2))
        await eventually(lambda: used[1:] == [(2, "")])


async def test_a_file_written_in_two_steps_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "agentflow.toml"
    path.write_text(slots(1))
    looks = 0

    def looking(one: Path) -> file_watch.State:
        """The rest is written after the change was noticed, and before it counts."""
        nonlocal looks
        state = state_of(one)
        if state is not None and state[2] == 0:
            looks += 1
            if looks == 2:
                path.write_text(slots(3))
        return state

    state_of = file_watch.file_state
    monkeypatch.setattr(file_watch, "file_state", looking)
    async with watching(path) as (_, used):
        path.write_text("")
        await eventually(lambda: used == [(3, "")])


async def test_a_bad_file_is_reported_with_line_and_reason_until_it_is_good(tmp_path: Path) -> None:
    path = tmp_path / "agentflow.toml"
    path.write_text(slots(1))
    kept = f"of {path} is not valid, so the node keeps its earlier configuration"
    async with watching(path) as (_, used):
        path.write_text("[node]\nslots = 0\n")
        await eventually(lambda: len(used) == 1)
        path.write_text("[node]\n\nslots = many\n")
        await eventually(lambda: len(used) == 2)
        path.unlink()
        await eventually(lambda: len(used) == 3)
        path.write_text(slots(4))
        await eventually(lambda: len(used) == 4)

    assert used == [
        (1, f"n1: line 2 {kept}; slots is 0: expected a whole number from 1 to 1000."),
        (1, f"n1: line 3 {kept}; invalid value"),
        (1, f"n1: {path} cannot be read, so the node keeps its earlier configuration; No such file or directory"),
        (4, ""),
    ]


async def test_a_projects_folder_that_appears_later_ends_the_trouble(tmp_path: Path) -> None:
    path = tmp_path / "agentflow.toml"
    path.write_text(slots(1))
    async with watching(path, look_seconds=0.05) as (_, used):
        path.write_text(slots(2) + '[projects.web]\npath = "deep/web"\n')
        await eventually(lambda: len(used) == 1)
        (tmp_path / "deep" / "web").mkdir(parents=True)
        await eventually(lambda: len(used) == 2)

    assert [number for number, _ in used] == [1, 2]
    assert f"there is no folder {tmp_path}/deep/web" in used[0][1]


async def test_without_inotify_a_look_finds_the_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class NoInotify:
        @staticmethod
        def inotify_init1(flags: int) -> int:
            return -1

    monkeypatch.setattr(file_watch.ctypes, "CDLL", lambda name: NoInotify)
    path = tmp_path / "agentflow.toml"
    path.write_text(slots(1))
    async with watching(path, look_seconds=0.02) as (_, used):
        rename_over(path, slots(2))
        await eventually(lambda: used == [(2, "")])


async def test_a_request_reads_an_unchanged_file(tmp_path: Path) -> None:
    path = tmp_path / "agentflow.toml"
    (tmp_path / "web").mkdir()
    path.write_text('[projects.web]\npath = "web"\n')
    async with watching(path) as (watch, used):
        (tmp_path / "web" / "Makefile").touch()  # The project's types are part of the configuration.
        watch.reload()
        await eventually(lambda: len(used) == 1)


async def test_what_changed_before_the_watch_began_is_used(tmp_path: Path) -> None:
    path = tmp_path / "agentflow.toml"
    path.write_text(slots(1))
    async with watching(path, current=AgentConfig(slots=9)) as (_, used):
        await eventually(lambda: used == [(1, "")])
