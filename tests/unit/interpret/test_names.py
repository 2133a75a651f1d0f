"""Names of any script in sentences: whole names, in any spelling, never a part of another."""

from __future__ import annotations

import pytest

from chat.interpret import Task, World, interpret
from chat.interpret.text import normal

NAMES = ["कि", "का", "café", "โครงการ", "мобила", "빌드", "网店", "बिल्ड"]
WORLD = World(["node-1"], [Task(id=f"t{index}x", name=name, state="running") for index, name in enumerate(NAMES)])


def named(text: str) -> list[str]:
    return [WORLD.by_id[one].name for mention in WORLD.mentions(normal(text)) for one in mention.named]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("pause का", ["का"]),  # Vowel signs tell names apart.
        ("pause कि", ["कि"]),
        ("pause क", []),
        ("pause cafe\u0301", ["café"]),
        ("pause cafe", []),
        ("หยุดโครงการเดี๋ยวนี้", ["โครงการ"]),  # No spaces between words.
        ("빌드를 중지", ["빌드"]),
        ("暂停网店吧", ["网店"]),
        ("pause мобила", ["мобила"]),
        ("pause мобилами", []),
        ("pause बिल्डर", []),
    ],
)
def test_a_name_is_found_whole(text: str, names: list[str]) -> None:
    assert named(text) == names


def test_an_order_about_a_name_of_any_script_is_carried_out() -> None:
    for name in NAMES:
        reading = interpret(f"pause {name}", WORLD)

        assert (reading.intent, [WORLD.by_id[one].name for one in reading.tasks]) == ("pause", [name]), reading.why
