"""Invariant: what is cut out of a recording is one moment with what came before it, and nothing that came after."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from middlewatch.evals.lab.cutting import cut
from middlewatch.evals.lab.truth import TRUTH_FILE, TrueCause, TrueIncident, Truth, read_truth
from middlewatch.evals.labels import LABELS_FILE, read_labels
from middlewatch.records import Incident
from middlewatch.records.errors import BadInput
from middlewatch.telemetry.recordings import read_recording
from tests.telemetry_data import START, incident_row, write_recording

EARLIER, CHOSEN, LATER, QUIET = (
    Incident.model_validate(incident_row(at, 20) | {"id": name})
    for name, at in (("earlier", 60), ("chosen", 180), ("later", 300), ("quiet", 140))
)
SECONDS = 400


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """One line and one span a second, two spans a trace; three incidents and a quiet moment."""
    real = (EARLIER, CHOSEN, LATER)
    folder = write_recording(
        tmp_path / "whole",
        metrics=[{"time": second, "value": second} for second in range(SECONDS)],
        logs=[{"time": second} for second in range(SECONDS)],
        traces=[{"trace_id": f"{n // 2 + 1:032x}", "span_id": f"{n:016x}", "start_time": n} for n in range(SECONDS)],
        changes=[{"time": second} for second in range(0, SECONDS, 100)],
        topology=[{}],
        incidents=[one.model_dump() for one in real],
    )
    labels = [{"incident": one.id, "root_cause_service": "shop", "root_cause_kind": "load/load-spike"} for one in real]
    (folder / LABELS_FILE).write_text("".join(json.dumps(label) + "\n" for label in labels), encoding="utf-8")
    told = tuple(
        TrueIncident(
            incident=one.id,
            name="load-spike",
            causes=(TrueCause(service="shop", kind="load/load-spike", at=one.detected_at),),
            changes=(),
            detected_at=one.detected_at,
            mended_at=None,
            recovered_at=None,
        )
        for one in real
    )
    truth = Truth(seed=1, requests_per_second=6.0, incidents=told, quiet=(QUIET,))
    (folder / TRUTH_FILE).write_text(truth.model_dump_json(), encoding="utf-8")
    return folder


def seconds(folder: Path, file: str, column: str = "time") -> list[int]:
    return [round((row[column] - START).total_seconds()) for row in pq.read_table(folder / f"{file}.parquet").to_pylist()]


def test_all_that_came_before_an_incident_is_kept_and_nothing_after_its_window(recording: Path, tmp_path: Path) -> None:
    folder = cut(recording, "chosen", tmp_path / "cut")
    assert seconds(folder, "logs") == seconds(folder, "metrics") == list(range(201))
    assert seconds(folder, "traces", "start_time") == list(range(201))
    assert seconds(folder, "changes") == [0, 100, 200]
    info, incidents = read_recording(folder)
    assert (info.start, info.end) == (START, CHOSEN.window_end)
    assert incidents == (EARLIER, CHOSEN)
    assert set(read_labels(folder)) == {"earlier", "chosen"}
    assert [one.incident for one in read_truth(folder).incidents] == ["earlier", "chosen"]


def test_where_less_is_kept_requests_are_kept_whole(recording: Path, tmp_path: Path) -> None:
    folder = cut(recording, "chosen", tmp_path / "cut", before_seconds=99)
    assert seconds(folder, "logs") == list(range(81, 201))
    assert seconds(folder, "traces", "start_time") == list(range(82, 201))  # the request of 80 s and 81 s is not whole
    assert read_recording(folder)[1] == (CHOSEN,)


def test_a_quiet_moment_is_an_incident_without_a_cause(recording: Path, tmp_path: Path) -> None:
    folder = cut(recording, "quiet", tmp_path / "cut")
    assert read_recording(folder)[1] == (EARLIER, QUIET)
    assert read_labels(folder)["quiet"].services == ()
    assert read_truth(folder).quiet == (QUIET,)


def test_what_is_not_there_cannot_be_cut_out_and_nothing_is_overwritten(recording: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no moment 'other'"):
        cut(recording, "other", tmp_path / "cut")
    with pytest.raises(BadInput, match="exists"):
        cut(recording, "chosen", tmp_path)
