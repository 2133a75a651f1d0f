"""`manage.py interpret --world FILE`: shows how the offline engine understands your own sentences."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.management import CommandError
from django.core.management.base import BaseCommand, CommandParser

from chat.interpret import Context, Pending, Task, World, interpret


class Command(BaseCommand):
    help = (
        'Read JSON lines {"text": …, "context": {…}} from standard input, and answer each at once with a JSON line '
        '{"outcome", "intent", "tasks", "why"}, or {"error"}. A context may have focus_node, last_task and pending.'
    )
    requires_system_checks: list[str] = []  # The type that Django declares.

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--world",
            required=True,
            type=Path,
            metavar="FILE",
            help='JSON: {"nodes": [name], "tasks": [{"id", "name", "kind", "node", "state"}]}',
        )

    def handle(self, *args: Any, world: Path, **options: Any) -> None:
        try:
            known = _world(json.loads(world.read_bytes()))
        except (OSError, ValueError) as exc:
            raise CommandError(f"cannot read {world}: {exc}") from exc
        for line in sys.stdin.buffer:
            try:
                answer = _answer(json.loads(line), known)
            except (ValueError, RecursionError) as exc:
                answer = {"error": str(exc) or "not understood"}
            self.stdout.write(json.dumps(answer, ensure_ascii=True))
            self.stdout.flush()


def _world(data: Any) -> World:
    """Raises `ValueError`."""
    if not isinstance(data, dict):
        raise ValueError("it is not a JSON object")
    nodes, tasks = data.get("nodes", []), data.get("tasks", [])
    if not isinstance(nodes, list) or not all(isinstance(node, str) for node in nodes):
        raise ValueError("nodes: a list of names")
    if not isinstance(tasks, list):
        raise ValueError("tasks: a list of objects")
    return World(nodes, [_task(task) for task in tasks])


def _task(data: Any) -> Task:
    fields = _strings(data, "id", "name", "kind", "node", "state", where="a task")
    if not fields["id"]:
        raise ValueError("tasks: every task needs an id")
    return Task(**fields)


def _answer(data: Any, world: World) -> dict[str, Any]:
    text = _strings(data, "text", where="a line")["text"]
    context = data.get("context") or {}
    fields = _strings(context, "focus_node", "last_task", where="context")
    pending = context.get("pending")
    reading = interpret(text, world, Context(**fields, pending=_pending(pending) if pending is not None else None))
    return {
        "outcome": reading.outcome,
        "intent": reading.intent or None,
        "tasks": list(reading.tasks),
        "why": reading.why,
    }


def _pending(data: Any) -> Pending:
    intent = _strings(data, "intent", where="pending")["intent"]
    tasks = data.get("tasks") or []
    if not isinstance(tasks, list) or not all(isinstance(task, str) for task in tasks):
        raise ValueError("pending: tasks is a list of ids")
    return Pending(intent=intent, tasks=tuple(tasks))


def _strings(data: Any, *names: str, where: str) -> Mapping[str, str]:
    """Texts of these fields; a missing or null field is empty. Raises `ValueError`."""
    if not isinstance(data, dict):
        raise ValueError(f"{where}: not a JSON object")
    found = {name: data.get(name) or "" for name in names}
    for name, value in found.items():
        if not isinstance(value, str):
            raise ValueError(f"{where}: {name} is not text")
    return found
