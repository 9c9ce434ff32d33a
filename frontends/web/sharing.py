"""What says the same to all who watch is made once for each place of the stream that they have come to."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from middlewatch.live import Cursor

T = TypeVar("T")

LIFE_SECONDS = 3.0
"""How long it is shown from when it was made, though nothing happened: what is told by time, or by telemetry, is no older than this
and the time that making it took. Chosen: two hundred pages that heard of the same event ask within less."""


@dataclass(slots=True)
class _Made(Generic[T]):
    place: Cursor
    what: Future[T] = field(default_factory=Future)
    until: float = math.inf
    """While it is being made all wait for it, however long that takes: what takes long is what nobody should make twice."""


class Shared(Generic[T]):
    """What was made in the last moments, and what is being made. Whoever asks for the latter waits for it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._made: dict[Hashable, _Made[T]] = {}

    def get(self, name: Hashable, place: Cursor, make: Callable[[], T]) -> T:
        """What is shown at a place.

        Args:
            name: of what.
            place: where its stream stood when it was asked for, or later. What was made at that place or after it will do.
            make: makes it as it is when this is called.

        Raises:
            Exception: what making it raised, for all who waited; the next one tries again.
        """
        with self._lock:
            self._drop_old()
            made = self._made.get(name)
            own = made is None or not made.place.covers(place)
            if own:
                made = self._made[name] = _Made(place)
        assert made is not None  # noqa: S101  for the type: it is there now
        if own:
            self._make(name, made, make)
        return made.what.result()

    def place(self, name: Hashable) -> Cursor | None:
        """At which something was made that is shown still."""
        with self._lock:
            self._drop_old()
            made = self._made.get(name)
            return made.place if made else None

    def _make(self, name: Hashable, made: _Made[T], make: Callable[[], T]) -> None:
        try:
            what = make()
            made.until = self._clock() + LIFE_SECONDS
            made.what.set_result(what)
        except BaseException as error:  # noqa: BLE001  `result` raises it, here and in every thread that waits
            made.what.set_exception(error)
            with self._lock:
                if self._made.get(name) is made:
                    del self._made[name]

    def _drop_old(self) -> None:
        now = self._clock()
        for name in [name for name, made in self._made.items() if made.until <= now]:
            del self._made[name]
