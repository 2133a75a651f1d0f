"""Keeps the files of a data folder private: sessions, password hashes, output, conversations and keys are in it.

Modes are mended as well as set, because a folder may be older than the rule, copied, or made by hand. Loads no Django.
"""

from __future__ import annotations

import logging
import os
import pwd
import stat
from pathlib import Path

from nodes.errors import ConfigError

logger = logging.getLogger(__name__)

PRIVATE_UMASK = 0o077
_OTHERS = 0o077  # The group counts as others: it may have more members than the owner knows.


def write_privately() -> None:
    """What this process and its children create is accessible only by their owner. A task gets its own umask again."""
    os.umask(PRIVATE_UMASK)


def own_folder(path: Path) -> None:
    """Creates the folder with mode 0700, or mends an existing one: then no other user reaches anything inside.

    Raises `ConfigError` if it belongs to another user, `OSError` if it cannot be used.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.stat()
    _require_own(path, found)
    if found.st_mode & _OTHERS:
        path.chmod(found.st_mode & 0o700)


def close_to_others(folder: Path) -> None:
    """Takes every permission of group and others from all that the folder holds; follows no symlink.

    Raises `ConfigError` when a file in it belongs to another user, or a mode cannot be changed.
    """
    closed = 0
    try:
        for root, folders, files, directory in os.fwalk(folder):
            for name in (*folders, *files):
                closed += _close(Path(root, name), directory)
    except OSError as exc:
        raise ConfigError(f"the data folder {folder} cannot be made private: {exc.strerror}") from exc
    if closed:
        logger.info("%d files in %s had modes for other users too; now only their owner has access", closed, folder)


def _close(path: Path, directory: int) -> bool:
    """Whether it was changed."""
    try:
        found = os.stat(path.name, dir_fd=directory, follow_symlinks=False)
        if stat.S_ISLNK(found.st_mode):
            return False  # Its own mode means nothing, and its target may be elsewhere.
        if stat.S_ISDIR(found.st_mode):
            if found.st_uid != os.geteuid():
                return False  # Such as `lost+found` in the root of a volume. Files in it are checked one by one.
        else:
            _require_own(path, found)
        if not found.st_mode & _OTHERS:
            return False
        descriptor = os.open(path.name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    except FileNotFoundError:
        return False  # Removed meanwhile, for example by a running agent.
    try:
        now = os.fstat(descriptor)
        if not os.path.samestat(now, found):
            return False  # Replaced meanwhile by a newer file, which was created private.
        # By the descriptor, so that a symlink that takes its place now changes nothing elsewhere.
        os.chmod(f"/proc/self/fd/{descriptor}", found.st_mode & 0o700)
    finally:
        os.close(descriptor)
    return True


def _require_own(path: Path, found: os.stat_result) -> None:
    own = os.geteuid()
    if found.st_uid != own:
        raise ConfigError(
            f"{path} belongs to {_user(found.st_uid)}, but this process runs as {_user(own)}: start it as the owner, "
            "or change the owner of the whole data folder with chown -R"
        )


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"
