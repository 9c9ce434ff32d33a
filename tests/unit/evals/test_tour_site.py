"""Invariant: a tour has a folder of its own, is told nothing of what else is configured, and its processes end with it."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from middlewatch.evals.lab import tour_site
from middlewatch.evals.lab.tour_site import _own, _Processes, _settings
from middlewatch.records.errors import Refused, Unavailable
from middlewatch.settings import Settings


def test_a_second_tour_at_the_same_time_is_refused(tmp_path: Path) -> None:
    with _own(tmp_path / "live"), pytest.raises(Refused, match="A tour is under way"), _own(tmp_path / "live"):
        pass
    with _own(tmp_path / "live"):
        assert (tmp_path / "live").stat().st_mode & 0o777 == 0o700


def test_a_tour_begins_anew_and_takes_nobody_elses_folder(tmp_path: Path) -> None:
    folder = tmp_path / "live"
    with _own(folder):
        (folder / "left").write_text("by a tour")
    with _own(folder):
        assert not (folder / "left").exists()
    own = tmp_path / "own"
    own.mkdir()
    (own / "policy.toml").write_text("somebody's")
    with pytest.raises(Refused, match="is not of a tour"), _own(own):
        pass
    assert (own / "policy.toml").read_text() == "somebody's"


def test_what_somebody_still_looks_at_is_not_thrown_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "live"
    with _own(folder):
        (folder / "lock").touch()
    monkeypatch.setattr(tour_site, "_LEFT_SECONDS", 0.0)
    held = "import fcntl, sys; f = open(sys.argv[1]); fcntl.flock(f, fcntl.LOCK_EX); print(1, flush=True); sys.stdin.read()"
    other = subprocess.Popen(
        [sys.executable, "-c", held, str(folder / "lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    other.stdout.readline()
    with pytest.raises(Refused, match="Something still runs"), _own(folder):
        pass
    other.communicate()
    with _own(folder):
        assert not (folder / "lock").exists()


def test_nothing_that_is_configured_here_reaches_a_tour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "CLICKHOUSE_URL": "http://clickhouse.example:8123/db",
        "REDIS_URL": "redis://redis.example/0",
        "SLACK_BOT_TOKEN": "xoxb-1",
        "TOKEN": "mwt_secret",
        "POLICY_FILE": "/etc/policy.toml",
    }.items():
        monkeypatch.setenv(f"MIDDLEWATCH_{name}", value)
    told = {name: value for name, value in _settings(tmp_path / "live").for_program().items() if name.startswith("MIDDLEWATCH_")}
    assert set(told) == {f"MIDDLEWATCH_{name}" for name in ("DATA_DIR", "OTLP_HTTP_PORT", "OTLP_GRPC_PORT", "RECOVERY_SECONDS")}
    assert told["MIDDLEWATCH_DATA_DIR"] == str(tmp_path / "live")


def test_settings_go_to_a_program_as_they_are_and_secrets_do_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MIDDLEWATCH_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("MIDDLEWATCH_TOKEN", "mwt_secret")
    monkeypatch.setenv("MIDDLEWATCH_SLOTS", "7")
    told = Settings.load().for_program()
    assert (told["MIDDLEWATCH_SLOTS"], told["MIDDLEWATCH_DATA_DIR"]) == ("7", str(tmp_path))
    assert "MIDDLEWATCH_TOKEN" not in told
    assert told["PATH"] == os.environ["PATH"]


def processes(folder: Path) -> _Processes:
    return _Processes([sys.executable, "-u", "-c"], dict(os.environ), folder, lambda _words: None)


def test_a_process_that_ends_is_noticed_with_its_last_words(tmp_path: Path) -> None:
    run = processes(tmp_path)
    run.start("serve", "print('no room left'); raise SystemExit(3)")
    with pytest.raises(Unavailable, match="serve ended: no room left"):
        run.await_("serve", lambda: False)
    run.end()


def test_processes_are_ended_together_and_by_force_where_they_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = processes(tmp_path)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf'); time.sleep(60)"
    with ExitStack() as stack:
        stack.callback(run.end)
        run.start("serve", "import time; time.sleep(60)")
        run.start("the shop", deaf)
        run.await_("both", lambda: (tmp_path / "shop.log").read_text() == "deaf\n")
        run.check()
        monkeypatch.setattr(tour_site, "END_SECONDS", 1.0)
    assert all(process.returncode for process in run._running.values())
