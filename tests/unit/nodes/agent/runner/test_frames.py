from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodes.agent.runner.shim import frames

FRAMES = st.lists(
    st.tuples(
        st.sampled_from([frames.STDOUT, frames.STDERR, frames.SYSTEM, frames.PROGRESS]),
        st.integers(0, 2**63),
        st.integers(0, 2**63),
        st.integers(0, 2**32 - 1),
        st.binary(max_size=50),
    )
)


@given(FRAMES, st.integers(min_value=0, max_value=60))
def test_complete_frames_are_read_and_an_incomplete_one_waits(written: list[frames.Frame], cut: int) -> None:
    packed = [frames.pack(*frame) for frame in written]
    data = b"".join(packed)
    data = data[: max(0, len(data) - cut)]

    found, size = frames.unpack(data, max_frames=1000)

    assert found == written[: len(found)]
    assert size == sum(len(one) for one in packed[: len(found)])
    assert len(found) == len(written) or size + len(packed[len(found)]) > len(data)


def test_at_most_max_frames_are_returned() -> None:
    data = b"".join(frames.pack(frames.STDOUT, 1, number, 0, b"x") for number in range(1, 6))

    found, size = frames.unpack(data, max_frames=2)
    rest, _ = frames.unpack(data[size:], max_frames=10)

    assert [frame[2] for frame in found + rest] == [1, 2, 3, 4, 5]


def test_complete_frames_are_returned_before_a_bad_one_raises() -> None:
    good = frames.pack(frames.STDOUT, 1, 1, 0, b"x")

    assert frames.unpack(good + b"\0" * 40, max_frames=10) == ([(1, 1, 1, 0, b"x")], len(good))
    with pytest.raises(frames.BadFrame):
        frames.unpack(b"\0" * 40, max_frames=10)


@settings(max_examples=300)
@given(st.binary(max_size=300), FRAMES)
def test_any_bytes_are_frames_or_a_bad_frame(noise: bytes, written: list[frames.Frame]) -> None:
    good = b"".join(frames.pack(*frame) for frame in written)
    position = 0
    data = good + noise
    try:
        while True:
            found, size = frames.unpack(data[position:], max_frames=7)
            assert len(found) <= 7
            assert all(len(frame[4]) <= frames.LINE_CAP_BYTES for frame in found)
            position += size
            if not size:
                break
    except frames.BadFrame:
        pass
    assert position >= len(good)  # Complete frames before the damage are returned.
