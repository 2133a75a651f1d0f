"""What the signatures of an Edge cost: one for a batch at the Edge, and the check of each entry at the Leader.

The floor: parsing the bytes of the same entries and encoding them again, as each relay does.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from nodes.stream.identity.signatures import is_signed, sign_entries
from nodes.stream.wire.entry import Entry
from nodes.stream.wire.v1 import node_sync_pb2 as pb
from tests.bench.figures import Figure
from tests.support.edge_keys import edge_key

RUNS = (1, 100)
ENTRIES = 2_000
LINES = 20
LINE = b"2026-01-01 12:00:00 INFO step 17 of the build took 12.5 ms"
_SIGNS = """
from nodes.stream.identity.edge_keys import EdgeKey
EdgeKey(public_key=b'', issued_at=0, proof=b'', private_key=b'k' * 32).sign(b'')
"""


def batches_of(count: int) -> list[list[Entry]]:
    def entry(seq: int) -> Entry:
        update = pb.NodeUpdate(node_id="edge-1", journal_id="j" * 32, seq=seq, timestamp=seq)
        update.logs.task_id, update.logs.attempt, update.logs.first_line = "task", 1, seq
        for _ in range(LINES):
            update.logs.lines.add(at=seq, text=LINE)
        return Entry(seq, update.ByteSize(), update)

    return [[entry(seq) for seq in range(first, first + count)] for first in range(1, ENTRIES + 1, count)]


def microseconds(work: Callable[[list[Entry]], object], batches: list[list[Entry]]) -> float:
    """For one entry."""
    start = time.perf_counter()
    for batch in batches:
        work(batch)
    return (time.perf_counter() - start) / ENTRIES * 1e6


def resident_mib(statement: str) -> float:
    """Of a process that has run the statement, without OpenSSL, like an agent without a hub."""
    program = (
        "import sys\nfor name in ('ssl', '_ssl', '_hashlib'): sys.modules[name] = None\n"
        f"import grpc, nodes.stream.identity.signatures\n{statement}\n"
        "print(int(open('/proc/self/statm').read().split()[1]) / 256)"
    )
    return float(subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout)


def measure(folder: Path) -> list[Figure]:
    figures = []
    for count in RUNS:
        key, batches = edge_key(), batches_of(count)
        plain = batches[0][0].size_bytes
        floor = microseconds(
            lambda batch: [pb.NodeUpdate.FromString(entry.update.SerializeToString()) for entry in batch], batches
        )
        signing = microseconds(lambda batch, key=key: sign_entries(key, batch), batches)  # type: ignore[misc]
        checking = microseconds(lambda batch: [is_signed(entry.update) for entry in batch], batches)
        grown = batches[0][0].update.ByteSize() - plain
        name = f"signature, runs of {count}"
        figures += [
            Figure(name=f"{name}: the Edge, an entry", value=signing, unit="µs", floor=floor),
            Figure(name=f"{name}: the Leader, an entry", value=checking, unit="µs", floor=floor),
            Figure(name=f"{name}: size, an entry", value=grown, unit="B", floor=plain),
        ]
    bare = resident_mib("")
    figures.append(
        Figure(name="signature, memory of an Edge", value=resident_mib(_SIGNS) - bare, unit="MiB", floor=bare)
    )
    return figures
