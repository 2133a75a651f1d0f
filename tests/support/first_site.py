"""A Leader's data folder before its first start: today's tables, and a person of each role who is logged in.

Making it takes seconds of CPU, and there are many clusters: it is made once and copied. Nothing in it is special: the
product's own functions make users, tokens and sessions, and its secret key comes along.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.processes import manage

ROLES = ("admin", "operator", "viewer")
NOBODY = "nobody"  # A user in no group.
# In this order: later ones refer to earlier ones.
_TABLES = ("auth_user", "auth_user_groups", "dashboard_apitoken", "django_session")


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstSite:
    folder: Path
    tokens: dict[str, str]  # Role -> API token of a program of its own.
    cookie_name: str
    sessions: dict[str, str]  # Role -> value of the cookie of the user who bears its name.

    def copy_to(self, data_dir: Path) -> None:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("db.sqlite3", "secret_key"):
            path = data_dir / name
            path.touch(mode=0o600)
            path.write_bytes((self.folder / name).read_bytes())

    def add_people_to(self, database: Path) -> None:
        """To one that was made without them. Who is there already stays."""
        with contextlib.closing(sqlite3.connect(f"file:{database}", uri=True, timeout=30, isolation_level=None)) as db:
            db.execute("ATTACH ? AS first", (f"file:{self.folder / 'db.sqlite3'}?immutable=1",))
            db.execute("BEGIN IMMEDIATE")
            for table in _TABLES:
                db.execute(f"INSERT OR IGNORE INTO main.{table} SELECT * FROM first.{table}")
            db.execute("COMMIT")


_made: FirstSite | None = None
_folder: Path | None = None


def share_first_site(folder: Path) -> None:
    """The folder where the workers of one test run find each other's."""
    global _folder
    _folder = folder


def first_site() -> FirstSite:
    global _made
    if _made is None:
        folder = (_folder or Path(tempfile.mkdtemp(prefix="agentflow-"))) / "first-site"
        folder.mkdir(exist_ok=True)
        with _locked(folder / "lock"):
            if not (folder / "people.json").exists():
                env = {"AGENTFLOW_DATA_DIR": str(folder)}
                manage("shell", "-c", "from tests.support import first_site; first_site.fill()", env=env)
        _made = FirstSite(folder=folder, **json.loads((folder / "people.json").read_text()))
    return _made


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def fill() -> None:
    """In a process of its own, whose settings point at the folder."""
    from django.conf import settings
    from django.contrib.auth.models import Group, User
    from django.core.management import call_command
    from django.db import connection
    from django.test import Client

    from dashboard.accounts import tokens

    call_command("migrate", verbosity=0)
    found: dict[str, dict[str, str]] = {"tokens": {}, "sessions": {}}
    for role in (*ROLES, NOBODY):
        person, program = (User.objects.create_user(name) for name in (role, f"api-{role}"))
        if role != NOBODY:
            for user in (person, program):
                user.groups.add(Group.objects.get(name=role))
        found["tokens"][role] = tokens.issue(program, name="api")[1]
        client = Client()
        client.force_login(person)
        found["sessions"][role] = client.cookies[settings.SESSION_COOKIE_NAME].value
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    people = {**found, "cookie_name": settings.SESSION_COOKIE_NAME}
    # Last: who finds this file finds all of it.
    Path(os.environ["AGENTFLOW_DATA_DIR"], "people.json").write_text(json.dumps(people))
