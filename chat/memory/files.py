"""All changes of memory files, as functions on the projection's transaction. Answers use the SDK's exact wording.

One writer applies one transaction at a time, and every edit names the version that it is based on, so an edit based on
an older text is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

from chat.errors import MemoryRefused
from chat.memory.commands import MemoryCommand
from chat.memory.paths import ROOT, Place, place_of
from chat.models import MemoryFile, MemoryRevision
from chat.phrases import TextOrPhrase, render, with_phrase
from chat.states import AuditKind
from nodes.audit import entry
from nodes.errors import NotFound
from nodes.leader.projection.unit_of_work import UnitOfWork

MAX_FILE_BYTES = 32 * 1024
MAX_SCOPE_FILES = 100
MAX_SCOPE_BYTES = 256 * 1024
MAX_VIEW_CHARACTERS = 16_000
MAX_REVISIONS = 100  # Per file; older ones are deleted.
_NUMBER_WIDTH = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """The author of a change, the turn, and the reason."""

    actor: str = ""
    engine: str = ""
    conversation_id: str = ""
    turn_id: str = ""
    why: TextOrPhrase = ""  # The person's message, or AgentFlow's reason for an automatic change.
    is_tainted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    text: str
    # Written after reading untrusted text, and not reviewed since.
    is_untrusted: bool = False


def carry_out(unit: UnitOfWork, command: MemoryCommand, scopes: tuple[str, ...], author: Author) -> Answer:
    """Raises `MemoryRefused`."""
    place = place_of(command.path, scopes)
    if command.command == "view":
        return view(place, command.view_range, scopes)
    if command.command == "create":
        return Answer(text=_create(unit, place, command.text, author))
    if command.command == "str_replace":
        return Answer(text=_replace(unit, _file(place), command, author))
    if command.command == "insert":
        return Answer(text=_insert(unit, _file(place), command, author))
    if command.command == "delete":
        return Answer(text=_delete(unit, place, author))
    return Answer(text=_rename(unit, place, place_of(command.new_path, scopes), command, author))


# --- reading --------------------------------------------------------------------------------------


def view(place: Place, view_range: tuple[int, int] | None, scopes: tuple[str, ...]) -> Answer:
    found = MemoryFile.objects.filter(path=place.path, deleted_at=None).first()
    if found is not None:
        return Answer(text=_numbered(found, view_range), is_untrusted=found.needs_review)
    below = [row for row in _below(place) if row.scope in scopes]
    is_own = place.path == ROOT or place.path in {f"{ROOT}/{part}" for part in ("project", "node", *scopes)}
    if not below and not is_own:
        raise MemoryRefused("no-such-path", f"The path {place.path} does not exist. Please provide a valid path.")
    return Answer(text=_listed(place, below), is_untrusted=any(row.needs_review for row in below))


def _numbered(file: MemoryFile, view_range: tuple[int, int] | None) -> str:
    lines = file.content.split("\n")
    start, end = 0, len(lines)
    if view_range is not None:
        start = max(1, view_range[0]) - 1
        end = end if view_range[1] == -1 else view_range[1]
    text = _with_numbers(lines[start:end], start + 1)
    if len(text) > MAX_VIEW_CHARACTERS:
        text = text[:MAX_VIEW_CHARACTERS] + "\n[cut here: use view_range]"
    return f"Here's the content of {file.path} with line numbers:\n{text}"


def _with_numbers(lines: list[str], first: int) -> str:
    return "\n".join(f"{str(number).rjust(_NUMBER_WIDTH)}\t{line}" for number, line in enumerate(lines, first))


def _listed(place: Place, below: list[MemoryFile]) -> str:
    sizes: dict[str, int] = {}
    for row in below:
        names = row.path[len(place.path) + 1 :].split("/")
        for depth in range(1, min(len(names), 2) + 1):
            name = "/".join(names[:depth]) + ("/" if depth < len(names) else "")
            sizes[name] = sizes.get(name, 0) + row.size_bytes
    header = f"Here're the files and directories up to 2 levels deep in {place.path}, excluding hidden items:"
    lines = [f"{size_words(sum(row.size_bytes for row in below))}\t{place.path}"]
    lines += [f"{size_words(size)}\t{place.path}/{name}" for name, size in sorted(sizes.items())]
    return f"{header}\n" + "\n".join(lines)


def size_words(size_bytes: int) -> str:
    """In the SDK's format: 0B, 512B, 1.5K."""
    if size_bytes == 0:
        return "0B"
    index = min((size_bytes.bit_length() - 1) // 10, 3)
    size = size_bytes / float(1 << (10 * index))
    return f"{int(size)}{'BKMG'[index]}" if size == int(size) else f"{size:.1f}{'BKMG'[index]}"


def _below(place: Place) -> list[MemoryFile]:
    folder = f"{place.path}/"
    rows = MemoryFile.objects.filter(path__startswith=folder, deleted_at=None).order_by("path")
    return [row for row in rows if row.path.startswith(folder)]  # SQLite's LIKE ignores case.


def _file(place: Place) -> MemoryFile:
    found = MemoryFile.objects.filter(path=place.path, deleted_at=None).first()
    if found is None:
        if _below(place):
            raise MemoryRefused("not-a-file", f"The path {place.path} is not a file.")
        raise MemoryRefused("no-such-path", f"The path {place.path} does not exist. Please provide a valid path.")
    return found


# --- the commands that write ----------------------------------------------------------------------


def _create(unit: UnitOfWork, place: Place, text: str, author: Author) -> str:
    if MemoryFile.objects.filter(path=place.path, deleted_at=None).exists() or _below(place):
        raise MemoryRefused("exists", f"File {place.path} already exists")
    _check_new(place)
    _check_room(place.scope, text, added_files=1)
    file = MemoryFile(
        scope=place.scope,
        path=place.path,
        content=text,
        size_bytes=len(text.encode()),
        needs_review=author.is_tainted,
        created_at=unit.now,
        changed_at=unit.now,
    )
    unit.insert(file)
    _record(unit, file, "create", author)
    return f"File created successfully at: {place.path}"


def _replace(unit: UnitOfWork, file: MemoryFile, command: MemoryCommand, author: Author) -> str:
    old, content = command.old_text, file.content
    count = content.count(old)
    if count == 0:
        raise MemoryRefused(
            "no-match", f"No replacement was performed, old_str `{old}` did not appear verbatim in {file.path}."
        )
    if count > 1:
        lines = ", ".join(str(content[:at].count("\n") + 1) for at in _places(content, old))
        raise MemoryRefused(
            "many-matches",
            f"No replacement was performed. Multiple occurrences of old_str `{old}` in lines: {lines}. "
            "Please ensure it is unique",
        )
    changed = content[: content.find(old)].count("\n")
    text = content.replace(old, command.text)
    write(unit, file, text, author, version=file.version)
    lines_now = text.split("\n")
    first = max(0, changed - 2)
    snippet = _with_numbers(lines_now[first : min(len(lines_now), changed + 3)], first + 1)
    return f"The memory file has been edited. Here is the snippet showing the change (with line numbers):\n{snippet}"


def _places(content: str, old: str) -> list[int]:
    found, start = [], content.find(old)
    while start != -1:
        found.append(start)
        start = content.find(old, start + 1)
    return found


def _insert(unit: UnitOfWork, file: MemoryFile, command: MemoryCommand, author: Author) -> str:
    lines = file.content.split("\n")
    if lines[-1] == "":
        lines.pop()
    if not 0 <= command.line <= len(lines):
        raise MemoryRefused(
            "bad-line",
            f"Invalid `insert_line` parameter: {command.line}. It should be within the range [0, {len(lines)}].",
        )
    lines.insert(command.line, command.text.rstrip("\n"))
    write(unit, file, "\n".join(lines) + "\n", author, version=file.version)
    return f"The file {file.path} has been edited."


def _delete(unit: UnitOfWork, place: Place, author: Author) -> str:
    if place.path == ROOT:
        raise MemoryRefused("root", f"Cannot delete the {ROOT} directory itself")
    files = list(MemoryFile.objects.filter(path=place.path, deleted_at=None)) or _below(place)
    if not place.is_in_scope or not files:
        raise MemoryRefused("no-such-path", f"The path {place.path} does not exist")
    for file in files:
        remove(unit, file, author, version=file.version)
    return f"Successfully deleted {place.path}"


def _rename(unit: UnitOfWork, old: Place, new: Place, command: MemoryCommand, author: Author) -> str:
    if old.path == ROOT:
        raise MemoryRefused("root", f"Cannot rename the {ROOT} directory itself")
    if MemoryFile.objects.filter(path=new.path, deleted_at=None).exists() or _below(new):
        raise MemoryRefused("exists", f"The destination {command.new_path} already exists")
    files = list(MemoryFile.objects.filter(path=old.path, deleted_at=None)) or _below(old)
    if not old.is_in_scope or not files:
        raise MemoryRefused("no-such-path", f"The path {command.path} does not exist")
    _check_new(new)
    if new.path.startswith(f"{old.path}/"):
        raise MemoryRefused("bad-path", "A folder cannot be moved into itself.")
    for file in files:
        target = place_of(new.path + file.path[len(old.path) :], (new.scope,))
        if target.scope != file.scope:
            _check_room(target.scope, file.content, added_files=1)
        _change(unit, file, file.version, "rename", author, path=target.path, scope=target.scope)
    return f"Successfully renamed {command.path} to {command.new_path}"


# --- changes of one file, also for a person's page -------------------------------------------------


def file_of(file_id: int) -> MemoryFile:
    found = MemoryFile.objects.filter(id=file_id).first()
    if found is None:
        raise NotFound(f"There is no memory file {file_id}.")
    return found


def write(unit: UnitOfWork, file: MemoryFile, text: str, author: Author, *, version: int, action: str = "edit") -> None:
    """Raises `MemoryRefused` with code "stale" when the file is no longer at `version`."""
    _check_room(file.scope, text, replaced=file)
    size_bytes = len(text.encode())
    _change(unit, file, version, action, author, content=text, size_bytes=size_bytes, deleted_at=None)


def remove(unit: UnitOfWork, file: MemoryFile, author: Author, *, version: int) -> None:
    """Deletes the file. Its text stays in the revisions, and a person can restore it."""
    _change(unit, file, version, "delete", author, deleted_at=unit.now)


def revert(unit: UnitOfWork, file: MemoryFile, author: Author, *, version: int, to: int) -> None:
    """Restores the text of revision `to`, also for a deleted file."""
    found = MemoryRevision.objects.filter(file=file, version=to).first()
    if found is None:
        raise NotFound(f"There is no revision {to}.")
    if file.deleted_at is not None and MemoryFile.objects.filter(path=file.path, deleted_at=None).exists():
        raise MemoryRefused("exists", f"File {file.path} already exists")
    write(unit, file, found.content, author, version=version, action="revert")


def reviewed(unit: UnitOfWork, file: MemoryFile, author: Author, *, version: int) -> None:
    """Records that a person has reviewed the file and accepts it."""
    _change(unit, file, version, "review", author)


def _change(unit: UnitOfWork, file: MemoryFile, version: int, action: str, author: Author, **values: object) -> None:
    # A person's edit or review clears the flag. A change by a tainted turn always needs a review.
    needs_review = author.is_tainted or (file.needs_review and bool(author.engine))
    values.update(version=version + 1, needs_review=needs_review, changed_at=unit.now)
    if not MemoryFile.objects.filter(id=file.pk, version=version).update(**values):
        raise MemoryRefused("stale", f"{file.path} has changed; view it again.")
    unit.changes += 1
    file.refresh_from_db()
    _record(unit, file, action, author)


def _record(unit: UnitOfWork, file: MemoryFile, action: str, author: Author) -> None:
    why, phrases = render(author.why, "en")[:500], with_phrase({}, "why", author.why)
    unit.insert(
        MemoryRevision(
            file=file,
            version=file.version,
            action=action,
            path=file.path,
            content=file.content,
            actor=author.actor[:150],
            engine=author.engine[:20],
            conversation_id=author.conversation_id,
            turn_id=author.turn_id,
            why=why,
            phrases=phrases,
            is_tainted=author.is_tainted,
            at=unit.now,
        )
    )
    MemoryRevision.objects.filter(file=file, version__lte=file.version - MAX_REVISIONS).delete()
    detail = {"action": action, "path": file.path, "version": file.version, "why": why, "phrases": phrases}
    unit.insert(
        entry(
            AuditKind.MEMORY,
            at=unit.now,
            actor=author.actor,
            conversation_id=author.conversation_id,
            turn_id=author.turn_id,
            tool="memory",
            detail={**detail, "engine": author.engine, "isTainted": author.is_tainted},
        )
    )


def _check_new(place: Place) -> None:
    if not place.is_in_scope:
        raise MemoryRefused("bad-path", f"Files are kept below {ROOT}/global, {ROOT}/project/… or {ROOT}/node/….")
    parts = place.path.split("/")
    above = ["/".join(parts[:count]) for count in range(3, len(parts))]
    if MemoryFile.objects.filter(path__in=above, deleted_at=None).exists():
        raise MemoryRefused("not-a-folder", f"A part of {place.path} is a file.")


def _check_room(scope: str, text: str, *, added_files: int = 0, replaced: MemoryFile | None = None) -> None:
    size_bytes = len(text.encode())
    if size_bytes > MAX_FILE_BYTES:
        raise MemoryRefused("too-large", f"A memory file has at most {MAX_FILE_BYTES // 1024} KB.")
    rows = MemoryFile.objects.filter(scope=scope, deleted_at=None)
    others = list(rows.exclude(id=replaced.pk if replaced else 0).values_list("size_bytes", flat=True))
    if len(others) + added_files > MAX_SCOPE_FILES:
        raise MemoryRefused("too-many", f"{scope} has {MAX_SCOPE_FILES} files; delete or merge some first.")
    if sum(others) + size_bytes > MAX_SCOPE_BYTES:
        raise MemoryRefused("full", f"The memory of {scope} is full ({MAX_SCOPE_BYTES // 1024} KB).")
