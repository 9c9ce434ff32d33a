"""An investigation awaits approval, everything is killed, and time moves on: nothing is lost, asked twice or done twice."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest

from middlewatch.app import App, open_app
from middlewatch.approval.timers import WATCH_SECONDS
from middlewatch.auditing import entries, open_audit, verify_files
from middlewatch.records import ApprovalRequest, Decision, RequestState
from middlewatch.settings import Settings
from tests.acceptance.command import Running
from tests.contract.actions.loopback import served
from tests.contract.actions.remote_end import SECRET, RemoteEnd
from tests.integration.approval import owner
from tests.integration.approval.faketime import Clock
from tests.store_fixtures import oldest_program

PATIENCE_SECONDS = 90.0
"""Until something must have happened that takes a second or two; a busy machine takes longer."""

POLICY = """\
[principals.mia]
role = "member"
local = ["mia"]

[principals.leo]
role = "lead"
local = ["leo"]

[principals.mara]
role = "manager"
local = ["mara"]

[tiers.medium]
deadline_minutes = 60
least_modalities = 0
escalation = [{ after_minutes = 10, ask = ["manager"] }]
"""
ACTIONS = """\
[webhook.hook]
url = "{url}/hook"
secret = "hook"

[targets.checkout]
webhook = {{ connection = "hook", actions = ["restart_service"] }}
"""


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path / "clock")


@pytest.fixture
def end() -> RemoteEnd:
    return RemoteEnd(signed=True)


@pytest.fixture
def settings(tmp_path: Path, end: RemoteEnd) -> Iterator[Settings]:
    """An installation with one target, which a server of the test stands for."""
    data = tmp_path / "data"
    (data / "credentials").mkdir(parents=True, mode=0o700)
    secret = data / "credentials" / "hook"
    secret.touch(mode=0o600)
    secret.write_text(SECRET)
    (data / "policy.toml").write_text(POLICY)
    with served(end) as url:
        (data / "actions.toml").write_text(ACTIONS.format(url=url))
        yield Settings(data_dir=data)


@contextmanager
def worker(settings: Settings, clock: Clock, *words: str) -> Iterator[Running]:
    """A process that works; its Redis, if it starts one, goes by the clock of the test."""
    programs = settings.data_dir.parent / "bin"
    programs.mkdir(exist_ok=True)
    redis = programs / "redis-server"
    variables = " ".join(f"{name}='{value}'" for name, value in clock.environment().items())
    redis.write_text(f'#!/bin/sh\nexec /usr/bin/env {variables} {oldest_program().path} "$@"\n')
    redis.chmod(0o700)
    stderr = settings.data_dir.parent / "stderr"
    found = {"PATH": str(programs)}
    with Running(settings.data_dir, *words, program=owner.main, stdin=None, stderr=stderr, variables=found) as process:
        try:
            yield process
        finally:
            process.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                process.wait(30)
            kill_all(process)


def said(process: Running) -> str:
    line = process.stdout.readline().strip()
    assert line, f"it ended with {process.wait()}"
    return line


def kill_all(process: Running) -> list[str]:
    """SIGKILL to a process and to everything that it started, and they started.

    Returns:
        What was killed beside it.
    """
    found = {process.pid} if process.poll() is None else set()
    while more := {pid for pid, parent in parents().items() if parent in found} - found:
        found |= more
    commands = [command(pid) for pid in found - {process.pid}]
    for pid in found:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return commands


def parents() -> dict[int, int]:
    found = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            found[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
    return found


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def awaited(look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not look():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.1)


def events(app: App, name: str) -> int:
    return sum(entry.event == name for entry in entries(app.store.server, app.settings.tenant, limit=1000))


def request_of(app: App, name: str) -> ApprovalRequest:
    return next(request for request in app.approvals.list() if request.id == name)


def test_what_awaits_approval_outlives_everything_and_escalates_once(
    settings: Settings, clock: Clock, end: RemoteEnd, tmp_path: Path
) -> None:
    with worker(settings, clock, "propose") as first:
        name, state = said(first).split()
        assert (state, said(first)) == (RequestState.PENDING, "working")
        killed = kill_all(first)
        assert any("redis.conf" in line for line in killed), killed
        assert any("middlewatch.executor" in line for line in killed), killed
    clock.move(timedelta(minutes=11))

    with worker(settings, clock) as second, worker(settings, clock) as third:
        assert (said(second), said(third)) == ("working", "working")
        with open_app(settings) as app:
            awaited(lambda: bool(request_of(app, name).asked))
            time.sleep(2.5)  # both have looked again by now
            assert events(app, "request.escalated") == 1
            assert [str(seat.role) for step in request_of(app, name).asked for seat in step.asked] == ["manager"]

            leo = app.approvals.identify("local:leo", face="test")
            shown = app.approvals.show(name, leo, face="test")
            answer = app.approvals.decide(name, Decision.APPROVE, leo, digest=shown.digest, face="test")
            assert answer.request.state is RequestState.APPROVED
            awaited(lambda: request_of(app, name).state.terminal)
            done = request_of(app, name)
            assert (done.state, len(end.carried_out), end.wrong) == (RequestState.SUCCEEDED, 1, [])
            assert end.carried_out[0]["request"] == shown.digest

            clock.move(timedelta(seconds=WATCH_SECONDS))  # nobody sends telemetry here, so that is only said at the end
            awaited(lambda: any(entry.event.startswith("outcome.") for entry in entries(app.store.server, "default", limit=1000)))
            awaited(lambda: app.report(shown.remediation.investigation) is not None)
            for event in ("request.proposed", "request.asked", "request.escalated", "request.approved", "execution.began"):
                assert events(app, event) == 1, event
            exported = open_audit(settings, app.store.server).export("default", tmp_path / "audit.jsonl")
            verdict = verify_files(exported.file, [exported.public_key_file], [exported.checkpoints_file])
            assert verdict.good, verdict.problems
        for process in (second, third):  # whichever of them owns the directory waits for the other
            process.stdin.close()
