"""A small disk of a service's own: one file that may not grow beyond a limit, which the kernel enforces."""

from __future__ import annotations

import resource
from collections.abc import Iterable
from pathlib import Path

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from middlewatch.evals.lab.surroundings import VOLUME_BYTES


class Volume:
    """The file, to which its service appends.

    The limit is one of the process (RLIMIT_FSIZE), since a disk of its own needs rights that a recorder does not have: a write
    beyond it fails in the kernel, as one on a full disk does.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (VOLUME_BYTES, hard))
        meter = metrics.get_meter(__name__)
        meter.create_observable_gauge("system.filesystem.utilization", callbacks=[self._utilization], unit="1")

    def append(self, text: str) -> None:
        """Write a line at the end.

        Raises:
            OSError: the disk is full.
        """
        with self._path.open("ab", buffering=0) as file:
            file.write(text.encode() + b"\n")

    def _utilization(self, options: CallbackOptions) -> Iterable[Observation]:
        del options
        yield Observation(self._path.stat().st_size / VOLUME_BYTES)
