"""A request split into sections: every block is in one of them, and the sum of tokens is exact."""

from __future__ import annotations

import json

from chat.memory.sections import sections_of

BODY = json.dumps(
    {
        "system": "rules",
        "tools": [{"name": "memory"}],
        "messages": [
            {
                "role": "user",
                "content": [{"type": "text", "text": "<earlier>[]</earlier>"}, {"type": "text", "text": "q"}],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "tool_use", "id": "1", "name": "memory", "input": {}},
                    {"type": "tool_use", "id": "2", "name": "read_log", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "1", "content": "remembered"},
                    {"type": "tool_result", "tool_use_id": "2", "content": "a line"},
                ],
            },
        ],
    }
).encode()


def test_each_part_is_in_its_section_and_the_sum_is_the_true_total() -> None:
    found = {section["name"]: section for section in sections_of(BODY, {"input": 101, "cacheRead": 20, "output": 9})}

    assert sum(section["tokens"] for section in found.values()) == 121
    assert found["system"]["text"] == "rules"
    assert "remembered" in found["memory"]["text"]
    assert "a line" in found["results"]["text"]
    assert "<earlier>" in found["summary"]["text"]
    assert "read_log" in found["messages"]["text"]


def test_the_list_of_memory_files_belongs_to_the_memory() -> None:
    said = [{"type": "text", "text": '<memory>{"files": ["/memories/global/a.md"]}</memory>'}]
    body = json.dumps({"messages": [{"role": "user", "content": said}]}).encode()
    found = {section["name"]: section["text"] for section in sections_of(body, {})}

    assert "/memories/global/a.md" in found["memory"]
    assert not found["messages"]
