"""The files of a recording, and their rows as rows of the telemetry tables: column by column, never row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from middlewatch.records.errors import RecordingError
from middlewatch.telemetry.conventions import (
    CLOUD_REGION,
    K8S_CLUSTER_NAME,
    SERVICE_INSTANCE_ID,
    SEVERITY_NUMBERS,
    SPAN_ERROR,
    SPAN_OK,
    SPAN_UNSET,
)

BATCH_ROWS: Final = 100_000
"""Rows in memory at a time: 10,000 take half as long again, 1,000,000 twice the memory (docs/measurements/telemetry.md)."""

_RESOURCE_COLUMNS: Final = {"instance": SERVICE_INSTANCE_ID, "region": CLOUD_REGION, "cluster": K8S_CLUSTER_NAME}
_ENTRIES = pa.list_(pa.struct([("key", pa.string()), ("value", pa.string())]))


@dataclass(frozen=True, slots=True)
class ColumnType:
    """What a column must hold."""

    name: str
    fits: Callable[[pa.DataType], bool]


def _is_text(found: pa.DataType) -> bool:
    if pa.types.is_dictionary(found):
        found = found.value_type
    return bool(pa.types.is_string(found) or pa.types.is_large_string(found) or pa.types.is_string_view(found))


def _is_time(found: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(found)) and found.tz is not None


def _is_number(found: pa.DataType) -> bool:
    return bool(pa.types.is_floating(found) or pa.types.is_integer(found))


def _is_text_map(found: pa.DataType) -> bool:
    return bool(pa.types.is_map(found)) and _is_text(found.key_type) and _is_text(found.item_type)


TEXT: Final = ColumnType("string", _is_text)
TIME: Final = ColumnType("timestamp[us, tz=UTC]", _is_time)
NUMBER: Final = ColumnType("double", _is_number)
INTEGER: Final = ColumnType("int64", lambda found: bool(pa.types.is_integer(found)))
TEXT_MAP: Final = ColumnType("map<string, string>", _is_text_map)


@dataclass(frozen=True, slots=True)
class SignalFile:
    """One Parquet file of a recording and the table that its rows go to."""

    name: str
    table: str
    columns: Mapping[str, ColumnType]
    optional: Mapping[str, ColumnType]
    convert: Callable[[pa.Table], dict[str, pa.Array]]


def open_parquet(path: Path) -> pq.ParquetFile:
    """Open a Parquet file.

    Raises:
        RecordingError: it is truncated, corrupt or not Parquet.
    """
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path) from error


def check(path: Path, parquet: pq.ParquetFile, expected: SignalFile) -> None:
    """Compare the columns with what the format says.

    Raises:
        RecordingError: a column is missing or of another type; the message names both types.
    """
    schema = parquet.schema_arrow
    for name, kind in (*expected.columns.items(), *expected.optional.items()):
        index = schema.get_field_index(name)
        if index < 0:
            if name in expected.optional:
                continue
            raise RecordingError(
                f"{path.name} has no column '{name}' ({kind.name} expected)",
                remedy="Write the file again with the columns of the recording format (docs/recordings.md).",
            )
        found = schema.field(index).type
        if not kind.fits(found):
            raise RecordingError(
                f"{path.name}: column '{name}' is {found}, and {kind.name} is expected",
                remedy="Write the file again with the column types of the recording format (docs/recordings.md).",
            )


def batches(path: Path, parquet: pq.ParquetFile, expected: SignalFile) -> Iterator[dict[str, pa.Array]]:
    """Read a checked file in pieces of `BATCH_ROWS` rows, as columns of its table.

    Raises:
        RecordingError: the data behind the schema is corrupt, or a time is absent.
    """
    wanted = [name for name in (*expected.columns, *expected.optional) if parquet.schema_arrow.get_field_index(name) >= 0]
    for rows in _read(path, parquet, wanted):
        for name, kind in expected.columns.items():
            if kind is TIME and rows[name].null_count:
                raise RecordingError(f"{path.name}: column '{name}' has rows without a time", remedy="Remove those rows.")
        yield expected.convert(rows)


def _read(path: Path, parquet: pq.ParquetFile, columns: list[str]) -> Iterator[pa.Table]:
    try:
        for batch in parquet.iter_batches(batch_size=BATCH_ROWS, columns=columns):
            batch.validate(full=True)  # invalid UTF-8 would fail later, in a query
            yield pa.Table.from_batches([batch])
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path) from error


def _unreadable(path: Path) -> RecordingError:
    return RecordingError(f"{path.name} is truncated, corrupt or not Parquet", remedy=f"Copy or write {path} again.")


def _text(rows: pa.Table, name: str) -> pa.Array:
    """A text column as plain strings; '' where it is null or absent."""
    if name not in rows.column_names:
        return pa.repeat(pa.scalar(""), rows.num_rows)
    return pc.fill_null(rows[name].combine_chunks().cast(pa.string()), "")


def _resource(rows: pa.Table) -> pa.Array:
    """Resource attributes from the columns that say where a row comes from; empty values are left out."""
    names = [name for name in _RESOURCE_COLUMNS if name in rows.column_names]
    if not names:
        return _empty_maps(rows.num_rows)
    values = pa.concat_arrays([_text(rows, name) for name in names])
    # Row-major order: all attributes of row 0, then all of row 1.
    order = (np.arange(len(names))[None, :] * rows.num_rows + np.arange(rows.num_rows)[:, None]).ravel()
    present = pc.not_equal(values, "").to_numpy(zero_copy_only=False)[order]
    per_row = present.reshape(rows.num_rows, len(names)).sum(axis=1)
    offsets = np.concatenate([[0], np.cumsum(per_row)]).astype(np.int32)
    keys = pa.array([_RESOURCE_COLUMNS[name] for name in names]).take(pa.array((order // max(rows.num_rows, 1))[present]))
    return pa.MapArray.from_arrays(pa.array(offsets), keys, values.take(pa.array(order[present])))


def _empty_maps(size: int) -> pa.Array:
    return pa.MapArray.from_arrays(pa.array(np.zeros(size + 1, np.int32)), pa.array([], pa.string()), pa.array([], pa.string()))


def _attributes(rows: pa.Table) -> pa.Array:
    """The attributes of metrics; an absent map is an empty one, and an absent value is ''."""
    if "attributes" not in rows.column_names:
        return _empty_maps(rows.num_rows)
    entries = rows["attributes"].combine_chunks().cast(_ENTRIES)
    lengths = pc.fill_null(pc.list_value_length(entries), 0).to_numpy()
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    flat = entries.flatten()
    return pa.MapArray.from_arrays(pa.array(offsets), pc.struct_field(flat, 0), pc.fill_null(pc.struct_field(flat, 1), ""))


def _metrics(rows: pa.Table) -> dict[str, pa.Array]:
    rows = rows.filter(pc.is_valid(rows["value"]))
    return {
        "ServiceName": _text(rows, "service"),
        "ResourceAttributes": _resource(rows),
        "MetricName": _text(rows, "metric"),
        "MetricUnit": _text(rows, "unit"),
        "Attributes": _attributes(rows),
        "TimeUnix": rows["time"].combine_chunks(),
        "Value": rows["value"].combine_chunks().cast(pa.float64()),
    }


def _severity_numbers(texts: pa.Array) -> pa.Array:
    upper = pc.utf8_upper(texts)
    index = pc.index_in(upper, pa.array(list(SEVERITY_NUMBERS)))
    return pc.fill_null(pa.array(list(SEVERITY_NUMBERS.values()), pa.uint8()).take(index), 0)


def _logs(rows: pa.Table) -> dict[str, pa.Array]:
    severity = _text(rows, "severity")
    return {
        "ServiceName": _text(rows, "service"),
        "ResourceAttributes": _resource(rows),
        "Timestamp": rows["time"].combine_chunks(),
        "SeverityText": severity,
        "SeverityNumber": _severity_numbers(severity),
        "Body": _text(rows, "body"),
        "TraceId": _text(rows, "trace_id"),
        "SpanId": _text(rows, "span_id"),
    }


def _status(texts: pa.Array) -> pa.Array:
    """Status codes in the exporter's spelling: '...ERROR' is Error, '...OK' is Ok, all else is Unset."""
    upper = pc.utf8_upper(texts)
    return pc.case_when(pc.make_struct(pc.ends_with(upper, "ERROR"), pc.ends_with(upper, "OK")), SPAN_ERROR, SPAN_OK, SPAN_UNSET)


