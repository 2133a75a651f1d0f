"""A message of the fleet in English, and what earlier versions stored of one."""

from __future__ import annotations

import pytest

from nodes.domain.phrases import Phrase, english, phrase, phrases_of

CANCELLED = phrase("cancelled")
KILLED = phrase("killed-after", seconds="5")


@pytest.mark.parametrize(
    ("clauses", "text"),
    [
        ([], ""),
        ([CANCELLED], "cancelled"),
        ([CANCELLED, KILLED], "cancelled; killed because it was still running 5 s after SIGTERM"),
        ([phrase("cancelled-because", reason="{seconds}")], "cancelled: {seconds}"),
    ],
)
def test_a_message_is_its_clauses(clauses: list[Phrase], text: str) -> None:
    assert english(clauses) == text


def test_only_fields_with_clauses_have_a_phrase() -> None:
    both = phrase("clauses", parts=(CANCELLED, KILLED))

    assert phrases_of(message=[CANCELLED, KILLED], pendingReason=None) == {"message": both}
    assert phrases_of(message=[], pendingReason=[KILLED]) == {"pendingReason": KILLED}


def test_what_an_earlier_version_stored_can_be_read() -> None:
    assert phrases_of(message=[{"code": "cancelled", "values": {}}]) == {"message": CANCELLED}
