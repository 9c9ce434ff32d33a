"""The lab's processes: each ends with the one that started it."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from middlewatch.records.errors import Unavailable

_START_SECONDS = 60.0
"""How long a process may take to answer; a start takes about two, more on a busy machine."""
_STOP_SECONDS = 15.0
_POLL_SECONDS = 0.05
_TAIL_CHARACTERS = 400
_NICENESS = -10


def prefer(pid: int) -> None:
    """Give a process precedence over what else the machine does, where that is allowed: a recording should show the shop."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, _NICENESS)


class Child:
    """A process that ends when its standard input closes; so none outlives the one that started it."""

    def __init__(self, name: str, arguments: Sequence[str], errors: Path) -> None:
        self.name = name
        self._errors = errors
        with errors.open("wb") as sink:
            self._process = subprocess.Popen(  # noqa: S603 -- our own programs with arguments made here
                arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=sink,
                # a hermetic environment: proxies and OTEL_* variables of the caller's shell must not change the shop
                env={"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
                start_new_session=True,  # Ctrl-C reaches only the recorder, which then stops the shop in order
            )
        prefer(self._process.pid)

    @property
    def pid(self) -> int:
        return self._process.pid

    def runs(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def memory_bytes(self) -> int:
        """What it uses of the machine's memory; 0 where that cannot be seen."""
        try:
            pages = Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1]
        except (OSError, IndexError):
            return 0
        return int(pages) * resource.getpagesize()

    def kill(self) -> None:
        """End it at once, with whatever it started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def check(self) -> None:
        """Raise if the process is gone.

        Raises:
            Unavailable: it ended by itself; the message has the end of what it wrote.
        """
        code = self._process.poll()
        if code is None:
            return
        said = self._errors.read_text(encoding="utf-8", errors="replace")[-_TAIL_CHARACTERS:]
        raise Unavailable(
            f"The lab's {self.name} ended by itself with code {code}: {' '.join(said.split()) or 'it said nothing'}.",
            remedy="Try again; if it happens again, see `middlewatch doctor`.",
        )

    def await_(self, ready: Callable[[], bool]) -> None:
        """Wait until ``ready`` says so.

        Raises:
            Unavailable: the process ended, or took too long.
        """
        deadline = time.monotonic() + _START_SECONDS
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"The lab's {self.name} did not answer within {_START_SECONDS:g} s.", remedy="Is the machine overloaded?"
                )
            time.sleep(_POLL_SECONDS)

    def ask_to_stop(self) -> None:
        """Let it finish what it is doing and end."""
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.close()

    def stop(self, *, patience_seconds: float = _STOP_SECONDS) -> None:
        """End it, by force where it does not end by itself. Stopping it again does nothing."""
        self.ask_to_stop()
        try:
            self._process.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            self.kill()
