"""Keeps what a free command runs out of everything that people without the right to run commands can read.

`nodes.domain.commands.is_free_command` decides which tasks this is about. Messages go to every role, so they contain
nothing of such a command; what is only read (`nodes.selectors`) depends on the reader's right.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from nodes.domain.commands import is_free_command, stored_spec
from nodes.domain.phrases import Phrase, english, phrase

HIDDEN = "…"
# Of a request: what decides what runs, but for the name of a named task.
PRIVATE_FIELDS = ("argv", "shell_line", "working_directory", "environment")

# Values of phrases that name a part of a command, or quote a program that does.
_PRIVATE_VALUES = frozenset({"command", "folder", "name", "said"})
_READERS = "waiting"  # Names the program that reads the input.
_PROCESS = re.compile(r"(\d+ parent=\d+ \S+ \S+ cpu=[\d.]+s) .*")


def is_free(spec: Mapping[str, Any]) -> bool:
    """`is_free_command` of a request as the store keeps it; an empty one is unknown, and so counts as free."""
    return is_free_command(stored_spec(spec))


def public_request(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The request for people who may not run commands."""
    return {name: value for name, value in spec.items() if name not in PRIVATE_FIELDS} if is_free(spec) else dict(spec)


def public_message(spec: Mapping[str, Any], message: str, parts: Sequence[Phrase]) -> tuple[str, tuple[Phrase, ...]]:
    """A node's message about this task as everyone may read it: text and data."""
    if not parts or not is_free(spec):
        return message, tuple(parts)
    shown = tuple(map(_public_phrase, parts))
    return (message if shown == tuple(parts) else english(shown)), shown


def _public_phrase(said: Phrase) -> Phrase:
    if said["key"] == _READERS:
        return phrase("waiting-somehow")
    values = {name: HIDDEN if name in _PRIVATE_VALUES else value for name, value in said["values"].items()}
    return Phrase(key=said["key"], values=values)


def public_evidence(evidence: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Evidence about a free command: its output, and its processes without their arguments, but no stacks."""
    return [
        {**item, "text": "\n".join(map(_public_process, item["text"].split("\n")))}
        if item["kind"] == "processes"
        else dict(item)
        for item in evidence
        if item["kind"] in ("lines", "processes", "metrics")
    ]


def _public_process(line: str) -> str:
    match = _PROCESS.fullmatch(line)
    if match is None:  # "(no processes)", or a line that is not as expected.
        return line if line.startswith("(") else HIDDEN
    return f"{match[1]} {HIDDEN}"
