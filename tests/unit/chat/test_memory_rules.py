"""Paths, inputs and sentences of the memory, as tables."""

from __future__ import annotations

from typing import Any

import pytest

from chat.contexts import Context
from chat.errors import ChatRejected, MemoryRefused
from chat.memory.commands import parse
from chat.memory.files import size_words
from chat.memory.paths import place_of, scopes_of
from chat.memory.sentences import read_sentence

SCOPES = ("global", "project/shop", "node/master-1")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "memories/global/a",
        "/etc/passwd",
        "/memoriesx/global/a",
        "/memories/../etc/passwd",
        "/memories/global/../node/master-2/a",
        "/memories/global/./a",
        "/memories/global/..",
        "/memories/global/a/../../b",
        "/memories//global/a",
        "/memories/global//a",
        "/memories/global/.hidden",
        "/memories/global/a\\b",
        "/memories/global/%2e%2e/a",
        "/memories/global/a%00",
        "/memories/global/a\x00b",
        "/memories/global/a\nb",
        "/memories/global/a\u202eb",
        "/memories/global/a\u3164b",
        "/memories/global/a\u00a0b",
        "/memories/global/ a",
        "/memories/global/" + "a" * 200,
        "/memories/elsewhere/a",
        "/memories/notes.md",
        "/memories/project/bank/a",
        "/memories/project/Shop/a",
        "/memories/node/master-2/a",
        "/memories/node/master-12/a",
        "/memories/node/master-1x/a",
    ],
)
def test_paths_outside_this_conversation_are_refused(path: str) -> None:
    with pytest.raises(MemoryRefused):
        place_of(path, SCOPES)


@pytest.mark.parametrize(
    ("path", "kept", "scope"),
    [
        ("/memories", "/memories", ""),
        ("/memories/", "/memories", ""),
        ("/memories/project", "/memories/project", ""),
        ("/memories/global", "/memories/global", "global"),
        ("/memories/global/a.md", "/memories/global/a.md", "global"),
        ("/memories/project/shop/deep/a", "/memories/project/shop/deep/a", "project/shop"),
        ("/memories/node/master-1/笔记.md", "/memories/node/master-1/笔记.md", "node/master-1"),
        ("/memories/global/cafe\u0301", "/memories/global/caf\u00e9", "global"),
    ],
)
def test_a_path_is_normalised(path: str, kept: str, scope: str) -> None:
    place = place_of(path, SCOPES)

    assert (place.path, place.scope) == (kept, scope)


def test_a_context_has_the_scopes_of_its_names() -> None:
    assert scopes_of(Context()) == ("global",)
    assert scopes_of(Context(project="shop", node="master-1")) == SCOPES
    assert scopes_of(Context(project="a/../b", node="*")) == ("global",)
    assert scopes_of(Context(project="x" * 150)) == ("global",)
    assert scopes_of(Context(project="网店")) == ("global", "project/网店")


def test_two_spellings_of_a_project_are_one_context() -> None:
    contexts = {str(Context.parse(f"{project}:master-1")) for project in ("cafe\u0301", "caf\u00e9")}

    assert contexts == {"caf\u00e9:master-1"}
    for hidden in ("a\u200bb:*", "a\u3164:*", "\u202eab:*"):
        with pytest.raises(ChatRejected):
            Context.parse(hidden)


@pytest.mark.parametrize(
    "arguments",
    [
        None,
        [],
        {},
        {"command": None},
        {"command": "format"},
        {"command": ["view"]},
        {"command": "view"},
        {"command": "view", "path": None},
        {"command": "view", "path": 7},
        {"command": "view", "path": "/memories", "view_range": [1]},
        {"command": "view", "path": "/memories", "view_range": ["1", "2"]},
        {"command": "view", "path": "/memories", "view_range": [True, 2]},
        {"command": "create", "path": "/memories/global/a"},
        {"command": "create", "path": "/memories/global/a", "file_text": None},
        {"command": "create", "path": "/memories/global/a", "file_text": "x" * 50_000},
        {"command": "create", "path": "/memories/global/a", "file_text": "\ud800"},
        {"command": "create", "path": "/memories/global/a", "file_text": "a\x00"},
        {"command": "str_replace", "path": "/memories/global/a", "old_str": "", "new_str": "b"},
        {"command": "insert", "path": "/memories/global/a", "insert_line": None, "insert_text": "b"},
        {"command": "insert", "path": "/memories/global/a", "insert_line": "1", "insert_text": "b"},
        {"command": "insert", "path": "/memories/global/a", "insert_line": True, "insert_text": "b"},
        {"command": "rename", "old_path": "/memories/global/a"},
        {"command": "delete"},
    ],
)
def test_an_invalid_input_is_refused(arguments: Any) -> None:
    with pytest.raises(MemoryRefused):
        parse(arguments)


@pytest.mark.parametrize(
    ("size", "words"), [(0, "0B"), (1, "1B"), (1023, "1023B"), (1024, "1K"), (1536, "1.5K"), (3 << 20, "3M")]
)
def test_sizes_are_written_as_the_sdk_writes_them(size: int, words: str) -> None:
    from anthropic.lib.tools._beta_builtin_memory_tool import _format_file_size

    assert size_words(size) == words == _format_file_size(size)


@pytest.mark.parametrize(
    ("text", "kind", "rest"),
    [
        ("remember that the shop's build needs 4 GB", "remember", "the shop's build needs 4 GB"),
        ("Please remember: deploy on Fridays is forbidden", "remember", "deploy on Fridays is forbidden"),
        ("记住 部署前先跑测试", "remember", "部署前先跑测试"),
        ("请记住：master-1 的磁盘很慢", "remember", "master-1 的磁盘很慢"),
        ("forget about the disk", "forget", "the disk"),
        ("忘记 磁盘", "forget", "磁盘"),
        ("what do you remember?", "recall", ""),
        ("你记得什么？", "recall", ""),
    ],
)
def test_sentences_about_the_memory(text: str, kind: str, rest: str) -> None:
    found = read_sentence(text)

    assert found is not None
    assert (found.kind, found.text) == (kind, rest)


@pytest.mark.parametrize("text", ["pause t1", "暂停 t1", "do you remember pause?", "remember", "don't forget t1", ""])
def test_other_sentences_are_not_about_the_memory(text: str) -> None:
    assert read_sentence(text) is None
