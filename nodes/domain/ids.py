"""What an id may look like. Ids stand in topics ("logs:<node>:<LEVEL>", kept apart by spaces), URLs and file names."""

from __future__ import annotations

import re

_NODE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# Tasks may come from clients that others wrote, so a little more is allowed; "." and ".." mean something in a URL.
_TASK_ID = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._:-]{1,64}")

NODE_ID_RULE = "letters, digits, '.', '_' and '-', at most 64, no sign first"
TASK_ID_RULE = "letters, digits, '.', '_', ':' and '-', at most 64"


def is_node_id(text: str) -> bool:
    return _NODE_ID.fullmatch(text) is not None


def is_task_id(text: str) -> bool:
    return _TASK_ID.fullmatch(text) is not None
