"""The committed schemas of the messages of `/ws/`; what tests receive from real senders is checked against them."""

from __future__ import annotations

import json
from functools import cache

from jsonschema import Draft202012Validator

from tests.support.processes import REPOSITORY


@cache
def schema_of(side: str) -> Draft202012Validator:
    """Of the messages of a "client" or the "server"."""
    return Draft202012Validator(json.loads((REPOSITORY / f"docs/schemas/{side}.json").read_text()))


def types_in(schema: Draft202012Validator) -> set[str]:
    """The types of the messages that it declares."""
    types = [part.get("properties", {}).get("type", {}) for part in schema.schema["$defs"].values()]
    return {str(one["const"]) for one in types if "const" in one}
