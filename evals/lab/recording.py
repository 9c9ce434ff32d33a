"""Writes a recording from what the services exported and what was done to the shop."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from middlewatch.evals.lab.detection import Detection
from middlewatch.evals.lab.exported import Exported, Row, Span, moment
from middlewatch.evals.lab.measurements import Measurement
from middlewatch.evals.lab.shop import AppliedChange

SYSTEM = "middlewatch-lab-shop-2"

_DURATION_STEP_NS = 1000
"""Durations are as fine as start times; the digits after that are noise that does not compress."""

_WORD = pa.dictionary(pa.int32(), pa.string())
_TIME = pa.timestamp("us", tz="UTC")
_METRICS = pa.schema(
    {
        "time": _TIME,
        "service": _WORD,
        "instance": _WORD,
        "metric": _WORD,
        "unit": _WORD,
        "value": pa.float64(),
        "attributes": pa.map_(pa.string(), pa.string()),
    }
)
_LOGS = pa.schema(
    {
        "time": _TIME,
        "service": _WORD,
        "instance": _WORD,
        "severity": _WORD,
        "body": pa.string(),
        "trace_id": pa.string(),
        "span_id": pa.string(),
    }
)
_TRACES = pa.schema(
    {
        "trace_id": pa.string(),
        "span_id": pa.string(),
        "parent_span_id": pa.string(),
        "service": _WORD,
        "instance": _WORD,
        "name": _WORD,
        "start_time": _TIME,
        "duration_ns": pa.int64(),
        "status_code": _WORD,
    }
)
_CHANGES = pa.schema(
    {
        "time": _TIME,
        "service": pa.string(),
        "kind": pa.string(),
        "version": pa.string(),
        "actor": pa.string(),
        "description": pa.string(),
    }
)
_TOPOLOGY = pa.schema({"caller": pa.string(), "callee": pa.string()})


@dataclass(frozen=True, slots=True)
class Cause:
    """What was really done: the label that an investigation never reads."""

    service: str
    instance: str | None
    """The one instance that was affected; None where all of the service's were."""
    kind: str
    indicator: str
    at: datetime


@dataclass(frozen=True, slots=True)
class LabIncident:
    """What the alert said, and what was done to the shop: nothing, one thing, or several at once."""

    detection: Detection
    window_end: datetime
    causes: tuple[Cause, ...]
    name: str = ""
    """As in the plan."""
    blamable: tuple[AppliedChange, ...] = ()
    """The changes that the causes came with; all other changes are innocent."""
    mended_at: datetime | None = None
    """When everything was taken back."""

    @property
    def id(self) -> str:
        return f"shop-{self.detection.at:%Y%m%d-%H%M%S}"


def write_recording(output: Path, exported: Exported, changes: Sequence[AppliedChange], incidents: Sequence[LabIncident]) -> None:
    """Write the recording's files into the folder ``output``, which exists and is empty."""
    _write_json(
        output / "recording.json",
        {
            "format": "recording/v1",
            "system": SYSTEM,
            "start": _iso(exported.start),
            "end": _iso(exported.end),
            "source": "middlewatch lab record",
            "licence": "Apache-2.0",
            "notes": "Telemetry of a real small shop, exported by its services through the OpenTelemetry SDK. Metrics are gauges"
            " of one export interval each; every trace is kept.",
            "instances": [
                {
                    "service": each.service,
                    "instance": each.name,
                    "version": each.version,
                    "started_at": _iso(moment(each.started_ns)),
                }
                for each in exported.instances
            ],
        },
    )
    write_table(output / "metrics.parquet", _table(_metric_rows(exported.metrics), _METRICS))
    number = _numbers(exported.spans)
    logs = sorted(exported.logs, key=lambda row: row["time"])
    write_table(output / "logs.parquet", _table([_log_row(row, number) for row in logs], _LOGS))
    write_table(output / "traces.parquet", _table(_trace_rows(exported.spans, number), _TRACES))
    write_table(output / "changes.parquet", _table([_change_row(change) for change in changes], _CHANGES))
    write_table(output / "topology.parquet", _table(_topology_rows(exported.spans), _TOPOLOGY))
    write_lines(output / "incidents.jsonl", map(incident_row, incidents))
    write_lines(output / "labels.jsonl", (row for incident in incidents for row in _label_rows(incident)))


