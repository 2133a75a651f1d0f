"""`manage.py contract`: schemas and types are those of the declarations."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.management import call_command
from django.core.management.base import CommandError

from dashboard.live.schemas import files


def test_the_committed_files_are_up_to_date() -> None:
    call_command("contract", check=True)


def test_check_names_a_file_that_differs_and_writes_nothing(
    tmp_path: Path, settings: LazySettings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.BASE_DIR = tmp_path
    for name in files():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)

    with pytest.raises(CommandError, match=r"docs/schemas/client\.json.*: not as declared"):
        call_command("contract", check=True)
    assert not (tmp_path / "docs/schemas/client.json").exists()
    call_command("contract")
    call_command("contract", check=True)
    call_command("contract")

    assert capsys.readouterr().out.splitlines() == [f"wrote {name}" for name in files()]
