"""Runs pieces of Python in processes of their own, since chdb allows one data directory a process."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

_PRELUDE = """
import sys
from pathlib import Path
import pyarrow as pa
from middlewatch.records import Scope, Window
from middlewatch.records.errors import MiddlewatchError
from middlewatch.telemetry.clickhouse import ClickHouse
from middlewatch.telemetry.recordings import import_recording, imported_recordings
from middlewatch.telemetry.shim import Shim
from tests.telemetry_data import moment
"""
_ROOT = Path(__file__).parents[3]


def start(code: str, *arguments: object, timezone: str = "UTC") -> subprocess.Popen[str]:
    """Start a process that runs `code` with the arguments in `sys.argv[1:]`; its output can be read line by line."""
    environment = {**os.environ, "TZ": timezone}
    command = [sys.executable, "-c", _PRELUDE + textwrap.dedent(code), *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=_ROOT, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def output(code: str, *arguments: object, timezone: str = "UTC") -> str:
    """Run `code` to its end and give back what it printed; it must not write to the error stream."""
    with start(code, *arguments, timezone=timezone) as process:
        printed, complaints = process.communicate(timeout=60)
    assert complaints == ""
    assert process.returncode == 0
    return printed.strip()


def wait_for(process: subprocess.Popen[str], line: str) -> None:
    """Read the process's output up to the given line."""
    assert process.stdout is not None
    for found in process.stdout:
        if found.strip() == line:
            return
    complaints = process.stderr.read() if process.stderr else ""
    raise AssertionError(f"the process ended before it said {line!r}: {complaints}")
