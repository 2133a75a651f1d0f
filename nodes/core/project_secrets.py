"""What a project's configuration adds to the secrets that every task's output is searched for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nodes.core.secrets import Redactor, secret_values


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectSecrets:
    """Never part of an announcement, and hidden in `repr`: the values are the secrets themselves."""

    patterns: tuple[str, ...] = field(default=(), repr=False)  # In RE2's syntax.
    values: tuple[str, ...] = field(default=(), repr=False)

    def redactor(self, environment: Mapping[str, str]) -> Redactor:
        """For text of a task with this environment."""
        return Redactor(secret_values(environment, self.values), self.patterns)
