"""Django's sessions in the database, for keys that it may have issued.

A cookie may hold any character, also NUL, which PostgreSQL refuses in a query.
"""

from __future__ import annotations

from typing import Any

from django.contrib.sessions.backends import db


class SessionStore(db.SessionStore):
    """Django's sessions; any other key counts as none."""

    def _validate_session_key(self, key: Any) -> bool:
        is_good = bool(super()._validate_session_key(key))  # type: ignore[misc]  # Missing in the stubs.
        return is_good and key.isascii() and key.isalnum()
