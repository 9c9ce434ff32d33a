"""What evaluations of rules and of models share on the command line: files that grow line by line, progress, and what failed."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path

from middlewatch.evals.jobs import Failure
from middlewatch.frontends.cli.terminal import print_line, quotation
from middlewatch.records.errors import BadInput, Unavailable


def announce(number: int, recording: Path, incident: str, outcome: str, seconds: float) -> None:
    """Say that an incident was answered."""
    print_line(f"{number:4d}  {recording}  {quotation().named(incident)}  {outcome}  {seconds:.1f} s", err=True)


def complain(failures: Sequence[Failure]) -> None:
    """Say what could not be answered."""
    for failure in failures:
        print_line(f"{failure.recording}: {failure.message}", err=True)


def write(file: Path, mode: str, text: str, option: str) -> None:
    """Write to a file that an option names.

    Raises:
        BadInput: it cannot be written.
        Unavailable: its disk is full.
    """
    try:
        with file.open(mode, encoding="utf-8") as opened:
            opened.write(text)
    except OSError as error:
        problem = f"{file} cannot be written: {error.strerror}."
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise Unavailable(problem, remedy="Free some space and run the command again.") from None
        raise BadInput(problem, remedy=f"Choose another file for {option}.") from None
