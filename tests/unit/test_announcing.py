"""Invariant: an address is found for exactly as long as the process that answers there lives, however that ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from middlewatch.announcing import FOLDER, addresses, announced


def test_nothing_where_nobody_serves(tmp_path: Path) -> None:
    assert addresses(tmp_path) == []
    assert addresses(tmp_path / "absent") == []


def test_each_for_as_long_as_it_answers_and_the_latest_first(tmp_path: Path) -> None:
    with announced(tmp_path, "http://127.0.0.1:1"):
        with announced(tmp_path, "http://127.0.0.1:2"):
            assert addresses(tmp_path) == ["http://127.0.0.1:2", "http://127.0.0.1:1"]
        assert addresses(tmp_path) == ["http://127.0.0.1:1"]
    assert addresses(tmp_path) == []
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_it_is_for_its_user_alone(tmp_path: Path) -> None:
    with announced(tmp_path, "http://127.0.0.1:1"):
        (file,) = (tmp_path / FOLDER).iterdir()
        assert file.stat().st_mode & 0o777 == 0o600


def test_what_a_killed_process_left_over_says_nothing(tmp_path: Path) -> None:
    program = f"""
import pathlib, time
from middlewatch.announcing import announced
with announced(pathlib.Path({str(tmp_path)!r}), "http://127.0.0.1:1"):
    print("said", flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "said\n"
        assert addresses(tmp_path) == ["http://127.0.0.1:1"]
        process.kill()
    assert len(list((tmp_path / FOLDER).iterdir())) == 1
    assert addresses(tmp_path) == []
    assert list((tmp_path / FOLDER).iterdir()) == []
