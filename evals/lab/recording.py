"""Writes a recording from what the services exported and what was done to the shop."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from middlewatch.evals.lab.detection import Detection
from middlewatch.evals.lab.measurements import Measurement, measurements
from middlewatch.evals.lab.run_folder import RunFolder
from middlewatch.evals.lab.shop import AppliedChange

SYSTEM = "middlewatch-lab-shop"

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

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Span:
    """A row of `traces.parquet`."""

    trace_id: str
    span_id: str
    parent_span_id: str
    service: str
    instance: str
    name: str
    start_ns: int
    duration_ns: int
    status_code: str


@dataclass(frozen=True, slots=True)
class Instance:
    """An instance of a service, as its telemetry describes it."""

    service: str
    name: str
    version: str
    started_ns: int


@dataclass(frozen=True, slots=True)
class Exported:
    """Everything that the services exported between two moments."""

    start: datetime
    end: datetime
    instances: tuple[Instance, ...]
    metrics: tuple[Measurement, ...]
    logs: tuple[Row, ...]
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Truth:
    """What was really done: the label that an investigation never reads."""

    cause: AppliedChange
    kind: str
    indicator: str


def read_exported(folder: RunFolder, start: datetime, end: datetime) -> Exported:
    """Read the run folder; of traces only those that began in the span of time, whole."""
    instances = tuple(_instances(folder))
    metrics: list[Measurement] = []
    logs: list[Row] = []
    spans: list[Span] = []
    for instance in instances:
        exports = _lines(folder.telemetry / f"{instance.name}.metrics.jsonl")
        found = measurements(exports, service=instance.service, instance=instance.name, started_ns=instance.started_ns)
        metrics.extend(row for row in found if start <= row.time <= end)
        logs.extend(row for row in _logs(folder, instance) if start <= row["time"] <= end)
        spans.extend(_spans(folder, instance))
    return Exported(start, end, instances, tuple(metrics), tuple(logs), tuple(_whole_traces(spans, start)))


def write_recording(
    output: Path, exported: Exported, changes: Sequence[AppliedChange], detection: Detection, window_end: datetime, truth: Truth
) -> None:
    """Write the recording's files into the folder ``output``, which exists and is empty."""
    incident = f"shop-{detection.at:%Y%m%d-%H%M%S}"
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
                    "started_at": _iso(_moment(each.started_ns)),
                }
                for each in exported.instances
            ],
        },
    )
    _write_table(output / "metrics.parquet", _metric_rows(exported.metrics), _METRICS)
    _write_table(output / "logs.parquet", sorted(exported.logs, key=lambda row: row["time"]), _LOGS)
    _write_table(output / "traces.parquet", _trace_rows(exported.spans), _TRACES)
    _write_table(output / "changes.parquet", [_change_row(change) for change in changes], _CHANGES)
    _write_table(output / "topology.parquet", _topology_rows(exported.spans), _TOPOLOGY)
    _write_json(
        output / "incidents.jsonl",
        {
            "id": incident,
            "title": f"storefront: {detection.metric} over {detection.threshold:g}",
            "detected_at": _iso(detection.at),
            "window_end": _iso(window_end),
            "symptom": {"service": "storefront", "metric": detection.metric},
        },
    )
    _write_json(
        output / "labels.jsonl",
        {
            "incident": incident,
            "root_cause_service": truth.cause.change.service,
            "root_cause_instance": truth.cause.instance,
            "root_cause_kind": truth.kind,
            "root_cause_indicator": truth.indicator,
            "started_at": _iso(truth.cause.time),
        },
    )


def _instances(folder: RunFolder) -> Iterator[Instance]:
    for path in sorted(folder.telemetry.glob("*.resource.json")):
        described = json.loads(path.read_text(encoding="utf-8"))
        origin = described["attributes"]
        yield Instance(origin["service.name"], origin["service.instance.id"], origin["service.version"], described["started_ns"])


def _lines(path: Path) -> Iterator[Row]:
    """The file's objects. A line without an end was cut off when its process died, and is left out."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.endswith("\n"):
                yield json.loads(line)


def _logs(folder: RunFolder, instance: Instance) -> Iterator[Row]:
    for line in _lines(folder.telemetry / f"{instance.name}.logs.jsonl"):
        yield {
            "time": _moment(line["time_ns"]),
            "service": instance.service,
            "instance": instance.name,
            **{key: line[key] for key in ("severity", "body", "trace_id", "span_id")},
        }


def _spans(folder: RunFolder, instance: Instance) -> Iterator[Span]:
    for line in _lines(folder.telemetry / f"{instance.name}.spans.jsonl"):
        yield Span(
            trace_id=line["trace_id"],
            span_id=line["span_id"],
            parent_span_id=line["parent_span_id"],
            service=instance.service,
            instance=instance.name,
            name=line["name"],
            start_ns=line["start_ns"],
            duration_ns=line["end_ns"] - line["start_ns"],
            status_code=line["status"],
        )


def _whole_traces(spans: Sequence[Span], start: datetime) -> list[Span]:
    """The spans of the traces that began at or after ``start``; those of one trace together, in order of time."""
    began: dict[str, int] = {}
    for span in spans:
        began[span.trace_id] = min(span.start_ns, began.get(span.trace_id, span.start_ns))
    first_ns = start.timestamp() * 1e9
    kept = [span for span in spans if began[span.trace_id] >= first_ns]
    return sorted(kept, key=lambda span: (began[span.trace_id], span.trace_id, span.start_ns))


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


def _trace_rows(spans: Sequence[Span]) -> list[Row]:
    return [
        {
            "trace_id": span.trace_id,
            "span_id": span.span_id,
            "parent_span_id": span.parent_span_id,
            "service": span.service,
            "instance": span.instance,
            "name": span.name,
            "start_time": _moment(span.start_ns),
            "duration_ns": span.duration_ns,
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


def _write_table(path: Path, rows: Sequence[Row], schema: pa.Schema) -> None:
    """Write a Parquet file. Ids are random, so that a dictionary of them would only cost space."""
    words = [field.name for field in schema if pa.types.is_dictionary(field.type) or field.name == "trace_id"]
    pq.write_table(
        pa.Table.from_pylist(list(rows), schema=schema), path, compression="zstd", compression_level=19, use_dictionary=words
    )


def _write_json(path: Path, value: Row) -> None:
    indent = 1 if path.suffix == ".json" else None
    path.write_text(json.dumps(value, indent=indent) + "\n", encoding="utf-8")


def _moment(nanoseconds: int) -> datetime:
    return datetime.fromtimestamp(nanoseconds / 1e9, tz=UTC)


def _iso(moment: datetime) -> str:
    """Whole seconds in UTC, as recordings have them."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