def incident_row(incident: LabIncident) -> Row:
    """What its alert told, as a recording has it."""
    objective = incident.detection.objective
    return {
        "id": incident.id,
        "title": objective.missed,
        "detected_at": _iso(incident.detection.at),
        "window_end": _iso(incident.window_end),
        "symptom": {"service": objective.service, "metric": objective.metric},
    }


def _label_rows(incident: LabIncident) -> Iterator[Row]:
    """One row for each cause; for a false alarm one without a cause."""
    for cause in incident.causes or (None,):
        yield {
            "incident": incident.id,
            "root_cause_service": cause.service if cause else None,
            "root_cause_instance": cause.instance if cause else None,
            "root_cause_kind": cause.kind if cause else "none",
            "root_cause_indicator": cause.indicator if cause else None,
            "started_at": _iso(cause.at) if cause else None,
        }


def _metric_rows(rows: Sequence[Measurement]) -> list[Row]:
    ordered = sorted(rows, key=lambda row: (row.service, row.instance, row.metric, row.attributes, row.time))
    return [
        {
            "time": row.time,
            "service": row.service,
            "instance": row.instance,
            "metric": row.metric,
            "unit": row.unit,
            "value": row.value,
            "attributes": list(row.attributes),
        }
        for row in ordered
    ]


@dataclass(frozen=True, slots=True)
class _Numbers:
    """Traces and spans by number, in the order of a recording: random ids would be most of its bytes."""

    traces: Mapping[str, int]
    spans: Mapping[tuple[str, str], int]

    def trace(self, trace_id: str) -> str:
        """As hexadecimal digits; empty for a trace that is not in the recording, as for none."""
        return f"{number:032x}" if (number := self.traces.get(trace_id)) else ""

    def span(self, trace_id: str, span_id: str) -> str:
        """The same of a span."""
        return f"{number:016x}" if (number := self.spans.get((trace_id, span_id))) else ""


def _numbers(spans: Sequence[Span]) -> _Numbers:
    traces = dict.fromkeys(span.trace_id for span in spans)
    keys = dict.fromkeys((span.trace_id, span.span_id) for span in spans)
    return _Numbers({each: n for n, each in enumerate(traces, start=1)}, {each: n for n, each in enumerate(keys, start=1)})


def _log_row(row: Row, number: _Numbers) -> Row:
    trace, span = row["trace_id"], row["span_id"]
    return row | {"trace_id": number.trace(trace), "span_id": number.span(trace, span)}


def _trace_rows(spans: Sequence[Span], number: _Numbers) -> list[Row]:
    """A parent that is not in the recording keeps its id: it was there."""
    return [
        {
            "trace_id": number.trace(span.trace_id),
            "span_id": number.span(span.trace_id, span.span_id),
            "parent_span_id": number.span(span.trace_id, span.parent_span_id) or span.parent_span_id,
            "service": span.service,
            "instance": span.instance,
            "name": span.name,
            "start_time": moment(span.start_ns),
            "duration_ns": span.duration_ns // _DURATION_STEP_NS * _DURATION_STEP_NS,
            "status_code": span.status_code,
        }
        for span in spans
    ]


def _change_row(applied: AppliedChange) -> Row:
    change = applied.change
    return {
        "time": applied.time,
        "service": change.service,
        "kind": change.kind.value,
        "version": change.version,
        "actor": change.actor,
        "description": change.description,
    }


def _topology_rows(spans: Sequence[Span]) -> list[Row]:
    """Who called whom, from the spans whose parent belongs to another service."""
    owners = {(span.trace_id, span.span_id): span.service for span in spans}
    edges = {(owners.get((span.trace_id, span.parent_span_id), span.service), span.service) for span in spans}
    return [{"caller": caller, "callee": callee} for caller, callee in sorted(edges) if caller != callee]


def _table(rows: Sequence[Row], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=schema)


def write_table(path: Path, table: pa.Table) -> None:
    """Write a Parquet file. Ids differ little from the one before, and times and durations from all others."""
    words = [field.name for field in table.schema if pa.types.is_dictionary(field.type)]
    ids = [field.name for field in table.schema if field.name.endswith("_id")]
    pq.write_table(
        table,
        path,
        compression="zstd",
        compression_level=19,
        use_dictionary=words,
        column_encoding=dict.fromkeys(ids, "DELTA_BYTE_ARRAY"),
    )


def _write_json(path: Path, value: Row) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def write_lines(path: Path, values: Iterable[Row]) -> None:
    """Write one JSON document a line."""
    path.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")


def _iso(when: datetime) -> str:
    """Whole seconds in UTC, as recordings have them."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
