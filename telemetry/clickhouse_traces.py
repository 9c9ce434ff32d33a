"""Traces from ClickHouse."""

from __future__ import annotations

from collections.abc import Sequence

from middlewatch.records import Freshness, Signal, Window
from middlewatch.telemetry.clickhouse_reader import NANOSECONDS, Reader, names, step_nanoseconds
from middlewatch.telemetry.sources import Answer

FAMILY_SECONDS = 300
"""How far outside the window a parent or child of one of its spans is looked for. A request that lasts longer is cut there."""


class ClickHouseTraces:
    """`TraceSource` over the exporter's `otel_traces` and the `topology` table."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def operations(self, window: Window, *, step_seconds: int, floor_ms: float = 1.0, services: Sequence[str] = ()) -> Answer:
        return self._reader.answer(
            Signal.TRACES,
            "span_operations",
            window,
            step=step_nanoseconds(step_seconds),
            floor_ms=floor_ms,
            services=names(services),
            family=FAMILY_SECONDS * NANOSECONDS,
        )

    def edges(self, window: Window, *, step_seconds: int) -> Answer:
        step = step_nanoseconds(step_seconds)
        return self._reader.answer(Signal.TRACES, "span_edges", window, step=step, family=FAMILY_SECONDS * NANOSECONDS)

    def structure(self, window: Window, *, step_seconds: int, services: Sequence[str] = ()) -> Answer:
        return self._reader.answer(
            Signal.TRACES,
            "span_structure",
            window,
            step=step_nanoseconds(step_seconds),
            services=names(services),
            family=FAMILY_SECONDS * NANOSECONDS,
        )

    def spans(self, window: Window, *, services: Sequence[str] = (), trace_ids: Sequence[str] = (), limit: int = 1000) -> Answer:
        return self._reader.answer(
            Signal.TRACES, "spans", window, limit=limit, services=names(services), trace_ids=names(trace_ids)
        )

    def freshness(self, window: Window) -> Freshness:
        return self._reader.freshness(Signal.TRACES, window)
