from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from nodes.core.private_files import close_to_others, own_folder
from nodes.errors import ConfigError
from tests.support.modes import open_to_others

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def test_a_folder_is_created_for_its_owner_only(tmp_path: Path) -> None:
    own_folder(tmp_path / "a" / "data")

    assert mode_of(tmp_path / "a" / "data") == 0o700


def test_an_older_folder_is_closed_with_all_that_it_holds(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "nodes" / "m1").mkdir(parents=True)
    data.chmod(0o755)
    for name in ("db.sqlite3", "db.sqlite3-wal", "nodes/m1/commands.db"):
        (data / name).touch()
        (data / name).chmod(0o644)
    (data / "run.sh").touch()
    (data / "run.sh").chmod(0o755)
    with socket.socket(socket.AF_UNIX) as control:
        control.bind(str(data / "control"))
    (data / "control").chmod(0o777)

    own_folder(data)
    close_to_others(data)

    assert open_to_others(data) == []
    assert mode_of(data / "db.sqlite3") == 0o600
    assert mode_of(data / "run.sh") == 0o700


def test_a_symlink_leads_no_change_outside(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    for path, mode in ((outside, 0o755), (outside / "file", 0o644)):
        path.chmod(mode)
    data = tmp_path / "data"
    data.mkdir()
    (data / "folder").symlink_to(outside)
    (data / "file").symlink_to(outside / "file")
    (data / "nowhere").symlink_to(tmp_path / "missing")

    close_to_others(data)

    assert mode_of(outside) == 0o755
    assert mode_of(outside / "file") == 0o644


def test_a_file_that_vanishes_meanwhile_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    walk = os.fwalk(tmp_path)
    root, folders, files, directory = next(walk)
    monkeypatch.setattr(os, "fwalk", lambda path: [(root, folders, [*files, "gone"], directory)])

    close_to_others(tmp_path)

    walk.close()


@needs_root
def test_the_folder_or_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "db.sqlite3").touch()
    os.chown(data / "db.sqlite3", 4242, 4242)

    with pytest.raises(ConfigError, match=r"db\.sqlite3 belongs to user 4242, but this process runs as root") as caught:
        close_to_others(data)
    os.chown(data, 4242, 4242)
    with pytest.raises(ConfigError, match="data belongs to user 4242"):
        own_folder(data)

    assert "\n" not in str(caught.value)


@needs_root
def test_a_volumes_own_folder_is_left_alone(tmp_path: Path) -> None:
    """The root of an ext4 volume holds `lost+found`, which belongs to root."""
    (tmp_path / "lost+found").mkdir()
    os.chown(tmp_path / "lost+found", 4242, 4242)
    (tmp_path / "lost+found").chmod(0o755)

    close_to_others(tmp_path)

    assert mode_of(tmp_path / "lost+found") == 0o755
