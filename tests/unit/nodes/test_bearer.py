from __future__ import annotations

import pytest

from nodes.bearer import metadata_with, token_in, token_of


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer abc.def", "abc.def"),
        ("bearer  abc ", "abc"),
        ("Basic YTpi", ""),
        ("Bearer", ""),
        ("Bearerabc", ""),
        ("", ""),
    ],
)
def test_the_token_of_a_header(header: str, token: str) -> None:
    assert token_of(header) == token


def test_a_calls_metadata_carries_the_token() -> None:
    assert token_in((("user-agent", "grpc"), *metadata_with("abc"))) == "abc"


def test_metadata_without_a_token() -> None:
    assert token_in((("authorization", b"Bearer abc"), ("authorization", "Basic abc"))) == ""
