"""`manage.py contract`: generates files from the declared messages."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from dashboard.live import documents, schemas


class Command(BaseCommand):
    help = (
        "Generate docs/schemas, the page's TypeScript types and the lists in docs/ from the declared messages of /ws/."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="write nothing; fail if a file differs")

    def handle(self, *args: Any, check: bool, **options: Any) -> None:
        differing = []
        for name, text in self._files().items():
            path = settings.BASE_DIR / name
            if path.exists() and path.read_text(encoding="utf-8") == text:
                continue
            differing.append(name)
            if not check:
                path.write_text(text, encoding="utf-8")
                self.stdout.write(f"wrote {name}")
        if check and differing:
            raise CommandError(f"{', '.join(differing)}: out of date; run manage.py contract")

    def _files(self) -> dict[str, str]:
        """The expected content of each generated file."""
        files = schemas.files()
        for name, parts in documents.documents().items():
            try:
                files[name] = documents.filled((settings.BASE_DIR / name).read_text(encoding="utf-8"), parts)
            except ValueError as exc:
                raise CommandError(f"{name} {exc}") from exc
        return files
