"""Invariant: past alerts are answered beside what was recorded, once each, and what is the user's own stays as it was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from middlewatch.app import open_app
from middlewatch.settings import Settings
from tests.acceptance.command import Running, refused, run
from tests.acceptance.incident import DETECTED, record_incident
from tests.live_telemetry import insert_live
from tests.telemetry_data import moment


def live() -> None:
    """A program that puts a recording's rows among the user's own telemetry."""
    with open_app(Settings.load()) as app:
        insert_live(app.telemetry, app.settings.tenant, Path(sys.argv[1]))


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record_incident(tmp_path_factory.mktemp("recordings") / "night")


@pytest.fixture
def alerts(tmp_path: Path) -> Path:
    """Three: one with its cause, one of a quiet moment, one of which nothing was recorded."""
    rows = [
        {"id": "slow", "time": moment(DETECTED + 30), "service": "shop", "cause": "cart"},
        {"id": "quiet", "time": moment(DETECTED - 600), "service": "shop", "cause": None},
        {"id": "who-knows", "time": moment(DETECTED + 40), "service": "shop", "title": "\x1b[31mred"},
    ]
    file = tmp_path / "alerts.jsonl"
    file.write_text("".join(json.dumps(row, default=str) + "\n" for row in rows))
    return file


def said(result: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


def test_a_recording_is_answered_and_gone_on_with(night: Path, alerts: Path, tmp_path: Path) -> None:
    data, output = tmp_path / "data", tmp_path / "out.jsonl"
    words = ("shadow", "--recording", night, "--alerts", alerts, "--output", output)
    part = run(data, *words, "--to", moment(DETECTED).isoformat())
    assert part.returncode == 0, part.stderr
    assert len(output.read_text().splitlines()) == 1
    with output.open("a") as file:
        file.write('{"key": "cut o')  # as a process that is killed leaves it
    whole = run(data, *words, "--json")
    found = said(whole)
    assert "1 of 3 are answered" in whole.stderr
    assert [(one["alert"]["id"], one["agreement"]) for one in found["answers"]] == [
        ("slow", "agrees"),
        ("quiet", "quiet"),
        ("who-knows", "not_recorded"),
    ]
    assert found["summary"]["named"] | {"interval": {}} == {"hits": 1, "of": 1, "interval": {}}
    assert len({one["key"] for one in found["answers"]}) == 3
    again = run(data, *words)
    assert ("3 of 3 are answered" in again.stderr, "\x1b" in again.stdout + again.stderr) == (True, False)
    assert not data.exists(), "nothing of the user's is opened for a recording"


def test_the_user_s_own_tables_are_read_and_nothing_appears_in_their_inbox(night: Path, alerts: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    filled = run(data, night, program=live)
    assert filled.returncode == 0, filled.stderr
    found = said(run(data, "shadow", "--alerts", alerts, "--from", moment(DETECTED).isoformat(), "--json"))
    assert [(one["alert"]["id"], one["causes"]) for one in found["answers"]] == [("slow", ["cart"]), ("who-knows", ["cart"])]
    assert json.loads(run(data, "list", "--json").stdout) == []
    assert "null" not in (shown := run(data, "audit", "show", "--json").stdout)
    assert "inv-" not in shown


def test_an_interruption_keeps_what_was_answered(night: Path, alerts: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    words = ("shadow", "--recording", night, "--alerts", alerts, "--output", output)
    with Running(tmp_path / "data", *words, own_group=True, variables={"TMPDIR": str(tmp_path)}) as process:
        assert "1 of 3" in process.stderr.readline()
        os.killpg(process.pid, signal.SIGINT)
        shown, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on from there" in told
    assert "of 3 answered" in shown
    assert 1 <= len(output.read_text().splitlines()) < 3
    assert not list(tmp_path.glob("middlewatch-*"))


def test_what_cannot_be_used_is_said(night: Path, tmp_path: Path) -> None:
    file = tmp_path / "alerts.jsonl"
    file.write_text('{"time": "2026-03-01T12:20:00Z", "servce": "shop"}\n')
    assert "line 1" in refused(run(tmp_path / "data", "shadow", "--alerts", file), 65)
    refused(run(tmp_path / "data", "shadow", "--recording", night, "--from", "2030-01-01"), 65)
    assert run(tmp_path / "data", "shadow").returncode == 2
