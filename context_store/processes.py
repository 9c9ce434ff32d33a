"""Processes of the operating system: starting one that ends with us, and telling which one a pid is."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

# On Linux the server gets SIGTERM when the thread that started it ends, that is, when the owner dies in whatever way. This runs
# in a process of its own, because code between fork and exec is not safe in a program with threads.
_END_WITH_OWNER: Final = """
import ctypes, os, signal, sys
owner, *command = sys.argv[1:]
PR_SET_PDEATHSIG = 1
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
if os.getppid() == int(owner):
    os.execv(command[0], command)
"""


def start_process(
    command: list[str], folder: Path, environment: Mapping[str, str] | None = None, *, log: Path | None = None
) -> subprocess.Popen[bytes]:
    """Start a program that ends when the thread that calls this ends, where the system can do that (Linux).

    It is in a session of its own, so that Ctrl-C ends us first and then the program. What it says goes to the log, if there is one.
    """
    if sys.platform == "linux" and sys.executable:
        command = [sys.executable, "-I", "-S", "-c", _END_WITH_OWNER, str(os.getpid()), *command]
    with (log or Path(os.devnull)).open("ab") as said:
        return subprocess.Popen(  # noqa: S603  # found on PATH or in our own wheel
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )


def pid_in(file: Path) -> int:
    """What a pid file says; 0 where it says nothing."""
    try:
        return int(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return 0


def command_of(pid: int) -> str:
    """The command line of a process; empty where there is none."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        if Path("/proc/self").exists():
            return ""
    found = subprocess.run(["/bin/ps", "-p", str(pid), "-o", "command="], capture_output=True, text=True, check=False)  # noqa: S603  # a number and fixed words
    return found.stdout
