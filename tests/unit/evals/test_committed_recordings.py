"""Invariant: the recordings in the tree are small, whole and honest: what alarmed, what was done and what was measured agree."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from middlewatch.evals.lab.faults import FaultKind
from middlewatch.evals.lab.measurements import Measurement
from middlewatch.evals.lab.versions import release
from middlewatch.records import ChangeKind, Incident, RecordingInfo
from tests.first_shop import FAULTS, FIRST_VERSIONS, HARMLESS_SETTINGS, RULE

ROOT = Path(__file__).parents[3] / "evals" / "recordings"
EVERYTHING = sorted(file.parent for file in ROOT.rglob("recording.json"))
RECORDINGS = [folder for folder in EVERYTHING if folder.parent.name != "lab-incidents"]
"""Those of the first shop. What was cut out of others is looked at by `test_lab_incidents`."""
LARGEST_BYTES = 4_000_000
LARGEST_CUT_BYTES = 1_000_000
ALL_BYTES = 18_000_000

Row = dict[str, Any]


@pytest.fixture(params=RECORDINGS, ids=lambda path: path.name)
def recording(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


@cache
def read(recording: Path, table: str) -> pa.Table:
    return pq.read_table(recording / f"{table}.parquet")


def column(recording: Path, table: str, name: str) -> list[Any]:
    """Every value that there is, once."""
    found: list[Any] = read(recording, table)[name].unique().to_pylist()
    return found


@cache
def changes_in(recording: Path) -> list[Row]:
    found: list[Row] = read(recording, "changes").to_pylist()
    return found


@cache
def incidents_of(recording: Path) -> list[Incident]:
    lines = (recording / "incidents.jsonl").read_text(encoding="utf-8").splitlines()
    return [Incident.model_validate_json(line) for line in lines]


def labels_of(recording: Path) -> list[tuple[Incident, Row]]:
    """Every label with its incident."""
    known = {incident.id: incident for incident in incidents_of(recording)}
    lines = (recording / "labels.jsonl").read_text(encoding="utf-8").splitlines()
    return [(known[label["incident"]], label) for label in map(json.loads, lines)]


def causes_of(recording: Path) -> list[tuple[Incident, Row, datetime]]:
    """Every label that names a cause, and when that began; false alarms have none."""
    return [
        (incident, label, datetime.fromisoformat(label["started_at"]).astimezone(UTC))
        for incident, label in labels_of(recording)
        if label["root_cause_service"]
    ]


def measured(recording: Path, start: datetime, end: datetime) -> Iterator[Measurement]:
    table = read(recording, "metrics")
    since, until = (pa.scalar(time, table["time"].type) for time in (start, end + timedelta(seconds=1)))
    for row in table.filter(pc.and_(pc.less_equal(since, table["time"]), pc.less(table["time"], until))).to_pylist():
        names = (row["service"], row["instance"], row["metric"], row["unit"])
        yield Measurement(row["time"], *names, row["value"], tuple(row["attributes"]))


def test_there_are_recordings_and_the_readme_names_each() -> None:
    assert RECORDINGS
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(f"`{recording.relative_to(ROOT).parts[0]}`" in readme for recording in EVERYTHING)


def test_every_fault_every_kind_of_cause_two_at_once_and_false_alarms_are_there() -> None:
    labels = [label for recording in RECORDINGS for _, label in labels_of(recording)]
    kinds = [label["root_cause_kind"] for label in labels]
    assert set(kinds) == {*FAULTS, "none"}
    assert {kind.partition("/")[0] for kind in kinds} - {"none"} == set(FaultKind)
    assert kinds.count("none") >= 4
    incidents = [label["incident"] for label in labels]
    assert len(incidents) > len(set(incidents))


def test_they_are_small() -> None:
    sizes = {recording: sum(file.stat().st_size for file in recording.iterdir()) for recording in EVERYTHING}
    assert max(sizes.values()) <= LARGEST_BYTES
    assert max(sizes[recording] for recording in set(EVERYTHING) - set(RECORDINGS)) <= LARGEST_CUT_BYTES
    assert sum(sizes.values()) <= ALL_BYTES


def test_every_incident_has_its_label_and_its_time(recording: Path) -> None:
    info = RecordingInfo.model_validate_json((recording / "recording.json").read_text(encoding="utf-8"))
    assert [incident.id for incident in incidents_of(recording)] == list(dict.fromkeys(each.id for each, _ in labels_of(recording)))
    ends = [info.start]
    for incident in incidents_of(recording):
        assert ends[-1] < incident.detected_at < incident.window_end <= info.end
        ends.append(incident.window_end)


def test_the_detection_is_the_alert_rule_on_the_recorded_metrics(recording: Path) -> None:
    for incident in {incident.id: incident for incident, _, _ in causes_of(recording)}.values():
        began = min(start for other, _, start in causes_of(recording) if other is incident)
        detection = RULE.first(measured(recording, began, incident.window_end))
        assert detection is not None
        assert detection.at.replace(microsecond=0) == incident.detected_at
        assert incident.title == detection.objective.missed
        assert incident.symptom is not None
        assert (incident.symptom.service, incident.symptom.metric) == (detection.objective.service, detection.objective.metric)


def is_harmless(change: Row) -> bool:
    if change["kind"] == ChangeKind.DEPLOY:
        return release(change["version"]) == release(FIRST_VERSIONS[change["service"]])
    return (
        bool(change["description"].startswith(f"{HARMLESS_SETTINGS[change['service']][0]}: "))
        and "-> 0" not in change["description"]
    )


def test_a_fault_that_is_a_change_is_recorded_as_one_and_no_other_harm_is_done(recording: Path) -> None:
    bad = [change for change in changes_in(recording) if not is_harmless(change) and change["actor"] != "on-call"]
    done = []
    for _, label, began in causes_of(recording):
        change = FAULTS[label["root_cause_kind"]]
        if change is not None:
            found = [each for each in bad if each["time"].replace(microsecond=0) == began]
            assert [(each["service"], each["kind"], each["version"]) for each in found] == [change]
            done += found
    assert done == bad


def test_harmless_changes_come_before_incidents_and_not_in_the_service_at_fault(recording: Path) -> None:
    ends = {incident.id: incident.window_end for incident in incidents_of(recording)}
    assert any(is_harmless(change) for change in changes_in(recording))
    for incident, label, began in causes_of(recording):
        during = [
            change["service"]
            for change in changes_in(recording)
            if began + timedelta(seconds=1) < change["time"] < ends[incident.id]
        ]
        assert label["root_cause_service"] not in during


def test_signals_join(recording: Path) -> None:
    names = ["trace_id", "span_id", "service"]
    traces = read(recording, "traces").select([*names, "parent_span_id"]).to_pydict()
    spans = dict(zip(zip(traces["trace_id"], traces["span_id"], strict=True), traces["service"], strict=True))
    parents = [pair for pair in zip(traces["trace_id"], traces["parent_span_id"], strict=True) if pair[1]]
    assert sum(parent in spans for parent in parents) > 0.99 * len(parents)
    joined = [row for row in read(recording, "logs").select(names).to_pylist() if row["trace_id"]]
    found = [row for row in joined if spans.get((row["trace_id"], row["span_id"])) == row["service"]]
    assert len(found) > 0.99 * len(joined)  # a few lines belong to traces that began before the recording
    services = set(column(recording, "metrics", "service"))
    assert services >= set(FIRST_VERSIONS) - {"shipping"}
    assert set(column(recording, "logs", "service")) == set(traces["service"]) == services


def test_no_path_of_a_machine_is_in_the_logs(recording: Path) -> None:
    bodies = column(recording, "logs", "body")
    assert bodies
    assert not any(told in body for body in bodies for told in ('File "/', "site-packages"))


def test_the_indicator_of_each_label_moved(recording: Path) -> None:
    for incident, label, began in causes_of(recording):
        usual = began - (incident.window_end - began)
        moved = [
            series
            for series in series_of(recording, label["root_cause_indicator"])
            if differs(values(series, usual, began), values(series, began, incident.window_end))
        ]
        assert moved, label


@cache
def series_of(recording: Path, metric: str) -> list[list[Row]]:
    """The metric's samples by service and attributes, all instances together."""
    series: dict[tuple[Any, ...], list[Row]] = {}
    table = read(recording, "metrics")
    for row in table.filter(pc.equal(table["metric"], metric)).to_pylist():
        series.setdefault((row["service"], tuple(row["attributes"])), []).append(row)
    return list(series.values())


def values(series: list[Row], start: datetime, end: datetime) -> list[float]:
    return sorted(row["value"] for row in series if start <= row["time"] < end)


def differs(usual: list[float], now: list[float]) -> bool:
    """Whether the greatest values, or the number of them, are others by a third."""
    if not usual or not now:
        return bool(usual or now)
    high, higher = usual[9 * len(usual) // 10], now[9 * len(now) // 10]
    return higher > 1.33 * high or len(now) < 0.75 * len(usual)
