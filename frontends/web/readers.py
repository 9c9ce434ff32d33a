"""One reader for all who watch the same thing: a thread that waits for news while somebody watches, and wakes them all.

Viewers are coroutines of a server's loop; what waits in the store is a thread. A viewer that is slow holds up nobody: it takes what
there is when it comes round, see `Hub`.
"""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar, cast

from middlewatch.records.errors import MiddlewatchError, Unavailable

LOG = logging.getLogger(__name__)

MOST_READERS = 200
"""Threads at once, each with a connection to the store. As many as the viewers that the site is made for."""

Wake = Callable[[], object]
R = TypeVar("R", bound="Reader")


class Reader(ABC):
    """Reads while somebody watches."""

    def __init__(self, stopping: Callable[[], bool]) -> None:
        """`stopping` is whether the server stops: asked after every look."""
        self._stopping = stopping
        self._lock = threading.Lock()
        self._wakes: set[Wake] = set()
        self._ended = False

    @abstractmethod
    def look(self) -> bool:
        """Wait for news, a second at most; whether there were any."""

    @property
    def ended(self) -> bool:
        """Whether nothing more comes: the server stops, or the store does not answer. Whoever watches has to begin again."""
        return self._ended

    def joined(self, wake: Wake) -> bool:
        """Let somebody watch; False where it has ended."""
        with self._lock:
            if not self._ended:
                self._wakes.add(wake)
            return not self._ended

    def left(self, wake: Wake) -> bool:
        """Let somebody go; it ends with the last. Returns whether it has."""
        with self._lock:
            self._wakes.discard(wake)
            self._ended = self._ended or not self._wakes
            return self._ended

    def run(self) -> None:
        """Read until the last viewer is gone."""
        try:
            while not self._ended and not self._stopping():
                if self.look():
                    self._wake()
        except MiddlewatchError as error:
            LOG.warning("a live view ends: %s", error)
        finally:
            self._ended = True
            self._wake()

    def _wake(self) -> None:
        with self._lock:
            wakes = tuple(self._wakes)
        for wake in wakes:
            wake()


class Readers:
    """Those that read now, by what they read."""

    def __init__(self, stopping: Callable[[], bool]) -> None:
        self.stopping = stopping
        self._lock = threading.Lock()
        self._by_key: dict[str, Reader] = {}

    @contextmanager
    def watching(self, key: str, make: Callable[[], R], wake: Wake) -> Iterator[R]:
        """Watch together with whoever watches the same.

        Args:
            key: what is watched.
            make: a reader of it. It must not wait: others come and go meanwhile.
            wake: called from the reader's thread when there is news, or nothing more comes.

        Raises:
            Unavailable: too many different things are watched.
        """
        with self._lock:
            reader = self._by_key.get(key)
            if reader is None or not reader.joined(wake):
                if len(self._by_key) >= MOST_READERS:
                    raise Unavailable("Too many different pages are live at once.", remedy="Load the page again later.")
                reader = self._by_key[key] = make()
                reader.joined(wake)
                threading.Thread(target=reader.run, name=f"live-{key}", daemon=True).start()
        try:
            yield cast("R", reader)
        finally:
            with self._lock:
                if reader.left(wake) and self._by_key.get(key) is reader:
                    del self._by_key[key]

    def __len__(self) -> int:
        return len(self._by_key)
