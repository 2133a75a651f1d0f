"""A column for JSON that comes back exactly as it was stored: what a model said is sent to it again unchanged.

PostgreSQL's own JSON type sorts keys, and rejects NUL, which a model may well write.
"""

from __future__ import annotations

import json
from typing import Any

from django.db import models


class ExactJSONField(models.JSONField):
    """Any JSON value, in a column of text. It cannot be searched by its keys."""

    def get_internal_type(self) -> str:
        return "TextField"

    def from_db_value(self, value: str | None, expression: object, connection: object) -> Any:
        return None if value is None else json.loads(value)

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> str | None:
        return None if value is None else json.dumps(value)

    def get_db_prep_save(self, value: Any, connection: Any) -> str | None:
        return self.get_db_prep_value(value, connection)
