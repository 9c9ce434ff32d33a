"""A configuration file that is read again when it changes: a role that is taken away counts at the next look."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")


class LiveFile(Generic[T]):
    """What a file says, now."""

    def __init__(self, path: Path, load: Callable[[Path], T]) -> None:
        """Nothing is read yet.

        Args:
            path: the file.
            load: reads it whole, and raises where it has a mistake or is absent.
        """
        self.path = path
        self._load = load
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int, int] | None = None
        self._value: T | None = None

    def __call__(self) -> T:
        """The file's content; read again where its times, size or inode are others.

        Raises:
            MiddlewatchError: as `load` does. A file that was good before and has a mistake now is not used any more.
        """
        with self._lock:
            stamp = self._stamped()
            if self._value is None or stamp != self._stamp:
                self._value = None
                self._value = self._load(self.path)
                self._stamp = stamp
            return self._value

    def _stamped(self) -> tuple[int, int, int, int] | None:
        try:
            status = self.path.stat()
        except OSError:
            return None
        # The second time also moves with what nobody can set: a change of the mode, or a file that is put back in its place.
        return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino
