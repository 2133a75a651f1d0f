"""A prepared data folder of a Leader: migrated tables, and a logged-in user of each role.

Creating it takes seconds of CPU, so it is created once and copied to each cluster. Users, tokens and sessions are
created by the product's own functions; the secret key is included.
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
    tokens: dict[str, str]  # Role -> API token.
    cookie_name: str
    sessions: dict[str, str]  # Role -> session cookie of the user with that name.

    def copy_to(self, data_dir: Path) -> None:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("db.sqlite3", "secret_key"):
            path = data_dir / name
            path.touch(mode=0o600)
            path.write_bytes((self.folder / name).read_bytes())

    def add_people_to(self, database: Path) -> None:
        """Adds the users to an existing database; existing users stay."""
        with contextlib.closing(sqlite3.connect(f"file:{database}", uri=True, timeout=30, isolation_level=None)) as db:
            db.execute("ATTACH ? AS first", (f"file:{self.folder / 'db.sqlite3'}?immutable=1",))
            db.execute("BEGIN IMMEDIATE")
            for table in _TABLES:
                db.execute(f"INSERT OR IGNORE INTO main.{table} SELECT * FROM first.{table}")
            db.execute("COMMIT")


_made: FirstSite | None = None
_folder: Path | None = None


def share_first_site(folder: Path) -> None:
    """Sets the folder that all workers of one test run share."""
    global _folder
    _folder = folder


def first_site() -> FirstSite:
    global _made
    if _made is None:
        folder = (_folder or Path(tempfile.mkdtemp(prefix="agentflow-"))) / "first-site"
        folder.mkdir(exist_ok=True)
        with _locked(folder / "lock"):
            if not (folder / "people.json").exists():
                env = {"AGENTFLOW_DATA_DIR": str(folder), "DATABASE_URL": ""}
                manage("shell", "-c", "from tests.support import first_site; first_site.fill()", env=env)
        _made = FirstSite(folder=folder, **json.loads((folder / "people.json").read_text()))
    return _made


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def fill() -> None:
    """Fills the folder; runs in a separate process whose settings point to it."""
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
    # Last: the file exists only once everything else is complete.
    Path(os.environ["AGENTFLOW_DATA_DIR"], "people.json").write_text(json.dumps(people))
