"""Tells middlewatch what was changed in a live lab, as a team's deploy pipeline would: by `middlewatch change record`."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from middlewatch.evals.lab.shop import AppliedChange
from middlewatch.settings import Settings

PROGRAM = (sys.executable, "-c", "from middlewatch.frontends.cli import main; main()")
"""This program, however it was started."""
_SECONDS = 60.0


def command_of(applied: AppliedChange) -> tuple[str, ...]:
    """The arguments that record a change."""
    change = applied.change
    version = ("--version", change.version) if change.version else ()
    return (
        *("change", "record", change.service, "--kind", change.kind.value, *version),
        *("--at", applied.time.isoformat(), "--actor", change.actor, "--description", change.description),
    )


class ChangesOut:
    """Records changes one after the other, beside whoever makes them. Use it as a context manager."""

    def __init__(self, settings: Settings, complain: Callable[[str], None]) -> None:
        """Nothing is started before the block.

        Args:
            settings: whose data directory.
            complain: told why a change could not be recorded.
        """
        self._settings = settings
        self._complain = complain
        self._waiting: queue.SimpleQueue[AppliedChange | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="changes", daemon=True)

    def tell(self, change: AppliedChange) -> None:
        """Record it soon."""
        self._waiting.put(change)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._waiting.put(None)
        self._thread.join(_SECONDS)

    def _work(self) -> None:
        while (change := self._waiting.get()) is not None:
            problem = self._record(change)
            if problem:
                self._complain(f"the change was not recorded: {problem}")

    def _record(self, change: AppliedChange) -> str:
        """Why it could not be; empty where it was."""
        environment = {**os.environ, "MIDDLEWATCH_DATA_DIR": str(self._settings.data_dir)}
        try:
            done = subprocess.run(  # noqa: S603 -- this program itself
                (*PROGRAM, *command_of(change)),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                env=environment,
                start_new_session=True,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return "it took too long"
        return "" if done.returncode == 0 else " ".join(done.stderr.split())[-300:] or f"exit code {done.returncode}"
