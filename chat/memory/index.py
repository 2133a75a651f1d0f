"""The list of memory files, sent to a model once, at the start of its history. It is never updated there.

It contains only paths, and only of files that need no review: the name of any other file may come from task output.
"""

from __future__ import annotations

from chat.contexts import Context
from chat.memory.paths import scopes_of
from chat.models import MemoryFile
from chat.untrusted import clean, tagged

_MAX_PATHS = 50


def index_of(context: Context) -> str:
    """Empty when there is nothing to list."""
    files = MemoryFile.objects.filter(scope__in=scopes_of(context), deleted_at=None, needs_review=False)
    newest = list(files.order_by("-changed_at", "-id").values_list("path", flat=True)[: _MAX_PATHS + 1])
    if not newest:
        return ""
    paths = [clean(path, len(path)) for path in sorted(newest[:_MAX_PATHS])]
    return tagged("memory", {"files": paths, "more": len(newest) > _MAX_PATHS})
