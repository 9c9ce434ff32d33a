"""Nothing is lost and nothing is done twice, whatever is killed; and the test that says so can fail.

Small versions of ``claims.py`` and ``power_loss.py``; their figures at full size are in docs/measurements/chaos.md.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

UNAVAILABLE = 69
"""What the scripts exit with when the system lacks what they need."""

FOLDER = Path(__file__).parent
KILLS = ["--workers", "6", "--tasks", "150", "--worker-kills", "15", "--redis-kills", "2", "--stall", "0.15"]


def started(script: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(FOLDER / script), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def counts(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate(timeout=110)
    if process.returncode == UNAVAILABLE:
        pytest.skip(err.strip())
    assert out, err
    return {"exit": process.returncode, **json.loads(out)}


@pytest.fixture(scope="module")
def attacks() -> Iterator[dict[str, subprocess.Popen[str]]]:
    """They mostly wait, so they run side by side."""
    running = {"kills": started("claims.py", *KILLS), "without fence": started("claims.py", *KILLS, "--without-fence")}
    running["power"] = started("power_loss.py", "--rounds", "2")
    running["power, synced once a second"] = started("power_loss.py", "--rounds", "2", "--everysec")
    yield running
    for process in running.values():
        process.kill()
        process.communicate()


def test_killing_workers_and_redis_loses_nothing_and_doubles_nothing(attacks: dict[str, subprocess.Popen[str]]) -> None:
    found = counts(attacks["kills"])
    assert (found["lost"], found["finished_twice"], found["exit"]) == (0, 0, 0)
    assert (found["done"], found["reports"], found["evidence"]) == (150, 3, found["evidence_expected"])
    assert found["reaped"] > 0, "the attack was too weak to prove anything"
    assert found["stale_refused"] > 0, "no stalled task met the fence"


def test_without_the_fence_tasks_are_finished_twice(attacks: dict[str, subprocess.Popen[str]]) -> None:
    found = counts(attacks["without fence"])
    assert found["finished_twice"] > 0
    assert found["exit"] == 1


def test_a_power_loss_takes_no_acknowledged_result(attacks: dict[str, subprocess.Popen[str]]) -> None:
    found = counts(attacks["power"])
    assert (found["lost"], found["exit"]) == (0, 0)
    assert found["acknowledged"] > 0


def test_syncing_once_a_second_would_lose_some(attacks: dict[str, subprocess.Popen[str]]) -> None:
    assert counts(attacks["power, synced once a second"])["lost"] > 0


def test_no_script_hides_a_library() -> None:
    """A script that is started by its path looks into its own folder first, and so does every library that it imports."""
    assert not {path.stem for path in FOLDER.glob("*.py")} & (sys.stdlib_module_names | packages_distributions().keys())