def _traces(rows: pa.Table) -> dict[str, pa.Array]:
    return {
        "ServiceName": _text(rows, "service"),
        "ResourceAttributes": _resource(rows),
        "Timestamp": rows["start_time"].combine_chunks(),
        "TraceId": _text(rows, "trace_id"),
        "SpanId": _text(rows, "span_id"),
        "ParentSpanId": _text(rows, "parent_span_id"),
        "SpanName": _text(rows, "name"),
        "Duration": pc.fill_null(pc.max_element_wise(rows["duration_ns"].combine_chunks().cast(pa.int64()), 0), 0).cast(
            pa.uint64()
        ),
        "StatusCode": _status(_text(rows, "status_code")),
    }


def _changes(rows: pa.Table) -> dict[str, pa.Array]:
    return {
        "Timestamp": rows["time"].combine_chunks(),
        "ServiceName": _text(rows, "service"),
        "Kind": _text(rows, "kind"),
        "Version": _text(rows, "version"),
        "Actor": _text(rows, "actor"),
        "Description": _text(rows, "description"),
        "ResourceAttributes": _resource(rows),
    }


def _topology(rows: pa.Table) -> dict[str, pa.Array]:
    return {"Caller": _text(rows, "caller"), "Callee": _text(rows, "callee")}


_PLACE = {"region": TEXT, "cluster": TEXT}

METRICS: Final = SignalFile(
    "metrics.parquet",
    "otel_metrics_gauge",
    {"time": TIME, "service": TEXT, "instance": TEXT, "metric": TEXT, "unit": TEXT, "value": NUMBER},
    {"attributes": TEXT_MAP, **_PLACE},
    _metrics,
)
LOGS: Final = SignalFile(
    "logs.parquet",
    "otel_logs",
    {"time": TIME, "service": TEXT, "instance": TEXT, "severity": TEXT, "body": TEXT, "trace_id": TEXT, "span_id": TEXT},
    _PLACE,
    _logs,
)
TRACES: Final = SignalFile(
    "traces.parquet",
    "otel_traces",
    {
        "trace_id": TEXT,
        "span_id": TEXT,
        "parent_span_id": TEXT,
        "service": TEXT,
        "instance": TEXT,
        "name": TEXT,
        "start_time": TIME,
        "duration_ns": INTEGER,
        "status_code": TEXT,
    },
    _PLACE,
    _traces,
)
CHANGES: Final = SignalFile(
    "changes.parquet",
    "changes",
    {"time": TIME, "service": TEXT, "kind": TEXT, "version": TEXT, "actor": TEXT, "description": TEXT},
    {"instance": TEXT, **_PLACE},
    _changes,
)
TOPOLOGY: Final = SignalFile("topology.parquet", "topology", {"caller": TEXT, "callee": TEXT}, {}, _topology)

SIGNAL_FILES: Final = (METRICS, LOGS, TRACES, CHANGES, TOPOLOGY)
