"""A recording's rows as somebody's own telemetry: in the same tables, and of no recording."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from middlewatch.telemetry.clickhouse import ClickHouse
from middlewatch.telemetry.recording_files import SIGNAL_FILES, batches, open_parquet


def insert_live(database: ClickHouse, tenant: str, recording: Path) -> None:
    """Insert the rows of a recording on disk."""
    for file in SIGNAL_FILES:
        place = recording / file.name
        if place.exists():
            for columns in batches(place, open_parquet(place), file):
                size = len(next(iter(columns.values())))
                owner = {"Tenant": pa.repeat(pa.scalar(tenant), size), "Recording": pa.repeat(pa.scalar(""), size)}
                database.insert(file.table, pa.table({**owner, **columns}))
