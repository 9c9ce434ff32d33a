"""Whoever is killed, however many click: nothing is executed twice, unannounced or forgotten; and the tests can fail.

Small versions of ``executions.py`` and ``clicks.py``; their figures at full size are in docs/measurements/approvals.md.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.executions import WRONG

FOLDER = Path(__file__).parent
CLICKS = ["--approvals", "20", "--clicks", "20"]


def started(script: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(FOLDER / script), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def counts(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate(timeout=150)
    assert out, err
    return {"exit": process.returncode, "said": err, **json.loads(out)}


@pytest.fixture(scope="module")
def attacks() -> Iterator[dict[str, subprocess.Popen[str]]]:
    """They mostly wait, so they run side by side."""
    running = {
        "kills": started("executions.py", "--runs", "10"),
        "kills without the guard": started("executions.py", "--without-guard"),
        "clicks": started("clicks.py", *CLICKS),
        "clicks without the guard": started("clicks.py", *CLICKS, "--without-guard"),
    }
    yield running
    for process in running.values():
        process.kill()
        process.communicate()


def test_whoever_is_killed_nothing_is_executed_twice_unannounced_or_forgotten(attacks: dict[str, subprocess.Popen[str]]) -> None:
    found = counts(attacks["kills"])
    assert {wrong: found[wrong] for wrong in WRONG} == dict.fromkeys(WRONG, 0), found["said"]
    assert found["exit"] == 0
    assert found["runs"] == 10
    assert any(name.startswith("struck_") for name in found), "nobody was killed"


def test_without_the_guard_what_was_slept_over_is_executed_twice(attacks: dict[str, subprocess.Popen[str]]) -> None:
    found = counts(attacks["kills without the guard"])
    assert found["done_twice"] > 0
    assert found["exit"] == 1


def test_many_clicks_at_once_are_one_approval_and_one_execution(attacks: dict[str, subprocess.Popen[str]]) -> None:
    found = counts(attacks["clicks"])
    assert (found["answers"], found["done"], found["exit"]) == (400, 20, 0), found


def test_without_the_guard_many_clicks_are_many_approvals(attacks: dict[str, subprocess.Popen[str]]) -> None:
    found = counts(attacks["clicks without the guard"])
    assert found["not_approved_once"] > 0
    assert found["exit"] == 1
