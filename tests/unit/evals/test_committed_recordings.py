"""Invariant: the recordings in the tree are small, whole and honest: what alarmed, what was done and what was measured agree."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from middlewatch.evals.lab.detection import AlertRule
from middlewatch.evals.lab.faults import FAULTS, FIRST_VERSIONS, HARMLESS_DEPLOYS
from middlewatch.evals.lab.measurements import Measurement
from middlewatch.records import Incident, RecordingInfo, UtcDatetime

ROOT = Path(__file__).parents[3] / "evals" / "recordings"
RECORDINGS = sorted(file.parent for file in ROOT.glob("*/recording.json"))
LARGEST_BYTES = 4_000_000


@pytest.fixture(params=RECORDINGS, ids=lambda path: path.name)
def recording(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


@cache
def rows(recording: Path, table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(recording / f"{table}.parquet").to_pylist()
    return found


def incident_of(recording: Path) -> Incident:
    return Incident.model_validate_json((recording / "incidents.jsonl").read_text(encoding="utf-8"))


def label_of(recording: Path) -> dict[str, str]:
    label: dict[str, str] = json.loads((recording / "labels.jsonl").read_text(encoding="utf-8"))
    return label


def measured(recording: Path) -> Iterator[Measurement]:
    for row in rows(recording, "metrics"):
        yield Measurement(
            row["time"], row["service"], row["instance"], row["metric"], row["unit"], row["value"], tuple(row["attributes"])
        )


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def test_there_are_recordings_and_the_readme_names_each() -> None:
    assert RECORDINGS
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(f"`{recording.name}`" in readme for recording in RECORDINGS)


def test_it_is_small(recording: Path) -> None:
    assert sum(file.stat().st_size for file in recording.iterdir()) <= LARGEST_BYTES


def test_the_detection_is_the_alert_rule_on_the_recorded_metrics(recording: Path) -> None:
    detection = AlertRule().first(measured(recording))
    incident = incident_of(recording)
    assert detection is not None
    assert detection.at.replace(microsecond=0) == incident.detected_at
    assert incident.symptom is not None
    assert incident.symptom.metric == detection.metric
    info = RecordingInfo.model_validate_json((recording / "recording.json").read_text(encoding="utf-8"))
    assert info.start < incident.detected_at < incident.window_end <= info.end


def test_the_label_is_the_last_change_and_the_others_are_harmless(recording: Path) -> None:
    label, incident = label_of(recording), incident_of(recording)
    *decoys, cause = rows(recording, "changes")
    fault = next(fault for fault in FAULTS.values() if fault.root_cause_kind == label["root_cause_kind"])
    assert label["incident"] == incident.id
    assert (cause["service"], cause["version"]) == (fault.change.service, fault.change.version)
    assert label["root_cause_service"] == fault.change.service
    assert cause["time"].replace(microsecond=0) == moment(label["started_at"]) < incident.detected_at
    known = {(change.service, change.version) for change in HARMLESS_DEPLOYS}
    assert decoys
    assert all((decoy["service"], decoy["version"]) in known for decoy in decoys)


def test_signals_join(recording: Path) -> None:
    spans = {(row["trace_id"], row["span_id"]): row["service"] for row in rows(recording, "traces")}
    joined = [row for row in rows(recording, "logs") if row["trace_id"]]
    found = [row for row in joined if spans.get((row["trace_id"], row["span_id"])) == row["service"]]
    assert len(found) > 0.99 * len(joined)  # a few lines belong to traces that began before the recording
    for table in ("metrics", "logs", "traces"):
        assert {row["service"] for row in rows(recording, table)} == set(FIRST_VERSIONS)


def test_the_evidence_is_in_every_signal(recording: Path) -> None:
    label, incident = label_of(recording), incident_of(recording)
    began, cause = moment(label["started_at"]), label["root_cause_service"]

    def warnings(start: UtcDatetime, end: UtcDatetime) -> int:
        return sum(
            row["service"] == cause and row["severity"] in ("WARN", "ERROR") and start <= row["time"] < end
            for row in rows(recording, "logs")
        )

    window = incident.window_end - began
    assert warnings(began, incident.window_end) > 20 * max(1, warnings(began - window, began))
    by_instance = {row["instance"] for row in rows(recording, "metrics") if row["service"] == cause and row["time"] > began}
    assert label["root_cause_instance"] in by_instance
    slow = [row["duration_ns"] for row in rows(recording, "traces") if row["service"] == cause]
    assert max(slow) > timedelta(milliseconds=100) / timedelta(microseconds=1) * 1000
