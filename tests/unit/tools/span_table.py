"""Rows of `TraceSource.requests` from a few words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

MS = 1_000_000


@dataclass(frozen=True)
class Row:
    """A span; `parent` is the index of another row, -1 for a root."""

    parent: int
    service: str
    operation: str
    start_ms: float = 0.0
    duration_ms: float = 1.0
    instance: str = "a"
    failed: bool = False


def span_table(rows: Iterable[Row], *, epoch_ns: int = 0) -> pa.Table:
    """The table, with ids by index."""
    rows = list(rows)
    return pa.table(
        {
            "id": pa.array([i + 1 for i in range(len(rows))], pa.uint64()),
            "parent": pa.array([row.parent + 1 for row in rows], pa.uint64()),
            "trace_id": [f"trace of {i}" if row.parent < 0 else "" for i, row in enumerate(rows)],
            "service": pa.array([row.service for row in rows], pa.string()),
            "instance": pa.array([row.instance for row in rows], pa.string()),
            "operation": pa.array([row.operation for row in rows], pa.string()),
            "start_ns": pa.array([epoch_ns + round(row.start_ms * MS) for row in rows], pa.int64()),
            "duration_ns": pa.array([round(row.duration_ms * MS) for row in rows], pa.int64()),
            "failed": pa.array([int(row.failed) for row in rows], pa.uint8()),
        }
    )
