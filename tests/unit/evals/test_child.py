"""Invariant: a process of the shop ends with the one that started it, and one that ends by itself is noticed and quoted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from middlewatch.evals.lab.child import Child
from middlewatch.records.errors import Unavailable

OBEDIENT = (sys.executable, "-c", "import sys; sys.stdin.buffer.read()")
DEAF = (sys.executable, "-c", "import sys, time; print('deaf', file=sys.stderr, flush=True); time.sleep(600)")


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_child_ends_when_it_is_asked_to(tmp_path: Path) -> None:
    child = Child("service", OBEDIENT, tmp_path / "errors")
    child.check()
    child.stop()
    child.stop()
    assert not runs(child.pid)


def test_a_child_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    child = Child("service", DEAF, tmp_path / "errors")
    child.stop(patience_seconds=0.2)
    assert not runs(child.pid)


def test_a_child_that_ended_by_itself_is_quoted(tmp_path: Path) -> None:
    child = Child("inventory 2.4.0", (sys.executable, "-c", "import sys; sys.exit('no\\nspace')"), tmp_path / "errors")
    with pytest.raises(Unavailable, match=r"inventory 2\.4\.0 ended by itself with code 1: no space\."):
        child.await_(lambda: False)
    child.stop()


def test_a_child_ends_when_its_starter_is_killed(tmp_path: Path) -> None:
    program = (
        "import sys, time, pathlib\n"
        "from middlewatch.evals.lab.child import Child\n"
        f"child = Child('service', {OBEDIENT!r}, pathlib.Path({str(tmp_path / 'errors')!r}))\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        assert runs(pid)
        starter.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 30
    while runs(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not runs(pid)
