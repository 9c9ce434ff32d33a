"""Where `serve` answers, for whoever comes later on this machine: a file in the data directory for as long as its process lives.

Its process holds a lock on the file. The kernel releases it when that process dies, however it dies, so a file that nobody locks is
left over and says nothing.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FOLDER = "serving"
_BEGUN = "."
"""What a file's name starts with that is not locked and whole yet."""


@contextmanager
def announced(data: Path, url: str) -> Iterator[None]:
    """Say where this process answers, for as long as the block runs.

    Args:
        data: the data directory.
        url: where people reach it.
    """
    folder = data / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    descriptor, begun = tempfile.mkstemp(dir=folder, prefix=_BEGUN)  # its mode is 0600
    path = folder / Path(begun).name.removeprefix(_BEGUN)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.write(descriptor, url.encode())
        Path(begun).rename(path)
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def addresses(data: Path) -> list[str]:
    """Where processes on this data directory answer now, the latest first. What dead ones left over is cleared away."""
    found = []
    for path in (data / FOLDER).glob("[!.]*"):
        with suppress(FileNotFoundError), path.open(encoding="utf-8") as file:  # it may just have ended
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                found.append((path.stat().st_mtime_ns, file.read()))
            else:
                path.unlink()
    return [url for _, url in sorted(found, reverse=True)]
