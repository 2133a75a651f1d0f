"""The memory file for outcomes of fixes: `stalls.md` of the task's project, or of its node if it has none."""

from __future__ import annotations

from datetime import date

from chat.contexts import ANY, Context
from chat.memory import files
from chat.memory.commands import MemoryCommand
from chat.memory.files import Author
from chat.memory.paths import ROOT, scopes_of
from chat.models import MemoryFile
from chat.stalls.fix_history import FILE, read_lines, with_result
from chat.stalls.stall_context import Fix, Remembered, StallContext
from nodes.leader.projection.unit_of_work import UnitOfWork


def scope_for(project: str, node_id: str) -> str:
    scopes = scopes_of(Context(project=project or ANY, node=node_id or ANY))
    return scopes[1] if len(scopes) > 1 else scopes[0]


def remembered_of(stall: StallContext) -> tuple[Remembered, ...]:
    file = _file(scope_for(stall.project, stall.node_id))
    return read_lines(file.content, stall.fingerprint) if file is not None else ()


def remember(
    unit: UnitOfWork,
    scope: str,
    author: Author,
    *,
    fingerprint: str,
    sort: str,
    fix: Fix,
    has_helped: bool,
    today: date,
) -> None:
    """Records this result. Raises `MemoryRefused` if the memory is full."""
    file = _file(scope)
    before = file.content if file is not None else ""
    text = with_result(before, fingerprint=fingerprint, sort=sort, fix=fix, has_helped=has_helped, today=today)
    if file is not None:
        files.write(unit, file, text, author, version=file.version)
    else:
        files.carry_out(
            unit, MemoryCommand(command="create", path=f"{ROOT}/{scope}/{FILE}", text=text), (scope,), author
        )


def _file(scope: str) -> MemoryFile | None:
    return MemoryFile.objects.filter(path=f"{ROOT}/{scope}/{FILE}", deleted_at=None).first()
