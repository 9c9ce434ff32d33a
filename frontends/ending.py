"""How a process ends while something still runs in it."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from typing import NoReturn

ENGINE = "chdb"
"""ClickHouse inside this process: it crashes where Python is taken apart under one of its queries."""


def end(code: int) -> NoReturn:
    """End, and never under a query: Python waits for no daemon thread before it takes itself apart.

    The telemetry store waits for its queries as it is closed. This is for those that last longer than they may, and for whoever was
    interrupted as it waited.
    """
    left = any(thread.daemon for thread in threading.enumerate() if thread is not threading.current_thread())
    if left and ENGINE in sys.modules:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):  # nobody reads it any more
                stream.flush()
        leave(code)
    sys.exit(code)


def leave(code: int) -> NoReturn:
    """End at once: nothing is waited for, closed or flushed. What is kept was synced when it was written."""
    os._exit(code)
