"""Invariant: no secret is in what a process logs, wherever in a record it stands."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.canaries import CANARIES, seen_in

PROGRAM = """
import logging
from middlewatch import logs
from tests.canaries import TEXT
{configure}
log = logging.getLogger("middlewatch.test")
try:
    raise ValueError(TEXT)
except ValueError:
    log.exception("it failed for " + TEXT)
log.warning("it failed for %s", TEXT)
"""


def said(configure: str) -> str:
    """What a process of its own writes: in this one the test runner has the logs."""
    program = PROGRAM.format(configure=configure)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stderr


@pytest.mark.parametrize("configure", ["logs.log_to_stderr()", "logs.redact_last_resort()"])
def test_what_is_logged_holds_no_secret(configure: str) -> None:
    written = said(configure)
    assert written.count("[redacted:") >= 3 * len(CANARIES)
    assert "ValueError" in written
    assert seen_in(written) == []


def test_without_it_all_of_them_are_logged() -> None:
    assert len(seen_in(said(""))) == len(CANARIES)
