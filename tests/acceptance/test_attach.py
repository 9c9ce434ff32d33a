"""Invariant: one process owns the data directory, others work through it, and a mute owner is named."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from middlewatch.app import open_app
from middlewatch.settings import Settings
from tests.acceptance.command import command, environment, refused, report_of, run
from tests.acceptance.incident import record_incident


def opened_again(data: Path, investigation: str) -> str:
    """The same alert in another investigation, which nobody here works on."""
    with open_app(Settings(data_dir=data)) as app:
        known = app.investigation(investigation)
        return app.investigate(known.alert, recording=known.scope.recording).id


@contextmanager
def owner(data: Path) -> Iterator[subprocess.Popen[str]]:
    """A worker that owns the data directory and is ready."""
    process = subprocess.Popen(
        command("worker", "--json"), env=environment(data), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    assert process.stdout is not None
    try:
        assert "owner of the data directory" in process.stderr.readline()
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        process.stderr.close()
        process.stdout.close()


def test_a_second_process_attaches_to_the_owner(tmp_path: Path) -> None:
    recording = record_incident(tmp_path / "incident")
    with owner(tmp_path / "data") as worker:
        report = report_of(run(tmp_path / "data", "investigate", "--recording", recording, "--json"))
        assert report["hypotheses"][0]["hypothesis"]["service"] == "cart"
        checks = json.loads(run(tmp_path / "data", "doctor", "--json").stdout)
        assert not any("owns" in check["found"] for check in checks)
        again = opened_again(tmp_path / "data", report["investigation"])
        assert worker.stdout is not None
        # The command that waited for the first investigation may have done all of its tasks; the second is the worker's alone.
        done = next(line for line in map(json.loads, worker.stdout) if line["investigation"] == again)
        assert (done["did"], done["problem"]) == ("task", "")
    assert worker.returncode == 0
    shown = run(tmp_path / "data", "show", report["investigation"], "--json")
    assert json.loads(shown.stdout) == report


def test_an_owner_that_does_not_answer_is_named(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    with (data / "lock").open("w+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        message = refused(run(data, "list"), 69)
    assert f"locked by process {os.getpid()}" in message
