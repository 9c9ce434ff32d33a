"""Traces from ClickHouse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa

from middlewatch.records import Freshness, Signal, Window
from middlewatch.telemetry.clickhouse_reader import NANOSECONDS, Parameter, Reader, names, step_nanoseconds
from middlewatch.telemetry.sources import Answer
from middlewatch.telemetry.span_sample import SLOTS, SpanSample

FAMILY_SECONDS = 300
"""How far outside the window a parent or child of one of its spans is looked for. A request that lasts longer is cut there."""
MOST_SETS = 50
"""Sets of children told apart per operation, most frequent first. An operation that calls many others in a loop has thousands."""


class ClickHouseTraces:
    """`TraceSource` over the exporter's `otel_traces` and the `topology` table."""

    def __init__(self, reader: Reader, most_spans: int) -> None:
        """Read spans.

        Args:
            reader: asks.
            most_spans: how many spans one question may put together; of more, a sample of requests is read, and the answer says so.
        """
        self._reader = reader
        self._most_spans = most_spans

    def behaviours(self, window: Window, *, step_seconds: int, floor_ms: float = 1.0, services: Sequence[str] = ()) -> Answer:
        asked = names(services)
        return self._put_together("span_behaviours", window, step_seconds, floor_ms=floor_ms, services=asked, sets=MOST_SETS)

    def edges(self, window: Window, *, step_seconds: int) -> Answer:
        across = bool(self._reader.rows("span_handovers", window)["linked"][0].as_py())
        return self._put_together("span_edges_across" if across else "span_edges", window, step_seconds)

    def services(self, window: Window) -> pa.Table:
        return self._reader.rows("span_services", window)

    def relatives(self, window: Window, *, trace_id: str, limit: int = 1000) -> Answer:
        return self._reader.answer(Signal.TRACES, "span_relatives", window, limit=limit, trace_id=trace_id)

    def requests(self, window: Window, *, share: float) -> Answer:
        kept = max(1, min(SLOTS, round(share * SLOTS)))
        return self._reader.answer(Signal.TRACES, "trace_requests", window, kept=kept)

    def _put_together(self, name: str, window: Window, step_seconds: int, **parameters: Parameter) -> Answer:
        step = step_nanoseconds(step_seconds)
        sample = self._sample(window, step)
        asked = {"step": step, "family": FAMILY_SECONDS * NANOSECONDS, **sample.parameters, **parameters}
        answer = self._reader.answer(Signal.TRACES, name, window, limit=None, **asked)
        return replace(answer, bound="; ".join(filter(None, (answer.bound, sample.bound))))

    def _sample(self, window: Window, step: int) -> SpanSample:
        everything = SpanSample.everything(window, step)
        if self._reader.items(Signal.TRACES) <= self._most_spans:
            return everything
        counted = self._reader.rows("span_volume", window, recent=everything.recent)
        return everything.of(counted["older"][0].as_py(), counted["recent"][0].as_py(), self._most_spans)

    def clocks(self, window: Window, *, share: float) -> Answer:
        return self._reader.answer(Signal.TRACES, "span_clocks", window, kept=max(1, min(SLOTS, round(share * SLOTS))))

    def spans(self, window: Window, *, services: Sequence[str] = (), trace_ids: Sequence[str] = (), limit: int = 1000) -> Answer:
        return self._reader.answer(
            Signal.TRACES, "spans", window, limit=limit, services=names(services), trace_ids=names(trace_ids)
        )

    def served(
        self,
        window: Window,
        *,
        step_seconds: int,
        services: Sequence[str] = (),
        operations: Sequence[str] = (),
        limits_ms: Sequence[float] = (),
    ) -> pa.Table:
        return self._reader.rows(
            "requests_served",
            window,
            step=step_nanoseconds(step_seconds),
            services=names(services),
            operations=names(operations),
            limits_ns=[str(round(limit * NANOSECONDS) // 1000) for limit in limits_ms],
        )

    def answered(self, window: Window, *, step_seconds: int, service: str, share: float = 1.0) -> pa.Table:
        kept = max(1, min(SLOTS, round(share * SLOTS)))
        return self._reader.rows("service_requests", window, step=step_nanoseconds(step_seconds), service=service, kept=kept)

    def freshness(self, window: Window) -> Freshness:
        return self._reader.freshness(Signal.TRACES, window)
