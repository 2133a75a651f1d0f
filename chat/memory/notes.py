"""The offline engine's memory: one line per fact, in `notes.md` of the narrowest scope."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chat.contexts import Context
from chat.memory.paths import ROOT, scopes_of
from chat.memory.sentences import MemorySentence
from chat.models import MemoryFile

_SHOWN = 20


def command_for(sentence: MemorySentence, context: Context) -> Mapping[str, Any] | None:
    """The input of the memory tool; None when "forget" matches no line, or more than one."""
    path = f"{ROOT}/{scopes_of(context)[-1]}/notes.md"
    if sentence.kind == "remember":
        line = f"- {sentence.text}"
        file = MemoryFile.objects.filter(path=path, deleted_at=None).first()
        if file is None:
            return {"command": "create", "path": path, "file_text": f"{line}\n"}
        at = len(file.content.rstrip("\n").split("\n")) if file.content.strip() else 0
        return {"command": "insert", "path": path, "insert_line": at, "insert_text": line}
    wanted = sentence.text.rstrip(".。!！").lower()
    found = [(file, line) for file, line in lines_of(context) if wanted in line.lower()]
    if len(found) != 1 or found[0][0].content.count(found[0][1]) != 1:
        return None
    file, line = found[0]
    old = f"{line}\n" if f"{line}\n" in file.content else line
    return {"command": "str_replace", "path": file.path, "old_str": old, "new_str": ""}


def lines_of(context: Context) -> list[tuple[MemoryFile, str]]:
    files = MemoryFile.objects.filter(scope__in=scopes_of(context), deleted_at=None).order_by("path")
    return [(file, line) for file in files for line in file.content.split("\n") if line.strip()]


def recalled(context: Context) -> list[str]:
    """The newest remembered lines of this context, as "path: line"."""
    return [f"{file.path.removeprefix(ROOT)}: {line}" for file, line in lines_of(context)[-_SHOWN:]]
