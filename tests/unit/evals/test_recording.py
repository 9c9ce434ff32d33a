"""Invariant: a recording holds what was exported and done, nothing else; and nothing but the labels tells what was wrong."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from middlewatch.evals.lab.changes import deploy
from middlewatch.evals.lab.detection import OBJECTIVES, Detection
from middlewatch.evals.lab.exported import read_exported, read_metrics
from middlewatch.evals.lab.faults import fault_named
from middlewatch.evals.lab.recording import Cause, LabIncident, write_recording
from middlewatch.evals.lab.run_folder import RunFolder
from middlewatch.evals.lab.shop import AppliedChange
from middlewatch.records import Incident, RecordingInfo

START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
END = START + timedelta(seconds=60)
FAULT = fault_named("dropped-index")
CHANGES = (
    AppliedChange(deploy("gateway", "3.2.1", "wording"), START + timedelta(seconds=5), ("gateway-2",)),
    AppliedChange(deploy("inventory", "2.4.0", "daily stock report"), START + timedelta(seconds=20), ("inventory-2",)),
)
CAUSES = (
    Cause("inventory", "inventory-2", FAULT.label, FAULT.indicator, CHANGES[-1].time),
    Cause("checkout", None, "load/load-spike", "http.server.request.rate", CHANGES[-1].time + timedelta(seconds=1)),
)
INCIDENTS = tuple(
    LabIncident(Detection(START + timedelta(seconds=at), OBJECTIVES[0]), START + timedelta(seconds=at + 5), causes)
    for at, causes in ((40, CAUSES[:1]), (50, ()), (55, CAUSES))
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
    """The telemetry of two instances: one trace through both, one that began before the recording, and one after its end."""
    run = RunFolder(tmp_path / "run")
    run.root.mkdir()
    run.create()
    for service in ("gateway", "inventory"):
        name = f"{service}-1"
        attributes = {"service.name": service, "service.instance.id": name, "service.version": "1.0.0"}
        lines(run.telemetry / f"{name}.resource.json", {"attributes": attributes, "started_ns": at(-10)})
        point = {"attributes": {}, "value": 0.25}
        gauge = {"name": "process.cpu.utilization", "unit": "1", "kind": "gauge", "points": [point]}
        lines(
            run.telemetry / f"{name}.metrics.jsonl",
            *({"time_ns": at(seconds), "metrics": [gauge]} for seconds in (-5, 0, 5, 60, 65)),
        )
    roots = (span("aa", "01", "", 1), span("bb", "03", "", -0.2), span("cc", "05", "", 60.1))
    lines(run.telemetry / "gateway-1.spans.jsonl", *roots)
    lines(run.telemetry / "inventory-1.spans.jsonl", span("bb", "04", "03", 0.1), span("aa", "02", "01", 1.1))
    lines(run.telemetry / "gateway-1.logs.jsonl", log(-1, "before"), log(2, "later"), log(1, "sooner"))
    cut = json.dumps(log(3, "whole")) + "\n" + json.dumps(log(4, "cut off"))[:-9]
    (run.telemetry / "inventory-1.logs.jsonl").write_text(cut, encoding="utf-8")
    return run


@pytest.fixture
def recording(folder: RunFolder, tmp_path: Path) -> Path:
    output = tmp_path / "recording"
    output.mkdir()
    write_recording(output, read_exported(folder, START, END), CHANGES, INCIDENTS)
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


def test_metrics_can_be_read_of_some_services_and_from_some_moment_on(folder: RunFolder) -> None:
    rows = read_metrics(folder, {"inventory"}, START + timedelta(seconds=5))
    assert [(row.service, row.time) for row in rows] == [("inventory", START + timedelta(seconds=s)) for s in (5, 60, 65)]


def test_an_instance_that_has_only_just_started_has_measured_nothing(folder: RunFolder) -> None:
    (folder.telemetry / "inventory-1.metrics.jsonl").unlink()
    assert read_metrics(folder, {"inventory"}, START) == []


def test_a_trace_is_kept_whole_or_not_at_all(recording: Path) -> None:
    rows = pq.read_table(recording / "traces.parquet").to_pylist()
    trace, first, second = f"{1:032x}", f"{1:016x}", f"{2:016x}"
    assert [(row["trace_id"], row["span_id"], row["parent_span_id"]) for row in rows] == [
        (trace, first, ""),
        (trace, second, first),
    ]
    logs = pq.read_table(recording / "logs.parquet").to_pylist()
    assert {(row["trace_id"], row["span_id"]) for row in logs} == {(trace, first)}
    assert {row["duration_ns"] for row in rows} == {500_000_000}


def test_the_topology_is_what_traces_show(recording: Path) -> None:
    assert pq.read_table(recording / "topology.parquet").to_pylist() == [{"caller": "gateway", "callee": "inventory"}]


def test_the_changes_are_those_that_were_made(recording: Path) -> None:
    rows = pq.read_table(recording / "changes.parquet").to_pylist()
    assert [(row["time"], row["service"], row["kind"], row["version"]) for row in rows] == [
        (applied.time, applied.change.service, "deploy", applied.change.version) for applied in CHANGES
    ]


def jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_labels_say_what_was_done(recording: Path) -> None:
    one, quiet, *two = jsonl(recording / "labels.jsonl")
    ids = [incident["id"] for incident in jsonl(recording / "incidents.jsonl")]
    assert one == {
        "incident": ids[0],
        "root_cause_service": "inventory",
        "root_cause_instance": "inventory-2",
        "root_cause_kind": "code_slow_path/dropped-index",
        "root_cause_indicator": FAULT.indicator,
        "started_at": "2026-11-21T09:00:20Z",
    }
    nothing = ("root_cause_service", "root_cause_instance", "root_cause_indicator", "started_at")
    assert quiet == dict.fromkeys(nothing) | {"incident": ids[1], "root_cause_kind": "none"}
    assert [(row["incident"], row["root_cause_service"], row["root_cause_instance"]) for row in two] == [
        (ids[2], "inventory", "inventory-2"),
        (ids[2], "checkout", None),
    ]


def test_nothing_but_the_labels_tells(recording: Path) -> None:
    info = RecordingInfo.model_validate_json((recording / "recording.json").read_text(encoding="utf-8"))
    assert (info.start, info.end) == (START, END)
    for row in jsonl(recording / "incidents.jsonl"):
        incident = Incident.model_validate(row)
        assert incident.symptom is not None
        assert incident.symptom.service == "gateway"
    for name in ("recording.json", "incidents.jsonl"):
        told = (recording / name).read_text(encoding="utf-8").lower()
        assert all(word not in told for word in ("index", "none", "slow_path", FAULT.name))
