"""Changes from ClickHouse."""

from __future__ import annotations

from collections.abc import Sequence

from middlewatch.records import Freshness, Signal, Window
from middlewatch.telemetry.clickhouse_reader import Reader, names
from middlewatch.telemetry.sources import Answer


class ClickHouseChanges:
    """`ChangeSource` over the `changes` table."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def changes(self, window: Window, *, services: Sequence[str] = ()) -> Answer:
        return self._reader.answer(Signal.CHANGES, "changes", window, services=names(services))

    def freshness(self, window: Window) -> Freshness:
        return self._reader.freshness(Signal.CHANGES, window)
