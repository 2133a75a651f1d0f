from __future__ import annotations

import math

import pytest

from nodes.domain.storable import REPLACEMENT, storable, storable_text


def test_text_keeps_everything_that_a_database_takes() -> None:
    for text in ("", "plain", "多喝热水 🚀", "\x01\x1b[0m\t\n", "\\u0000"):
        assert storable_text(text) is text or storable_text(text) == text


def test_nul_and_half_characters_are_replaced_not_removed() -> None:
    assert storable_text("a\x00b\ud800c") == "a\ufffdb\ufffdc"


def test_all_text_within_a_value() -> None:
    value = {"a\x00": ["x\x00", {"y": ("\x00", 1, None, True, 1.5)}]}

    assert storable(value) == {"a\ufffd": ["x\ufffd", {"y": ("\ufffd", 1, None, True, 1.5)}]}


@pytest.mark.parametrize("number", [1 << 64, -(1 << 63) - 1, 10**400, 1e19, -1e300, math.inf, math.nan])
def test_a_number_that_no_message_can_hold_is_replaced(number: float) -> None:
    assert storable({"limit": [number]}) == {"limit": [REPLACEMENT]}


@pytest.mark.parametrize("number", [0, True, (1 << 64) - 1, -(1 << 63), 1e18, -0.5])
def test_other_numbers_stay(number: float) -> None:
    assert storable((number,)) == (number,)
