"""What is looked at again and again in the background, whatever goes wrong with one look."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from middlewatch.records.errors import MiddlewatchError, StaleEpoch

LOG = logging.getLogger(__name__)

ENDING_SECONDS = 10.0
"""How long whoever ends waits for the look that is being taken; a task is given as long. Chosen: most looks make one more call, of
5 s at most. One that lasts longer is left to the end of the process, and whoever looks next does it again."""

AFTER_FAULT_SECONDS = 5.0
"""Chosen: soon after whoever mended it looks whether it works."""


def go_round(stop: threading.Event, step: Callable[[], object], seconds: Callable[[], float], fault: str) -> None:
    """Do a step now, and again and again until told to stop or the store is at a newer epoch.

    Args:
        stop: set by whoever does not want it any more.
        step: one look. What it raises is logged, an error of ours once while it stays the same: a mistake in a file would be one at
            every look.
        seconds: from one look to the next, asked after each. Where it fails, the next one is after `AFTER_FAULT_SECONDS`.
        fault: what is the matter when it fails, as a log line begins.
    """
    told = ""
    while not stop.is_set():
        try:
            step()
            told = ""
        except StaleEpoch:
            return
        except MiddlewatchError as error:
            if str(error) != told:
                LOG.warning("%s: %s", fault, error)
            told = str(error)
        except Exception:  # a fault with one thing keeps no other from being looked at
            LOG.exception("%s", fault)
        stop.wait(_pause(seconds, fault))


def _pause(seconds: Callable[[], float], fault: str) -> float:
    try:
        return seconds()
    except Exception:  # what it reads may be as wrong as what the step reads, and is mended as that is
        LOG.exception("%s", fault)
        return AFTER_FAULT_SECONDS
