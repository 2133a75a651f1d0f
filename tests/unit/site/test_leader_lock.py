"""What the lock file proves about the Leader that ran on this folder before."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from agentflow_site import leader_lock
from agentflow_site.leader_lock import only_one_leader, running_url
from nodes.errors import LeaderRuns


def held_before(folder: Path, holder: str = "holder-1") -> None:
    with only_one_leader(folder, url="http://127.0.0.1:8000") as lock:
        lock.note_holder(holder)


def dead_holder(folder: Path) -> str:
    with only_one_leader(folder) as lock:
        return lock.dead_holder


def test_a_holder_that_no_longer_has_the_lock_is_dead(tmp_path: Path) -> None:
    held_before(tmp_path)

    assert dead_holder(tmp_path) == "holder-1"
    assert dead_holder(tmp_path) == "holder-1"  # The start in between took no term.


def test_a_running_holder_keeps_its_lock(tmp_path: Path) -> None:
    with only_one_leader(tmp_path, url="http://127.0.0.1:8000") as lock:
        lock.note_holder("holder-1")
        with pytest.raises(LeaderRuns):
            dead_holder(tmp_path)
        assert running_url(tmp_path) == "http://127.0.0.1:8000"


def test_a_copy_of_the_folder_proves_nothing(tmp_path: Path) -> None:
    """The original may be in use."""
    original, copy = tmp_path / "original", tmp_path / "copy"
    original.mkdir()
    held_before(original)
    shutil.copytree(original, copy)

    assert dead_holder(copy) == ""


def test_another_machine_or_boot_proves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held_before(tmp_path)
    other = tmp_path / "boot_id"
    other.write_text("another-boot\n")
    monkeypatch.setattr(leader_lock, "_BOOT_ID", other)

    assert dead_holder(tmp_path) == ""


@pytest.mark.parametrize("content", [b"", b"7\n", b"7\nhttp://127.0.0.1:8000\n", b"\xff\xfe\n\n\n\n"])
def test_a_file_of_another_form_proves_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "leader.lock").write_bytes(content)

    assert dead_holder(tmp_path) == ""
