"""Whether it is any use to ask: what one call found out about a model's server, the next ones do not find out again.

One memory for each connection in a process. Whoever wants to know how things are now, as the doctor does, asks without it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from middlewatch.agents.language_model.seam import ModelFailure, Obstacle

REST_SECONDS: Final = 15.0
"""How long a server that could not be reached is not asked. Chosen, not derived: longer than one stage of an investigation is after
another, and no longer than whoever has just started the server waits."""
MOST_DENIED: Final = 256
"""Investigations in which a server is known to refuse every call; the oldest are forgotten, and ask once more."""


class Reach:
    """What is known of one connection. Safe to use from many threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing is known yet.

        Args:
            clock: seconds, of any origin; it never goes back.
        """
        self._clock, self._lock = clock, threading.Lock()
        self._unreached: tuple[float, ModelFailure] | None = None
        self._denied: dict[str, ModelFailure] = {}

    def check(self, investigation: str) -> None:
        """Let a call be made unless it is known to be of no use.

        Raises:
            ModelFailure: it is; nothing was sent.
        """
        with self._lock:
            found = self._denied.get(investigation)
            if found is None and self._unreached is not None and self._clock() < self._unreached[0]:
                found = self._unreached[1]
        if found is not None:
            message = f"{found.message.rstrip('.')}, asked moments ago."
            raise ModelFailure(message, found.outcome, attempts=0, remedy=found.remedy)

    def failed(self, failure: ModelFailure, investigation: str) -> None:
        """Remember what stands in the way of other calls as well."""
        with self._lock:
            match failure.obstacle:
                case Obstacle.UNREACHED:
                    self._unreached = self._clock() + REST_SECONDS, failure
                case Obstacle.DENIED:
                    self._denied[investigation] = failure
                    while len(self._denied) > MOST_DENIED:
                        del self._denied[next(iter(self._denied))]

    def answered(self) -> None:
        """Forget all of it: a model has answered."""
        with self._lock:
            self._unreached = None
            self._denied.clear()
