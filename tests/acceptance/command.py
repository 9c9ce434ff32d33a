"""Runs the real command in a process of its own, as a user would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

SECONDS = 90
"""Generous: a first start imports ClickHouse and LangGraph on a busy machine."""


def environment(data: Path, **variables: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MIDDLEWATCH_")}
    return kept | {"MIDDLEWATCH_DATA_DIR": str(data), "NO_COLOR": "1", "PYTHONWARNINGS": "ignore"} | variables


PROGRAM = "from middlewatch.frontends.cli import main; main()"


def command(*words: str | Path, program: str = PROGRAM) -> list[str]:
    return [sys.executable, "-c", program, *map(str, words)]


def run(data: Path, *words: str | Path, program: str = PROGRAM, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*words, program=program),
        env=environment(data, **variables),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def report_of(result: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert result.returncode in (0, 3), result.stderr
    report = json.loads(result.stdout)
    assert isinstance(report, dict)
    return report


def refused(result: subprocess.CompletedProcess[str], code: int) -> str:
    """The one clear line of a refusal, and what to do about it on the next."""
    assert result.returncode == code, (result.returncode, result.stdout, result.stderr)
    assert "Traceback" not in result.stderr
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert lines[0].startswith("error: "), lines
    assert len(lines) == 2
    assert lines[1].startswith("  to mend it: ")
    return result.stderr
