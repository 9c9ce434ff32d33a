"""A thread in which asyncio runs: only there can a request that is in flight be dropped at once, whatever it waits for.

A read in a blocking client ends when the server wants it to. Whoever calls stays synchronous and knows nothing of this.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, wait
from typing import Any, TypeVar

T = TypeVar("T")

LOOK_SECONDS = 0.02
"""How often it is looked whether a call was cancelled; nobody notices a fiftieth of a second."""
GRACE_SECONDS = 1.0
"""After its time a coroutine is left to itself: something in it blocks the thread."""


class Dropped(Exception):
    """The call was cancelled."""


class Line:
    """The thread. It is started by the first call and ends with `close`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._last: Callable[[], Coroutine[Any, Any, None]] | None = None

    def run(self, work: Callable[[], Coroutine[Any, Any, T]], *, seconds: float, cancelled: threading.Event) -> T:
        """Do something there and wait for it.

        Raises:
            TimeoutError: the time was over; it was dropped.
            Dropped: it was cancelled.
        """
        with self._lock:  # so that nothing is given to a loop that `close` has ended
            future = asyncio.run_coroutine_threadsafe(_within(work(), seconds), self._started())
        ends = time.monotonic() + seconds + GRACE_SECONDS
        while not wait([future], timeout=LOOK_SECONDS).done:
            if cancelled.is_set():
                future.cancel()
                raise Dropped
            if time.monotonic() > ends:
                future.cancel()
                raise TimeoutError
        try:
            return future.result()
        except CancelledError:  # by `close`, in another thread
            raise Dropped from None

    def close(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Drop what is under way, do a last thing there if anything was done before, and end the thread."""
        with self._lock:
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
            self._last = last
        if loop is None or thread is None:
            return
        loop.call_soon_threadsafe(loop.stop)
        if thread is not threading.current_thread():  # where the last who held a model was a request that ended in there
            thread.join()

    def _started(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._turn, args=(self._loop,), name="language-model", daemon=True)
            self._thread.start()
        return self._loop

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            if self._last is not None:
                loop.run_until_complete(_within(self._last(), GRACE_SECONDS))
        except TimeoutError:
            pass
        finally:
            loop.close()


async def _within(work: Coroutine[Any, Any, T], seconds: float) -> T:
    async with asyncio.timeout(seconds):
        return await work
