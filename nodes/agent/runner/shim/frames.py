"""The output file's format: one frame per line, append-only, so that a reader only needs an offset.

Header: payload length, kind, time (Unix ms), line number from 1, bytes truncated from the line; then the payload.
A frame at the end of the file may be incomplete while the shim writes it.
"""

from __future__ import annotations

import struct

STDOUT = 1
STDERR = 2
SYSTEM = 3  # The shim's own message.
PROGRESS = 4  # `::agentflow progress=…::`; has no number and is not a log line.

LINE_CAP_BYTES = 16 * 1024

_HEADER = struct.Struct(">IBQQI")
_KINDS = frozenset({STDOUT, STDERR, SYSTEM, PROGRESS})

Frame = tuple[int, int, int, int, bytes]
"""(kind, at_ms, number, truncated_bytes, payload)"""


class BadFrame(Exception):
    """The file has no valid frame at this offset."""


def pack(kind: int, at_ms: int, number: int, truncated_bytes: int, payload: bytes) -> bytes:
    return _HEADER.pack(len(payload), kind, at_ms, number, min(truncated_bytes, 0xFFFF_FFFF)) + payload


def unpack(buffer: bytes, *, max_frames: int) -> tuple[list[Frame], int]:
    """The complete frames at the start of `buffer`, and their size in bytes. Raises BadFrame."""
    frames: list[Frame] = []
    position = 0
    while len(frames) < max_frames and position + _HEADER.size <= len(buffer):
        length, kind, at_ms, number, truncated_bytes = _HEADER.unpack_from(buffer, position)
        if kind not in _KINDS or length > LINE_CAP_BYTES:
            if not frames:
                raise BadFrame(position)
            break  # Return the complete frames before it; the next call raises.
        end = position + _HEADER.size + length
        if end > len(buffer):
            break
        frames.append((kind, at_ms, number, truncated_bytes, buffer[position + _HEADER.size : end]))
        position = end
    return frames, position
