"""`make bench`: compares the product with a minimal baseline ("floor") in one run. Writes bench-results.json.

Nothing is asserted: on a shared machine absolute times mean little, but ratios within one run are comparable.

    python -m tests.bench [latency] [ingest] [fanout] [idle] [redaction] [signatures] [page] [heap]

Without arguments, everything runs except `heap`, which takes twelve minutes.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from tests.bench import fanout, idle, ingest, latency, page, redaction, signatures
from tests.bench.figures import Figure

SECTIONS: dict[str, Callable[[Path], list[Figure]]] = {
    "latency": latency.measure,
    "ingest": ingest.measure,
    "fanout": fanout.measure,
    "idle": idle.measure,
    "redaction": redaction.measure,
    "signatures": signatures.measure,
    "page": page.measure,
    "heap": page.measure_heap,
}
LONG = frozenset({"heap"})


def main(names: list[str]) -> None:
    figures: list[Figure] = []
    for name in names or [name for name in SECTIONS if name not in LONG]:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix=f"agentflow-{name}-") as folder:
            figures += SECTIONS[name](Path(folder))
    width = max(len(figure.name) for figure in figures)
    print(f"\n{'figure':<{width}}  {'measured':>12}  {'floor':>10}  {'ratio':>7}  {'before':>8}  {'aim':>8}  ")
    for figure in figures:
        print(figure.row(width))
    Path("bench-results.json").write_text(json.dumps([asdict(figure) for figure in figures], indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
