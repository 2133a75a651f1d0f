"""The syntax of ids. Ids are used in topics ("logs:<node>:<LEVEL>", separated by spaces), URLs and file names."""

from __future__ import annotations

import re

_NODE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# Third-party clients may create task ids, so the rule is looser; "." and ".." have a meaning in URLs.
_TASK_ID = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._:-]{1,64}")

NODE_ID_RULE = "use up to 64 letters, digits, '.', '_' and '-', starting with a letter or digit"
TASK_ID_RULE = "use up to 64 letters, digits, '.', '_', ':' and '-'"


def is_node_id(text: str) -> bool:
    return _NODE_ID.fullmatch(text) is not None


def is_task_id(text: str) -> bool:
    return _TASK_ID.fullmatch(text) is not None
