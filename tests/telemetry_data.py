"""Builds tiny recordings for tests: give the rows that matter, the rest is filled in.

    write_recording(tmp_path / "shop", traces=[{"service": "cart", "duration_ns": 5_000_000}], logs=[{"body": "hello"}])

Every row is a mapping; a column that is left out gets its default. Times may be `datetime` or seconds after `START`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from middlewatch.telemetry.clickhouse import DATABASE, ClickHouse

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
"""When recordings made here begin, where nothing else is said."""

Row = Mapping[str, Any]

_TIME = pa.timestamp("us", tz="UTC")
_TEXT = pa.string()
_COLUMNS: dict[str, dict[str, tuple[pa.DataType, Any]]] = {
    "metrics": {
        "time": (_TIME, 0),
        "service": (_TEXT, "shop"),
        "instance": (_TEXT, ""),
        "metric": (_TEXT, "process.cpu.utilization"),
        "unit": (_TEXT, "1"),
        "value": (pa.float64(), 0.0),
        "attributes": (pa.map_(_TEXT, _TEXT), ()),
    },
    "logs": {
        "time": (_TIME, 0),
        "service": (_TEXT, "shop"),
        "instance": (_TEXT, ""),
        "severity": (_TEXT, "INFO"),
        "body": (_TEXT, ""),
        "trace_id": (_TEXT, ""),
        "span_id": (_TEXT, ""),
    },
    "traces": {
        "trace_id": (_TEXT, "00000000000000000000000000000001"),
        "span_id": (_TEXT, "0000000000000001"),
        "parent_span_id": (_TEXT, ""),
        "service": (_TEXT, "shop"),
        "instance": (_TEXT, ""),
        "name": (_TEXT, "GET /"),
        "start_time": (_TIME, 0),
        "duration_ns": (pa.int64(), 1_000_000),
        "status_code": (_TEXT, "Unset"),
    },
    "changes": {
        "time": (_TIME, 0),
        "service": (_TEXT, "shop"),
        "kind": (_TEXT, "deploy"),
        "version": (_TEXT, ""),
        "actor": (_TEXT, ""),
        "description": (_TEXT, ""),
    },
    "topology": {"caller": (_TEXT, "frontend"), "callee": (_TEXT, "shop")},
}


def moment(value: datetime | float) -> datetime:
    """A time: itself, or `START` plus so many seconds."""
    return value if isinstance(value, datetime) else START + timedelta(seconds=value)


def signal_table(signal: str, rows: Iterable[Row]) -> pa.Table:
    """Rows of one signal as the table that its Parquet file holds. Columns beyond the format's are text."""
    given = list(rows)
    columns = dict(_COLUMNS[signal])
    for row in given:
        columns.update({name: (_TEXT, "") for name in row if name not in columns})
    arrays = {}
    for name, (kind, default) in columns.items():
        values = [row.get(name, default) for row in given]
        if pa.types.is_timestamp(kind):
            values = [moment(value) for value in values]
        if pa.types.is_map(kind):
            values = [list(value.items()) if isinstance(value, Mapping) else list(value) for value in values]
        arrays[name] = pa.array(values, kind)
    return pa.table(arrays)


def write_recording(
    folder: Path,
    *,
    metrics: Sequence[Row] | None = None,
    logs: Sequence[Row] | None = None,
    traces: Sequence[Row] | None = None,
    changes: Sequence[Row] | None = None,
    topology: Sequence[Row] | None = None,
    incidents: Sequence[Row] | None = None,
    info: Row | None = None,
) -> Path:
    """Write a recording; signals that are None get no file.

    Args:
        folder: created; its name becomes part of the imported recording's name.
        metrics: rows of `metrics.parquet`.
        logs: rows of `logs.parquet`.
        traces: rows of `traces.parquet`.
        changes: rows of `changes.parquet`.
        topology: rows of `topology.parquet`.
        incidents: lines of `incidents.jsonl`; one at 20 minutes with a window of 10 where None.
        info: fields of `recording.json` that differ from the defaults (one hour from `START`).
    """
    folder.mkdir(parents=True, exist_ok=True)
    signals = {"metrics": metrics, "logs": logs, "traces": traces, "changes": changes, "topology": topology}
    for signal, rows in signals.items():
        if rows is not None:
            pq.write_table(signal_table(signal, rows), folder / f"{signal}.parquet")
    header = {"format": "recording/v1", "system": "test", "start": moment(0), "end": moment(3600), **(info or {})}
    (folder / "recording.json").write_text(json.dumps(header, default=datetime.isoformat))
    lines = [{**incident_row(), **row} for row in ([{}] if incidents is None else incidents)]
    (folder / "incidents.jsonl").write_text("".join(json.dumps(line, default=datetime.isoformat) + "\n" for line in lines))
    return folder


def incident_row(detected_seconds: float = 1200, window_seconds: float = 600) -> dict[str, Any]:
    """A line of `incidents.jsonl`, detected so many seconds after `START`."""
    return {
        "id": "incident-1",
        "title": "users see errors",
        "detected_at": moment(detected_seconds),
        "window_end": moment(detected_seconds + window_seconds),
        "symptom": None,
    }


def forget_live_telemetry(database: ClickHouse, tenant: str) -> None:
    """Take a tenant's live telemetry out of the store that the tests of a process share."""
    live = "Tenant = {tenant:String} AND Recording = ''"
    with database._pool.client() as opened:
        client = cast("Any", opened)
        views = "SELECT name FROM system.tables WHERE engine = 'MaterializedView'"
        tables = f"""
            SELECT table FROM system.columns
            WHERE database = {{database:String}} AND name IN ('Tenant', 'Recording') AND table NOT IN ({views})
            GROUP BY table HAVING count() = 2
        """
        for (table,) in client.query(tables, parameters={"database": DATABASE}).result_rows:
            if client.query(f"SELECT count() FROM {table} WHERE {live}", parameters={"tenant": tenant}).first_row[0]:
                client.command(f"DELETE FROM {table} WHERE {live}", parameters={"tenant": tenant})
