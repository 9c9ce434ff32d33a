"""Runs pieces of Python in processes of their own, since chdb allows one data directory a process."""

from __future__ import annotations

import os
import textwrap
import time
from functools import partial
from pathlib import Path

from tests.acceptance.command import Running

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


def start(code: str, *arguments: object, timezone: str = "UTC") -> Running:
    """Start a process that runs `code` with the arguments in `sys.argv[1:]`; its output can be read line by line."""
    program = partial(_run, _PRELUDE + textwrap.dedent(code))
    return Running(Path(os.devnull), *map(str, arguments), program=program, stdin=None, variables={"TZ": timezone})


def _run(code: str) -> None:
    time.tzset()
    exec(code, {"__name__": "__main__"})  # noqa: S102  the tests' own


def output(code: str, *arguments: object, timezone: str = "UTC") -> str:
    """Run `code` to its end and give back what it printed; it must not write to the error stream."""
    with start(code, *arguments, timezone=timezone) as process:
        printed, complaints = process.communicate(60)
    assert complaints == ""
    assert process.returncode == 0
    return printed.strip()


def wait_for(process: Running, line: str) -> None:
    """Read the process's output up to the given line."""
    for found in process.stdout:
        if found.strip() == line:
            return
    raise AssertionError(f"the process ended before it said {line!r}: {process.stderr.read()}")
