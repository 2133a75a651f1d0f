from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nodes.agent.runner.shim.lines import LineSplitter


def fed(chunks: list[bytes], cap: int = 100) -> list[tuple[bytes, int]]:
    splitter = LineSplitter(cap)
    lines = [line for chunk in chunks for line in splitter.feed(chunk)]
    last = splitter.flush()
    return lines + ([last] if last is not None else [])


def test_lines_may_span_chunks() -> None:
    assert fed([b"on", b"e\ntw", b"o\r\n", b"\nend"]) == [(b"one", 0), (b"two", 0), (b"", 0), (b"end", 0)]


def test_bytes_over_the_cap_are_dropped_and_counted() -> None:
    assert fed([b"x" * 7, b"x" * 7 + b"\nnext\n"], cap=10) == [(b"x" * 10, 4), (b"next", 0)]


def test_the_newline_after_a_flushed_prompt_is_not_a_separate_line() -> None:
    splitter = LineSplitter(100)
    assert splitter.feed(b"Name: ") == []
    assert splitter.flush() == (b"Name: ", 0)

    assert splitter.feed(b"\nhello\n") == [(b"hello", 0)]


def test_an_answer_on_the_line_of_a_flushed_prompt_is_a_line() -> None:
    splitter = LineSplitter(100)
    splitter.feed(b"Name: ")
    splitter.flush()

    assert splitter.feed(b"ok\n\n") == [(b"ok", 0), (b"", 0)]


def test_skipping_counts_an_unfinished_line() -> None:
    splitter = LineSplitter(100)
    splitter.feed(b"half")

    assert splitter.skip(b" done\nsecond\nthi") == 2
    assert splitter.feed(b"rd\n") == [(b"third", 0)]


def test_a_carriage_return_at_the_cut_is_text() -> None:
    assert LineSplitter(3).feed(b"ab\rcd\n") == [(b"ab\r", 2)]


@given(st.lists(st.binary(max_size=30)), st.integers(min_value=1, max_value=40))
def test_chunk_boundaries_do_not_change_the_lines(chunks: list[bytes], cap: int) -> None:
    whole = b"".join(chunks)
    expected = whole.split(b"\n")
    lines = fed(chunks, cap)

    assert [size + len(text) for text, size in lines if size] == [len(line) for line in expected if len(line) > cap]
    short = [text for text, size in lines if not size]
    # A carriage return at a line's end is removed with it, and an empty unfinished last line does not count.
    kept = [line.removesuffix(b"\r") for line in expected[:-1] if len(line) <= cap]
    assert short == kept + [line.removesuffix(b"\r") for line in expected[-1:] if line and len(line) <= cap]


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=20))))
def test_kept_and_skipped_lines_add_up(chunks: list[tuple[bool, bytes]]) -> None:
    splitter = LineSplitter(1000)
    total = sum(splitter.skip(data) if skip else len(splitter.feed(data)) for skip, data in chunks)

    assert total == b"".join(data for _, data in chunks).count(b"\n")
