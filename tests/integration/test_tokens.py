"""`manage.py token`: issue, list, revoke."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from nodes.models import NodeToken
from nodes.stream.identity import ClusterKey, verify_token

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _data_dir(settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path


def token(*arguments: str) -> str:
    out = StringIO()
    call_command("token", *arguments, stdout=out)
    return out.getvalue()


def test_new_prints_only_a_valid_token(tmp_path: Path) -> None:
    printed = token("new", "--role", "master", "--name", "master-1")

    identity = verify_token(ClusterKey.load_or_create(tmp_path).public_key, printed.strip(), revoked=())
    assert (identity.node_id, identity.role) == ("master-1", "master")
    row = NodeToken.objects.get()
    assert row.token_id == identity.token_id
    assert row.expires_at is not None
    assert timedelta(days=89) < row.expires_at - datetime.now(UTC) <= timedelta(days=90)


def test_list_shows_names_and_roles_but_no_token(tmp_path: Path) -> None:
    printed = token("new", "--role", "edge", "--name", "edge-1", "--expires", "30").strip()

    listed = token("list")

    assert NodeToken.objects.get().token_id in listed
    assert "until" in listed
    assert printed not in listed


def test_list_knows_revocations_that_the_database_has_lost() -> None:
    token("new", "--role", "edge", "--name", "edge-1")
    token("revoke", "--name", "edge-1")
    assert "never used" in token("list")

    NodeToken.objects.update(revoked_at=None)

    assert token("list").rstrip().endswith("revoked")


def test_revoke_by_name_and_by_id() -> None:
    token("new", "--role", "master", "--name", "a")
    token("new", "--role", "master", "--name", "a")
    token("new", "--role", "master", "--name", "b")

    assert token("revoke", "--name", "a") == "2 revoked\n"
    assert token("revoke", NodeToken.objects.get(node_id="b").token_id) == "1 revoked\n"
    assert token("revoke", "--name", "a") == "already revoked\n"
    assert not NodeToken.objects.filter(revoked_at=None).exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["revoke", "--name", "nobody"], "No tokens for node nobody"),
        (["revoke", "nothing"], "No token nothing"),
        (["new", "--role", "master", "--name", "a b"], "not a valid node name"),
        (["new", "--role", "master", "--name", "a", "--expires", "0"], "1 to 36500"),
    ],
)
def test_invalid_input_is_refused(arguments: list[str], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        token(*arguments)


def test_a_file_that_takes_a_token_is_readable_only_by_its_owner(tmp_path: Path) -> None:
    """As the README has it: `manage.py token new … > build-1.token`, with the shell's umask."""
    path = tmp_path / "build-1.token"
    path.touch()
    path.chmod(0o644)

    with path.open("w") as file:
        call_command("token", "new", "--role", "master", "--name", "build-1", stdout=file)

    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text().strip()


def test_list_does_not_call_a_token_unused_whose_use_it_cannot_see() -> None:
    """Only its Master sees the token of an Edge without a key."""
    now = datetime(2026, 5, 1, 9, 41, tzinfo=UTC)
    for node_id, role, used in (("old-edge", "edge", None), ("spare", "master", None), ("busy", "master", now)):
        NodeToken.objects.create(token_id=node_id, node_id=node_id, role=role, issued_at=now, last_used_at=used)

    uses = {line.split()[2]: line for line in token("list").splitlines()}

    assert "use unknown" in uses["old-edge"]
    assert "never used" in uses["spare"]
    assert "last used 2026-05-01 09:41" in uses["busy"]
