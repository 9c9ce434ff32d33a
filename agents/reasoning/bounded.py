"""Work that is waited for no longer than it is worth: what cannot be stopped is left to itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

T = TypeVar("T")

LOOK_SECONDS = 0.05
"""How soon a cancellation is noticed."""


def bounded(work: Callable[[], T], seconds: float, cancelled: threading.Event) -> T:
    """What the work returns or raises.

    The work runs in a thread of its own, which nothing waits for when the time is over. It bounds itself as well: queries by what
    one may take, calls by the time that they are given; this is for what does not hold its own bound.

    Args:
        work: may take longer than it may.
        seconds: that it is waited for.
        cancelled: ends the waiting at once, a moment for the work to notice it first.

    Raises:
        TimeoutError: the time is over, or it was cancelled.
    """
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001  # whoever waits is told, of whatever kind it is
            done.set_exception(error)

    threading.Thread(target=run, name="middlewatch-bounded", daemon=True).start()
    deadline = time.monotonic() + seconds
    while not done.done() and not cancelled.is_set() and (left := deadline - time.monotonic()) > 0:
        wait([done], min(LOOK_SECONDS, left))
    if not done.done() and cancelled.is_set():
        wait([done], LOOK_SECONDS)
    if not done.done():
        raise TimeoutError
    return done.result()
