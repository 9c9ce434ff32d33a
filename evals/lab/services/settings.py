"""The settings of a service: a file that is read again whenever it was replaced."""

from __future__ import annotations

import json
import logging
from pathlib import Path

_logger = logging.getLogger(__name__)


class WatchedSettings:
    """A JSON object of numbers by name."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen_ns = 0
        self._values: dict[str, int] = {}

    def __getitem__(self, name: str) -> int:
        changed_ns = self._path.stat().st_mtime_ns
        if changed_ns != self._seen_ns:
            self._values = json.loads(self._path.read_text(encoding="utf-8"))
            self._seen_ns = changed_ns
            _logger.info("configuration read: %s", json.dumps(self._values))
        return self._values[name]
