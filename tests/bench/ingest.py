"""Log lines from ten agents into SQLite, and the delay of states meanwhile, compared with executemany."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path

from tests.bench.agents import LINE, LINES_PER_BATCH
from tests.bench.figures import Figure, percentile
from tests.bench.stage import Helper, leader

AGENTS = 10
LINES = 300_000


def floor(schema: list[str]) -> float:
    """Lines per second by executemany into the product's own table, fsync'd, 500 rows per transaction."""
    rows = [
        (number, "bench-0", "bench-logs-0", 1, number, 1_700_000_000_000, 20, 1, LINE.decode())
        for number in range(LINES)
    ]
    path = schema.pop()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        for statement in schema:
            database.execute(statement)
        start = time.perf_counter()
        for first in range(0, LINES, LINES_PER_BATCH):
            database.execute("BEGIN IMMEDIATE")
            database.executemany(
                "INSERT INTO nodes_logline (id, node_id, task_id, attempt, number, at_ms, level, stream, text)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                rows[first : first + LINES_PER_BATCH],
            )
            database.execute("COMMIT")
        return LINES / (time.perf_counter() - start)


def measure(folder: Path) -> list[Figure]:
    with leader(folder) as fleet:
        schema = [
            sql
            for (sql,) in fleet.rows("SELECT sql FROM sqlite_master WHERE tbl_name = 'nodes_logline' AND sql NOT NULL")
        ]
        bare = floor([*schema, str(folder / "floor.sqlite3")])
        dashboards = Helper("dashboards", fleet.websocket_url, 1, fleet.api_token("viewer"))
        agents = Helper("agents", "ingest", fleet.data_dir, fleet.grpc_port, folder, AGENTS, LINES)
        seconds = float(agents.wait()["seconds"])
        late = dashboards.result()["latencies"]
        (stored,) = fleet.rows("SELECT count(*), count(DISTINCT task_id || ' ' || number) FROM nodes_logline")
    rate = LINES / seconds
    return [
        Figure(name="ingest", value=rate, unit="lines/s", floor=bare, aim="≥ 0.25 ×", is_met=rate >= bare / 4),
        Figure(
            name="ingest, states p99 meanwhile",
            value=percentile(late, 0.99),
            unit="ms",
            aim="≤ 500",
            is_met=percentile(late, 0.99) <= 500,
        ),
        Figure(
            name="ingest, lines stored once",
            value=stored[1],
            unit="",
            aim=f"= {LINES:,}",
            is_met=stored == (LINES, LINES),
        ),
    ]
