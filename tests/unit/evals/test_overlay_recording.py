"""Invariants: a written overlay is a recording that imports, its changes do not tell what they are for, and cases do not mix."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from middlewatch.evals.labels import read_labels
from middlewatch.evals.overlay_cases import Placed, Role
from middlewatch.evals.overlay_recording import APART, NOTE, PLACED_FILE, system_of, write_overlay
from middlewatch.records.errors import BadInput
from middlewatch.telemetry.recording_files import CHANGES, check, open_parquet
from middlewatch.telemetry.recordings import read_recording
from tests.telemetry_data import incident_row, moment, write_recording

CALLS = [
    {"span_id": "1", "service": "shop"},
    {"span_id": "2", "parent_span_id": "1", "service": "shop"},
    {"span_id": "3", "parent_span_id": "2", "service": "cart"},
    {"span_id": "4", "parent_span_id": "9", "service": "mail"},
]


def recording(folder: Path, *, detected: tuple[int, ...] = (3000, 3600, 9000), quiet: int = -1, **signals: object) -> Path:
    incidents = [incident_row(second, 120) | {"id": f"incident-{second}"} for second in detected]
    rows: dict[str, object] = {"traces": CALLS, "metrics": [{"service": "db"}], **signals}
    write_recording(folder, incidents=incidents, info={"notes": "What it is."}, **rows)  # type: ignore[arg-type]
    labels = [
        {"incident": f"incident-{second}", "root_cause_service": None}
        if second == quiet
        else {"incident": f"incident-{second}", "root_cause_service": "cart", "started_at": moment(second - 100).isoformat()}
        for second in detected
    ]
    (folder / "labels.jsonl").write_text("".join(json.dumps(label) + "\n" for label in labels))
    return folder


def test_neighbours_come_from_the_traces_where_no_topology_is_declared(tmp_path: Path) -> None:
    system = system_of(recording(tmp_path / "r"))
    assert system.services == {"shop", "cart", "mail", "db"}
    assert system.neighbours == {"shop": {"cart"}, "cart": {"shop"}}


def test_a_declared_topology_goes_first(tmp_path: Path) -> None:
    system = system_of(recording(tmp_path / "r", topology=[{"caller": "cart", "callee": "db"}, {"caller": "db", "callee": "db"}]))
    assert system.neighbours == {"cart": {"db"}, "db": {"cart"}}
    assert "mail" in system.services


def test_a_written_overlay_is_a_recording_and_says_what_it_is(tmp_path: Path) -> None:
    placed = write_overlay(recording(tmp_path / "in"), tmp_path / "out", seed=0)
    info, incidents = read_recording(tmp_path / "out")
    assert info.notes == f"{NOTE} What it is."
    assert len(incidents) == 3
    check(tmp_path / "out" / CHANGES.name, open_parquet(tmp_path / "out" / CHANGES.name), CHANGES)
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        *("recording.json", "incidents.jsonl", "labels.jsonl", PLACED_FILE),
        *("metrics.parquet", "traces.parquet", "changes.parquet"),
    }
    lines = (tmp_path / "out" / PLACED_FILE).read_text().splitlines()
    assert tuple(Placed.model_validate_json(line) for line in lines) == placed
    assert Role.CAUSE in {change.role for change in placed}


def test_changes_do_not_tell_what_they_are_there_for(tmp_path: Path) -> None:
    placed = write_overlay(recording(tmp_path / "in"), tmp_path / "out", seed=0)
    rows = pq.read_table(tmp_path / "out" / CHANGES.name).to_pylist()
    assert [(row["time"], row["service"]) for row in rows] == [(change.time, change.service) for change in placed]
    assert {(row["actor"], row["description"]) for row in rows} == {("nobody", "semi-synthetic")}


@pytest.mark.parametrize("seed", range(4))
def test_cases_near_one_another_are_not_made_together(tmp_path: Path, seed: int) -> None:
    folder = recording(tmp_path / "in", detected=(3000, 3600, 9000, 9100), quiet=9100)
    placed = write_overlay(folder, tmp_path / "out", seed)
    times = sorted(i.detected_at for i in read_recording(folder)[1] if i.id in read_labels(tmp_path / "out"))
    assert len(times) == 2
    assert times[1] - times[0] >= APART
    assert {change.incident for change in placed} <= set(read_labels(tmp_path / "out"))


def test_what_cannot_be_laid_over_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="changes of its own"):
        write_overlay(recording(tmp_path / "real", changes=[{}]), tmp_path / "out", seed=0)
    (tmp_path / "taken").mkdir()
    with pytest.raises(BadInput, match="exists"):
        write_overlay(recording(tmp_path / "in"), tmp_path / "taken", seed=0)
    with pytest.raises(BadInput, match="no labelled incident"):
        write_overlay(write_recording(tmp_path / "bare"), tmp_path / "out", seed=0)
    assert not (tmp_path / "out").exists()
