"""Logs from ClickHouse."""

from __future__ import annotations

from collections.abc import Sequence

from middlewatch.records import Freshness, Signal, UtcDatetime, Window
from middlewatch.telemetry.clickhouse_reader import NANOSECONDS, Reader, names, nanoseconds, step_nanoseconds
from middlewatch.telemetry.clickhouse_traces import FAMILY_SECONDS
from middlewatch.telemetry.sources import Answer
from middlewatch.telemetry.span_sample import SLOTS


class ClickHouseLogs:
    """`LogSource` over the exporter's `otel_logs`."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def patterns(self, window: Window, *, step_seconds: int, services: Sequence[str] = (), limit: int = 20_000) -> Answer:
        return self._reader.answer(
            Signal.LOGS,
            "log_patterns",
            window,
            limit=limit,
            step=step_nanoseconds(step_seconds),
            services=names(services),
        )

    def requests(self, window: Window, *, share: float, services: Sequence[str] = ()) -> Answer:
        return self._reader.answer(
            Signal.LOGS,
            "log_requests",
            window,
            kept=max(1, min(SLOTS, round(share * SLOTS))),
            services=names(services),
            family=FAMILY_SECONDS * NANOSECONDS,
        )

    def examples(
        self, window: Window, *, split: UtcDatetime, services: Sequence[str] = (), each: int = 200, limit: int = 20_000
    ) -> Answer:
        return self._reader.answer(
            Signal.LOGS, "log_examples", window, limit=limit, split=nanoseconds(split), services=names(services), each=each
        )

    def lines(self, window: Window, *, services: Sequence[str] = (), contains: str = "", limit: int = 100) -> Answer:
        return self._reader.answer(Signal.LOGS, "log_lines", window, limit=limit, services=names(services), contains=contains)

    def freshness(self, window: Window) -> Freshness:
        return self._reader.freshness(Signal.LOGS, window)
