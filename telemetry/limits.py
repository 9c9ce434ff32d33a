"""How much one query may cost a ClickHouse that may be in the middle of somebody's outage."""

from __future__ import annotations

from pydantic import Field

from middlewatch.records import Record

_GIB = 1024**3


class Limits(Record):
    """The bounds of every query. What exceeds time or memory fails; what exceeds rows is cut short, and says so."""

    query_seconds: int = Field(
        default=60,
        ge=1,
        description="10 M spans are put together in about 10 s on two free cores; later than a minute, an answer is late",
    )
    rows: int = Field(
        default=500_000, ge=1, description="rows of one answer; answers are aggregates, so more than this is a mistake or an attack"
    )
    memory_bytes: int = Field(
        default=4 * _GIB, ge=64 * 1024**2, description="memory of one query; putting 10 M spans together takes about 3 GiB"
    )
    spans: int = Field(
        default=2_000_000,
        ge=1000,
        description="spans that one question puts together, each with its parent and children; of more, a sample of requests is "
        "read. Chosen: about 5 s of processor time, and 0.9 GiB",
    )
    concurrency: int = Field(
        default=4, ge=1, description="queries at once from this process: one per kind of agent, so none waits for another kind"
    )

    def settings(self) -> dict[str, str]:
        """The bounds as ClickHouse settings, sent with every query."""
        return {
            "max_execution_time": str(self.query_seconds),
            "timeout_overflow_mode": "throw",
            "max_memory_usage": str(self.memory_bytes),
            # Half, so that grouping and sorting go to disk before the whole query fails.
            "max_bytes_before_external_group_by": str(self.memory_bytes // 2),
            "max_bytes_before_external_sort": str(self.memory_bytes // 2),
            # One more than may be returned, so that "cut short" can be told from "just fits".
            "max_result_rows": str(self.rows + 1),
            "result_overflow_mode": "break",
            # A table has a partition a day, and one batch of a recording may span years of them.
            "max_partitions_per_insert_block": "0",
        }
