"""Invariant: an answer that was made is written, however the evaluation or one of its jobs ends, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.command import Running, command, environment, run
from tests.acceptance.incident import record_incident
from tests.telemetry_data import incident_row

INCIDENTS = 6
PROC = Path("/proc")


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    rows = [incident_row(1200, 60 + number) | {"id": f"incident-{number}"} for number in range(INCIDENTS)]
    record_incident(tmp_path / "recordings" / "many", incidents=rows)
    return tmp_path / "recordings"


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


@pytest.fixture
def words(recordings: Path, tmp_path: Path) -> tuple[str | Path, ...]:
    """An evaluation of several incidents."""
    return "evaluate", recordings, "--output", tmp_path / "predictions.jsonl"


def processes_with(text: Path) -> list[int]:
    found = []
    for process in PROC.glob("[0-9]*"):
        try:
            if bytes(text) in (process / "cmdline").read_bytes():
                found.append(int(process.name))
        except OSError:
            continue
    return found


def job_of(parent: int) -> int:
    """The process that answers; the other child is multiprocessing's own."""
    children = (PROC / str(parent) / "task" / str(parent) / "children").read_text().split()
    (job,) = (int(child) for child in children if b"resource_tracker" not in (PROC / child / "cmdline").read_bytes())
    return job


def predictions(tmp_path: Path) -> list[str]:
    return (tmp_path / "predictions.jsonl").read_text().splitlines()


@pytest.mark.skipif(not PROC.exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_keeps_what_was_answered(
    words: tuple[str | Path, ...], temporary: Path, tmp_path: Path, sent: signal.Signals
) -> None:
    env = environment(tmp_path / "data", TMPDIR=str(temporary))
    with subprocess.Popen(command(*words), env=env, stderr=subprocess.PIPE, text=True, start_new_session=True) as evaluation:
        assert evaluation.stderr is not None
        assert "incident-0" in evaluation.stderr.readline()
        os.killpg(evaluation.pid, sent)  # as a terminal does
        _, said = evaluation.communicate(timeout=60)
    assert evaluation.returncode == 130
    *more, last = filter(None, said.splitlines())
    assert last == "stopped"
    assert 1 + len(more) <= len(predictions(tmp_path)) < INCIDENTS, "an answer is written before it is announced"
    assert not list(temporary.iterdir())
    assert not processes_with(temporary)


@pytest.mark.skipif(not PROC.exists(), reason="looks for processes in /proc")
def test_a_job_that_is_killed_is_a_failure_and_keeps_what_it_answered(
    words: tuple[str | Path, ...], temporary: Path, tmp_path: Path
) -> None:
    with Running(tmp_path / "data", *words, variables={"TMPDIR": str(temporary)}) as evaluation:
        assert "incident-0" in evaluation.stderr.readline()
        os.kill(job_of(evaluation.pid), signal.SIGKILL)
        _, said = evaluation.communicate()
    assert evaluation.returncode == 71
    assert "SIGKILL" in said
    assert "Traceback" not in said
    assert 1 <= len(predictions(tmp_path)) < INCIDENTS
    assert not list(temporary.iterdir())


def test_a_recording_that_cannot_be_read_takes_no_other_with_it(recordings: Path, tmp_path: Path) -> None:
    whole = record_incident(tmp_path / "recordings" / "whole")
    (recordings / "many" / "logs.parquet").write_bytes(b"nonsense")
    result = run(tmp_path / "data", "evaluate", whole.parent, "--output", tmp_path / "predictions.jsonl")
    assert result.returncode == 65
    assert "logs.parquet" in result.stderr
    assert len(predictions(tmp_path)) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a file that is always full")
def test_an_output_that_cannot_be_written(recordings: Path, tmp_path: Path) -> None:
    result = run(tmp_path / "data", "evaluate", recordings, "--output", "/dev/full")
    assert result.returncode == 69, result.stderr
    assert "Traceback" not in result.stderr
    assert "/dev/full cannot be written: No space left on device." in result.stderr
