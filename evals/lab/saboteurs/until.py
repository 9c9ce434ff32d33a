"""What the saboteurs have in common: they end when the process that started them says so or is gone."""

from __future__ import annotations

import sys
import threading


def told_to_end() -> threading.Event:
    """An event that is set when standard input closes."""
    event = threading.Event()

    def watch() -> None:
        sys.stdin.buffer.read()
        event.set()

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
    return event
