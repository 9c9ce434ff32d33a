"""Reads what the services exported."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from middlewatch.evals.lab.measurements import Measurement, measurements
from middlewatch.evals.lab.run_folder import RunFolder

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


def read_exported(folder: RunFolder, start: datetime, end: datetime) -> Exported:
    """Read the run folder; of traces those that began in the span of time, whole."""
    instances = tuple(_instances(folder))
    metrics: list[Measurement] = []
    logs: list[Row] = []
    spans: list[Span] = []
    for instance in instances:
        metrics.extend(row for row in _metrics(folder, instance) if start <= row.time <= end)
        logs.extend(row for row in _logs(folder, instance) if start <= row["time"] <= end)
        spans.extend(_spans(folder, instance))
    return Exported(start, end, instances, tuple(metrics), tuple(logs), tuple(_whole_traces(spans, start, end)))


def read_metrics(folder: RunFolder, services: Collection[str], start: datetime) -> list[Measurement]:
    """What some services have measured so far, from ``start`` on; also while they run."""
    return [
        row
        for instance in _instances(folder)
        if instance.service in services
        for row in _metrics(folder, instance)
        if row.time >= start
    ]


def moment(nanoseconds: int) -> datetime:
    """A time in ns since the epoch."""
    return datetime.fromtimestamp(nanoseconds / 1e9, tz=UTC)


def _metrics(folder: RunFolder, instance: Instance) -> Iterator[Measurement]:
    exports = _lines(folder.telemetry / f"{instance.name}.metrics.jsonl")
    return measurements(exports, service=instance.service, instance=instance.name, started_ns=instance.started_ns)


def _instances(folder: RunFolder) -> Iterator[Instance]:
    for path in sorted(folder.telemetry.glob("*.resource.json")):
        described = json.loads(path.read_text(encoding="utf-8"))
        origin = described["attributes"]
        yield Instance(origin["service.name"], origin["service.instance.id"], origin["service.version"], described["started_ns"])


def _lines(path: Path) -> Iterator[Row]:
    """The file's objects. A line without an end was cut off when its process died, and is left out."""
    if not path.exists():  # the process has only just started
        return
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.endswith("\n"):
                yield json.loads(line)


def _logs(folder: RunFolder, instance: Instance) -> Iterator[Row]:
    for line in _lines(folder.telemetry / f"{instance.name}.logs.jsonl"):
        yield {
            "time": moment(line["time_ns"]),
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


def _whole_traces(spans: Sequence[Span], start: datetime, end: datetime) -> list[Span]:
    """The spans of the traces that began from ``start`` to ``end``; those of one trace together, in order of time."""
    began: dict[str, int] = {}
    for span in spans:
        began[span.trace_id] = min(span.start_ns, began.get(span.trace_id, span.start_ns))
    first_ns, last_ns = start.timestamp() * 1e9, end.timestamp() * 1e9
    kept = [span for span in spans if first_ns <= began[span.trace_id] <= last_ns]
    return sorted(kept, key=lambda span: (began[span.trace_id], span.trace_id, span.start_ns))
