"""Processes that run beside this one: started again when they die, ended when it ends."""

from __future__ import annotations

import logging
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from middlewatch.context_store.processes import start_process

LOG = logging.getLogger(__name__)

GRACE_SECONDS = 20.0
"""How long a process may take to finish what it has begun when we end."""
LOOK_SECONDS = 0.2
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 30.0
"""Before one that died is started again."""


@contextmanager
def kept_running(
    name: str, command: list[str], environment: Mapping[str, str], what: str, *, once: Callable[[], bool] = lambda: True
) -> Iterator[None]:
    """Keep a process running for as long as the block runs. It ends with us, however we end.

    Args:
        name: of the thread that looks after it.
        command: what is run.
        environment: the whole of it.
        what: it is, for the log.
        once: asked until it is so; it begins then.
    """
    stop = threading.Event()
    keeper = threading.Thread(target=_keep, args=(command, environment, what, stop, once), name=f"middlewatch-{name}", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        stop.set()
        keeper.join()


def _keep(command: list[str], environment: Mapping[str, str], what: str, stop: threading.Event, once: Callable[[], bool]) -> None:
    while not once():
        if stop.wait(LOOK_SECONDS):
            return
    pause = FIRST_PAUSE_SECONDS
    while not stop.is_set():
        process = start_process(command, Path.cwd(), environment)
        began = time.monotonic()
        while process.poll() is None and not stop.wait(LOOK_SECONDS):
            pass
        if process.poll() is None:
            _end(process)
            return
        pause = FIRST_PAUSE_SECONDS if time.monotonic() - began > LONGEST_PAUSE_SECONDS else min(2 * pause, LONGEST_PAUSE_SECONDS)
        LOG.warning("%s ended with %s and is started again; `middlewatch doctor` may say why", what, process.returncode)
        stop.wait(pause)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
