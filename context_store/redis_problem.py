"""Why an embedded Redis ended: what its last words mean to people."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from middlewatch.records.errors import StoreUnavailable

_NO_SPACE: Final = "No space left on device"
_LEAST_DISK_BYTES: Final = 64 * 1024

_PROBLEMS: Final = (
    (
        _NO_SPACE,
        "The disk of {folder} is full.",
        "Free some space on it; work goes on by itself then, and nothing that was acknowledged is lost.",
    ),
    (
        "AOF write error",
        "Redis cannot write to {folder}.",
        "Mend the disk or its limits; work goes on by itself then, and nothing that was acknowledged is lost.",
    ),
    (
        "reading the append only file",
        "The log of the context store in {folder} is damaged.",
        "Restore a backup with 'middlewatch restore', or mend the log with 'redis-check-aof --fix'.",
    ),
)
"""What Redis logs before it gives up, what that means, and what to do."""


def diagnose(folder: Path, log: Path, log_start: int, code: int | None) -> StoreUnavailable:
    """What it died of.

    Args:
        folder: where its data is.
        log: its log file; on a full disk it may have had no last words.
        log_start: where in the log, in bytes, its last run begins.
        code: with which it ended; None when it could not be started.
    """
    try:
        words = log.read_bytes()[log_start:].decode(errors="replace")
        if shutil.disk_usage(folder).free < _LEAST_DISK_BYTES:
            words += _NO_SPACE
    except OSError as error:
        words = str(error)
    for sign, meaning, remedy in _PROBLEMS:
        if sign in words:
            return StoreUnavailable(meaning.format(folder=folder), remedy=remedy)
    return StoreUnavailable(f"Redis ended with code {code}.", remedy=f"See {log}.")
