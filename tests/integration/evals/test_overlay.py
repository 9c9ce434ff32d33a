"""Invariant: each case is investigated with its own changes and no others, and what the report blames is what is counted."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

import pytest

from middlewatch.evals import overlay
from middlewatch.evals.overlay_cases import Role, Sort
from middlewatch.evals.overlay_scores import Answered
from middlewatch.records.errors import BadInput
from tests.acceptance import command
from tests.acceptance.incident import ONSET, record_incident
from tests.telemetry_data import moment


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """`cart` breaks."""
    folder = record_incident(tmp_path / "recording", changes=None)
    label = {"incident": "incident-1", "root_cause_service": "cart", "started_at": moment(ONSET).isoformat()}
    (folder / "labels.jsonl").write_text(json.dumps(label) + "\n")
    return folder


def measured(recording: Path, folder: Path) -> list[Answered]:
    """What is measured by a process of its own: one that already holds a telemetry store can open no other."""
    result = run("measure", recording, "--cases", folder / "cases.jsonl", "--seeds", "1")
    assert result.returncode == 0, result.stderr
    return [Answered.model_validate_json(line) for line in (folder / "cases.jsonl").read_text().splitlines()]


def test_only_the_true_deploy_is_blamed(recording: Path, tmp_path: Path) -> None:
    cases = {case.sort: case for case in measured(recording, tmp_path)}
    assert set(cases) == {Sort.TRUE_DEPLOY, Sort.DECOYS, Sort.NONE}
    assert all(case.found for case in cases.values())
    assert [change.role for change in cases[Sort.TRUE_DEPLOY].blamed] == [Role.CAUSE]
    assert cases[Sort.NONE].changes == cases[Sort.NONE].blamed == ()


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as data:
        return command.run(Path(data), *words, program=overlay.run)


def test_the_command_writes_a_recording_and_refuses_to_write_it_twice(recording: Path, tmp_path: Path) -> None:
    first = run("write", recording, tmp_path / "out", "--seed", "3")
    assert (first.returncode, first.stderr) == (0, "")
    assert "around 1 incidents" in first.stdout
    again = run("write", recording, tmp_path / "out")
    assert again.returncode == BadInput.exit_code
    assert "exists" in again.stderr
    assert "Traceback" not in again.stderr


def test_changes_that_were_really_made_are_taken_as_they_are(recording: Path, tmp_path: Path) -> None:
    really = [{"time": ONSET - 3, "service": "cart", "version": "1.4.2"}, {"time": ONSET - 3, "service": "stock", "kind": "config"}]
    record_incident(recording, changes=really)
    (case,) = measured(recording, tmp_path)
    assert (case.sort, [change.role for change in case.changes]) == (Sort.REAL, [Role.CAUSE, Role.REAL])
    assert [change.role for change in case.blamed] == [Role.CAUSE]


def test_the_command_measures_keeps_the_cases_and_counts_them_again(recording: Path, tmp_path: Path) -> None:
    record_incident(recording, changes=[{"time": ONSET - 3, "service": "cart"}])
    first = run("measure", recording, "--cases", tmp_path / "cases.jsonl", "--json")
    assert first.returncode == 0, first.stderr
    assert "real changes  blamed: cause" in first.stderr
    again = run("tables", tmp_path / "cases.jsonl", "--json")
    assert json.loads(again.stdout) == json.loads(first.stdout)
    (tmp_path / "cases.jsonl").write_text("{}\n")
    assert run("tables", tmp_path / "cases.jsonl").returncode == BadInput.exit_code
