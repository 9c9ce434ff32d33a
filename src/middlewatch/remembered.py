"""What was worked out a moment ago, and is told again to whoever asks meanwhile."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class Remembered(Generic[T]):
    """One value. Of several who ask at once one works it out, and the others wait."""

    seconds: float
    _at: float = float("-inf")
    _of: str = ""
    _value: T | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, make: Callable[[], T], *, of: str = "", within: float = math.inf) -> T:
        """The value, made where there is none, it is too old, or it was made of something else.

        Args:
            make: works it out.
            of: names what it is made of.
            within: seconds after which it is too old for who asks, where they are fewer than are usual.
        """
        with self._lock:
            if self._value is None or of != self._of or time.monotonic() - self._at > min(self.seconds, within):
                self._value = make()
                self._at, self._of = time.monotonic(), of
            return self._value
