"""Invariant: a recording holds what was exported and done, nothing else; and nothing but the labels tells what was done wrong."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from middlewatch.evals.lab.detection import Detection
from middlewatch.evals.lab.faults import HARMLESS_DEPLOYS, fault_named
from middlewatch.evals.lab.measurements import SERVER_P99
from middlewatch.evals.lab.recording import Truth, read_exported, write_recording
from middlewatch.evals.lab.run_folder import RunFolder
from middlewatch.evals.lab.shop import AppliedChange
from middlewatch.records import Incident, RecordingInfo

START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
END = START + timedelta(seconds=60)
FAULT = fault_named("dropped-index")
CHANGES = (
    AppliedChange(HARMLESS_DEPLOYS[0], START + timedelta(seconds=5), "storefront-2"),
    AppliedChange(FAULT.change, START + timedelta(seconds=20), "inventory-2"),
)


def at(seconds: float) -> int:
    return int((START.timestamp() + seconds) * 1e9)


def lines(path: Path, *objects: dict[str, object]) -> None:
    path.write_text("".join(json.dumps(each) + "\n" for each in objects), encoding="utf-8")


def span(trace: str, number: str, parent: str, seconds: float) -> dict[str, object]:
    times = {"start_ns": at(seconds), "end_ns": at(seconds + 0.5)}
    return {
        "trace_id": trace,
        "span_id": number,
        "parent_span_id": parent,
        "name": "GET",
        "status": "UNSET",
        "attributes": {},
        **times,
    }


def log(seconds: float, body: str) -> dict[str, object]:
    return {"time_ns": at(seconds), "severity": "INFO", "body": body, "trace_id": "aa", "span_id": "01"}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """The telemetry of two instances: one trace through both, and one that began before the recording."""
    run = RunFolder(tmp_path / "run")
    run.root.mkdir()
    run.create()
    for service in ("storefront", "inventory"):
        name = f"{service}-1"
        attributes = {"service.name": service, "service.instance.id": name, "service.version": "1.0.0"}
        lines(run.telemetry / f"{name}.resource.json", {"attributes": attributes, "started_ns": at(-10)})
        point = {"attributes": {}, "value": 0.25}
        gauge = {"name": "process.cpu.utilization", "unit": "1", "kind": "gauge", "points": [point]}
        lines(
            run.telemetry / f"{name}.metrics.jsonl",
            *({"time_ns": at(seconds), "metrics": [gauge]} for seconds in (-5, 0, 5, 60, 65)),
        )
    lines(run.telemetry / "storefront-1.spans.jsonl", span("aa", "01", "", 1), span("bb", "03", "", -0.2))
    lines(run.telemetry / "inventory-1.spans.jsonl", span("bb", "04", "03", 0.1), span("aa", "02", "01", 1.1))
    lines(run.telemetry / "storefront-1.logs.jsonl", log(-1, "before"), log(2, "later"), log(1, "sooner"))
    cut = json.dumps(log(3, "whole")) + "\n" + json.dumps(log(4, "cut off"))[:-9]
    (run.telemetry / "inventory-1.logs.jsonl").write_text(cut, encoding="utf-8")
    return run


@pytest.fixture
def recording(folder: RunFolder, tmp_path: Path) -> Path:
    output = tmp_path / "recording"
    output.mkdir()
    detection = Detection(START + timedelta(seconds=40), SERVER_P99, 0.2)
    truth = Truth(CHANGES[-1], FAULT.root_cause_kind, FAULT.root_cause_indicator)
    write_recording(output, read_exported(folder, START, END), CHANGES, detection, END, truth)
    return output


def test_the_files_have_the_columns_of_the_format(recording: Path) -> None:
    columns = {path.stem: pq.read_schema(path).names for path in recording.glob("*.parquet")}
    assert columns == {
        "metrics": ["time", "service", "instance", "metric", "unit", "value", "attributes"],
        "logs": ["time", "service", "instance", "severity", "body", "trace_id", "span_id"],
        "traces": [
            *("trace_id", "span_id", "parent_span_id", "service", "instance"),
            *("name", "start_time", "duration_ns", "status_code"),
        ],
        "changes": ["time", "service", "kind", "version", "actor", "description"],
        "topology": ["caller", "callee"],
    }


def test_only_what_lies_in_the_recordings_time_is_kept(recording: Path) -> None:
    assert [row["body"] for row in pq.read_table(recording / "logs.parquet").to_pylist()] == ["sooner", "later", "whole"]
    times = {row["time"] for row in pq.read_table(recording / "metrics.parquet").to_pylist()}
    assert times == {START, START + timedelta(seconds=5), END}


def test_a_trace_is_kept_whole_or_not_at_all(recording: Path) -> None:
    rows = pq.read_table(recording / "traces.parquet").to_pylist()
    assert [(row["trace_id"], row["span_id"], row["parent_span_id"]) for row in rows] == [("aa", "01", ""), ("aa", "02", "01")]
    assert {row["duration_ns"] for row in rows} == {500_000_000}


def test_the_topology_is_what_traces_show(recording: Path) -> None:
    assert pq.read_table(recording / "topology.parquet").to_pylist() == [{"caller": "storefront", "callee": "inventory"}]


def test_the_changes_are_those_that_were_made(recording: Path) -> None:
    rows = pq.read_table(recording / "changes.parquet").to_pylist()
    assert [(row["time"], row["service"], row["kind"], row["version"]) for row in rows] == [
        (applied.time, applied.change.service, "deploy", applied.change.version) for applied in CHANGES
    ]


def test_the_label_says_what_was_done_and_nothing_else_does(recording: Path) -> None:
    label = json.loads((recording / "labels.jsonl").read_text(encoding="utf-8"))
    incident = Incident.model_validate_json((recording / "incidents.jsonl").read_text(encoding="utf-8"))
    info = RecordingInfo.model_validate_json((recording / "recording.json").read_text(encoding="utf-8"))
    assert label == {
        "incident": incident.id,
        "root_cause_service": "inventory",
        "root_cause_instance": "inventory-2",
        "root_cause_kind": "dropped_index",
        "root_cause_indicator": FAULT.root_cause_indicator,
        "started_at": "2026-11-21T09:00:20Z",
    }
    assert (info.start, info.end) == (START, END)
    assert incident.symptom is not None
    assert incident.symptom.service == "storefront"
    for name in ("recording.json", "incidents.jsonl"):
        told = (recording / name).read_text(encoding="utf-8").lower()
        assert all(word not in told for word in ("index", "leak", FAULT.name, FAULT.root_cause_kind))
