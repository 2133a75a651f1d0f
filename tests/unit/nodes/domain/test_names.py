"""Names of projects and named tasks: any script, one spelling, nothing hidden."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.domain.commands import TaskSpec, check_spec, with_normal_names
from nodes.domain.names import foreign_name, has_unseen, is_name, normal_name
from nodes.errors import TaskRejected


@pytest.mark.parametrize(
    "name",
    [
        "web",
        "_x",
        "a.b-c_1",
        "网店",
        "二〇二五",
        "café",
        "проект-1",
        "प्रोजेक्ट",
        "โครงการ",
        "مشروع",
        "プロジェクト",
        "빌드2",
        "x" * 64,
    ],
)
def test_letters_and_digits_of_any_script_make_a_name(name: str) -> None:
    assert is_name(normal_name(name))


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", ".x", "-x", "x" * 65, "a b", "a/b", "a\\b", "a:b", "a%2fb", "*", "a\0b", "a\nb"),
        *("a\u200bb", "a\u200db", "a\ufeff", "\u202eabc", "a\u2066b", "a\u00adb", "a\u2028b"),  # Format characters.
        *("\u3164", "a\u115f", "a\uffa0", "a\u034f", "a\ufe0f", "a\U000e0101", "a\u180b"),  # Letters that show nothing.
        *("a\u2215b", "a\uff0fb", "a\uff1ab", "a\u2236b", "a\ua789b", "\uff0e\uff0e"),  # Look like / : .
        *("\u0301a", "\ud800", "\ue000", "a\u00a0b", "a\u3000b", "🚀"),
    ],
)
def test_what_is_not_a_name(name: str) -> None:
    assert not is_name(name)


def test_two_spellings_are_one_name() -> None:
    assert normal_name("cafe\u0301") == normal_name("caf\u00e9") == "caf\u00e9"
    asked = with_normal_names(TaskSpec(project="cafe\u0301", named_task="bu\u0308gle"))
    assert (asked.project, asked.named_task) == ("caf\u00e9", "b\u00fcgle")


@given(st.text(max_size=300))
def test_a_foreign_name_is_in_one_spelling_bounded_and_seen(text: str) -> None:
    name = foreign_name(text)

    assert foreign_name(name) == name == unicodedata.normalize("NFC", name)
    assert len(name) <= 200
    assert not has_unseen(name)
    assert name == name.strip()


def test_a_request_with_hidden_characters_is_refused() -> None:
    for project in ("web\u200b", "\u202eweb", "w\u3164"):
        with pytest.raises(TaskRejected, match="characters that nobody sees"):
            check_spec(TaskSpec(project=project, argv=("ls",)))
