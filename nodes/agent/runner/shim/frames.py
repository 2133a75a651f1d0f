"""The output file's format: one frame a line, append-only, so that a reader needs no more than an offset.

Header: payload length, kind, time (Unix ms), number of the line from 1, bytes cut off the line; then the payload.
A frame at the end of the file may be incomplete while the shim writes it.
"""

from __future__ import annotations

import struct

STDOUT = 1
STDERR = 2
SYSTEM = 3  # The shim's own word.
PROGRESS = 4  # `::agentflow progress=…::`; has no number, is not a line of the log.

LINE_CAP_BYTES = 16 * 1024

_HEADER = struct.Struct(">IBQQI")
_KINDS = frozenset({STDOUT, STDERR, SYSTEM, PROGRESS})

Frame = tuple[int, int, int, int, bytes]
"""(kind, at_ms, number, truncated_bytes, payload)"""


class BadFrame(Exception):
    """The file does not hold frames from this offset on."""


def pack(kind: int, at_ms: int, number: int, truncated_bytes: int, payload: bytes) -> bytes:
    return _HEADER.pack(len(payload), kind, at_ms, number, min(truncated_bytes, 0xFFFF_FFFF)) + payload


def unpack(buffer: bytes, *, max_frames: int) -> tuple[list[Frame], int]:
    """The complete frames at the start of `buffer`, and how many bytes they take. Raises BadFrame."""
    frames: list[Frame] = []
    position = 0
    while len(frames) < max_frames and position + _HEADER.size <= len(buffer):
        length, kind, at_ms, number, truncated_bytes = _HEADER.unpack_from(buffer, position)
        if kind not in _KINDS or length > LINE_CAP_BYTES:
            if not frames:
                raise BadFrame(position)
            break  # What is whole before it counts; the next call raises.
        end = position + _HEADER.size + length
        if end > len(buffer):
            break
        frames.append((kind, at_ms, number, truncated_bytes, buffer[position + _HEADER.size : end]))
        position = end
    return frames, position
