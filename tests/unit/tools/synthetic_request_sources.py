"""Sources over the requests of `synthetic_requests`, which answer as the ones in middlewatch.telemetry do."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, cast

import numpy as np
import pyarrow as pa

from middlewatch.records import Freshness, Query, Scope, Signal, Window
from middlewatch.records.errors import BoundExceeded, WindowError
from middlewatch.telemetry.sources import Answer, ChangeSource, LogSource, MetricSource, Sources, TraceSource
from tests.unit.tools.synthetic_requests import Line, Requests, Span, _ms
from tests.unit.tools.synthetic_telemetry import END, TIME


@dataclass
class _Source:
    """What both signals do alike."""

    made: Requests
    horizon: datetime = END
    bound: str = ""
    longest_seconds: float = float("inf")
    """A longer window than this hits the bound."""
    asked: list[Window] = field(default_factory=list)

    def _check(self, window: Window) -> None:
        if window.end > self.horizon:
            raise WindowError
        if window.seconds > self.longest_seconds:
            raise BoundExceeded("the query took too long")
        self.asked.append(window)

    def _answer(self, name: str, window: Window, rows: Iterable[Mapping[str, Any]], types: Mapping[str, pa.DataType]) -> Answer:
        table = pa.Table.from_pylist([dict(row) for row in rows], schema=pa.schema(list(types.items())))
        return Answer(table, Query(source="synthetic", name=name, window=window), self.freshness(window), self.bound)

    def freshness(self, window: Window) -> Freshness:
        raise NotImplementedError


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TEXT, _TIMES, _COUNTS, _FLOATS = pa.string(), pa.list_(TIME), pa.list_(pa.uint64()), pa.list_(pa.float64())


class Traces(_Source):
    """A `TraceSource` over spans."""

    def behaviours(self, window: Window, *, step_seconds: int, floor_ms: float = 1.0, services: Sequence[str] = ()) -> Answer:
        groups: dict[tuple[Any, ...], dict[datetime, list[tuple[float, Span]]]] = defaultdict(lambda: defaultdict(list))
        for span in self._inside(window):
            if services and span.service not in services:
                continue
            own = self._children.get((span.trace_id, span.span_id), [])
            parent = self._by_id.get((span.trace_id, span.parent_span_id))
            kinds = tuple(sorted({(child.service, child.operation) for child in own}))
            y = float(np.log(max(0.0, span.duration_ms - sum(child.duration_ms for child in own)) + floor_ms))
            key = (span.service, span.operation, parent.operation if parent else "", kinds)
            groups[key][_step(span.start, window, step_seconds)].append((y, span))
        rows = []
        for (service, operation, parent_operation, kinds), steps in sorted(groups.items()):
            lists = [steps[time] for time in sorted(steps)]
            rows.append(
                {
                    "service": service,
                    "operation": operation,
                    "parent_operation": parent_operation,
                    "child_services": [service for service, _ in kinds],
                    "child_operations": [operation for _, operation in kinds],
                    "times": sorted(steps),
                    "count": [len(values) for values in lists],
                    "requests": [len({span.trace_id for _, span in values}) for values in lists],
                    "errors": [sum(span.failed for _, span in values) for values in lists],
                    "log_self": [sum(y for y, _ in values) for values in lists],
                    "log_self_squared": [sum(y * y for y, _ in values) for values in lists],
                    "duration_ms": [sum(span.duration_ms for _, span in values) for values in lists],
                }
            )
        types = dict.fromkeys(("service", "operation", "parent_operation"), _TEXT) | {"times": _TIMES}
        types |= dict.fromkeys(("child_services", "child_operations"), pa.list_(pa.string()))
        types |= dict.fromkeys(("count", "requests", "errors"), _COUNTS)
        types |= dict.fromkeys(("log_self", "log_self_squared", "duration_ms"), _FLOATS)
        answer = self._answer("span_behaviours", window, rows, types)
        return replace(answer, query=answer.query.model_copy(update={"parameters": {"floor_ms": floor_ms}}))

    def edges(self, window: Window, *, step_seconds: int) -> Answer:
        assert step_seconds > 0
        by_id = self._by_id
        calls: dict[tuple[str, str], list[Span]] = defaultdict(list)
        for span in self._inside(window):
            parent = by_id.get((span.trace_id, span.parent_span_id))
            if parent and parent.service != span.service:
                calls[parent.service, span.service].append(span)
        rows = [
            {"caller": caller, "callee": callee, "calls": len(spans), "errors": sum(s.failed for s in spans), "declared": False}
            for (caller, callee), spans in sorted(calls.items())
        ]
        types = {"caller": _TEXT, "callee": _TEXT, "calls": pa.uint64(), "errors": pa.uint64(), "declared": pa.bool_()}
        return self._answer("span_edges", window, rows, types)

    def relatives(self, window: Window, *, trace_id: str, limit: int = 1000) -> Answer:
        assert trace_id
        assert limit
        return self._answer("span_relatives", window, [], {})

    def clocks(self, window: Window, *, share: float) -> Answer:
        assert 0 < share <= 1
        pairs: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
        for span in self._inside(window):
            parent = self._by_id.get((span.trace_id, span.parent_span_id))
            if parent and parent.service != span.service and parent.duration_ms >= span.duration_ms:
                lead = (span.start - parent.start) / timedelta(microseconds=1)
                pairs[parent.service, span.service].append((lead - 1000 * (parent.duration_ms - span.duration_ms), lead))
        rows = []
        for (caller, callee), found in sorted(pairs.items()):
            least, most = np.median(found, axis=0).astype(int).tolist()
            rows.append({"caller": caller, "callee": callee, "calls": len(found), "least": least, "most": most})
        types = {"caller": _TEXT, "callee": _TEXT, "calls": pa.uint64(), "least": pa.int64(), "most": pa.int64()}
        return self._answer("span_clocks", window, rows, types)

    def requests(self, window: Window, *, share: float) -> Answer:
        traces = sorted({span.trace_id for span in self.made.spans})
        kept = set(traces[: max(1, round(share * len(traces)))]) if share < 1 else set(traces)
        rows = [
            {
                "id": _number(span.trace_id, span.span_id),
                "parent": _number(span.trace_id, span.parent_span_id) if span.parent_span_id else 0,
                "trace_id": "" if span.parent_span_id else span.trace_id,
                "service": span.service,
                "instance": span.instance,
                "operation": span.operation,
                "start_ns": round((span.start - _EPOCH).total_seconds() * 1e6) * 1000,
                "duration_ns": round(span.duration_ms * 1e6),
                "failed": int(span.failed),
            }
            for span in self._inside(window)
            if span.trace_id in kept
        ]
        types = dict.fromkeys(("trace_id", "service", "instance", "operation"), _TEXT) | {"failed": pa.uint8()}
        types |= dict.fromkeys(("id", "parent"), pa.uint64()) | dict.fromkeys(("start_ns", "duration_ns"), pa.int64())
        return self._answer("trace_requests", window, rows, types)

    def spans(self, window: Window, *, services: Sequence[str] = (), trace_ids: Sequence[str] = (), limit: int = 1000) -> Answer:
        wanted = [span for span in self._inside(window) if (not services or span.service in services)]
        wanted = [span for span in wanted if not trace_ids or span.trace_id in trace_ids]
        rows = [
            {
                "trace_id": span.trace_id,
                "span_id": span.span_id,
                "parent_span_id": span.parent_span_id,
                "service": span.service,
                "instance": span.instance,
                "operation": span.operation,
                "start": span.start,
                "duration_ns": round(span.duration_ms * 1e6),
                "status": "Error" if span.failed else "Unset",
            }
            for span in sorted(wanted, key=lambda span: -span.duration_ms)[:limit]
        ]
        types = dict.fromkeys(("trace_id", "span_id", "parent_span_id", "service", "instance", "operation", "status"), _TEXT)
        return self._answer("spans", window, rows, types | {"start": TIME, "duration_ns": pa.int64()})

    def freshness(self, window: Window) -> Freshness:
        assert window.end <= self.horizon
        newest = max((span.start for span in self.made.spans if span.start < self.horizon), default=None)
        return Freshness(signal=Signal.TRACES, watermark=newest, horizon=self.horizon)

    def _inside(self, window: Window) -> list[Span]:
        self._check(window)
        return [span for span in self._by_id.values() if window.contains(span.start)]

    @cached_property
    def _by_id(self) -> dict[tuple[str, str], Span]:
        ended = (s for s in self.made.spans if s.start + _ms(s.duration_ms) < self.horizon)
        return {(span.trace_id, span.span_id): span for span in ended}

    @cached_property
    def _children(self) -> dict[tuple[str, str], list[Span]]:
        children: dict[tuple[str, str], list[Span]] = defaultdict(list)
        for span in self._by_id.values():
            children[span.trace_id, span.parent_span_id].append(span)
        return children


class Logs(_Source):
    """A `LogSource` over lines; a pattern is a body with its numbers masked."""

    def patterns(self, window: Window, *, step_seconds: int, services: Sequence[str] = (), limit: int = 20_000) -> Answer:
        groups: dict[tuple[str, str], list[Line]] = defaultdict(list)
        for line in self._inside(window, services):
            groups[line.service, _masked(line.body)].append(line)
        rows = []
        for (service, pattern), lines in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))[:limit]:
            steps: dict[datetime, int] = defaultdict(int)
            for line in lines:
                steps[_step(line.time, window, step_seconds)] += 1
            first = min(lines, key=lambda line: line.time)
            rows.append(
                {
                    "service": service,
                    "pattern": pattern,
                    "severity": max((line.severity for line in lines), key=("", "INFO", "WARN", "ERROR").index),
                    "total": len(lines),
                    "first": first.time,
                    "last": max(line.time for line in lines),
                    "sample": first.body,
                    "sample_trace_id": first.trace_id,
                    "sample_span_id": first.span_id,
                    "times": sorted(steps),
                    "count": [steps[time] for time in sorted(steps)],
                }
            )
        types = dict.fromkeys(("service", "pattern", "severity", "sample", "sample_trace_id", "sample_span_id"), _TEXT)
        types |= {"total": pa.uint64(), "first": TIME, "last": TIME, "times": _TIMES, "count": _COUNTS}
        return self._answer("log_patterns", window, rows, types)

    def requests(self, window: Window, *, share: float, services: Sequence[str] = ()) -> Answer:
        spans = {(s.trace_id, s.span_id): s for s in self.made.spans if s.start + _ms(s.duration_ms) < self.horizon}
        written: dict[tuple[str, str, str], list[Line]] = defaultdict(list)
        for line in self._inside(window, services):
            if line.trace_id and self._sampled(line.trace_id, share):
                written[line.trace_id, line.span_id, line.service if (line.trace_id, line.span_id) not in spans else ""].append(
                    line
                )
        by_span = {key[:2]: lines for key, lines in written.items()}
        talkative = {(spans[key].service, spans[key].operation) for key in by_span if key in spans}
        units = [
            (key[0], lines[0].service, "", lines[0].time, lines[-1].time, lines)
            for key, lines in written.items()
            if key[:2] not in spans
        ]
        units += [
            (span.trace_id, span.service, span.operation, span.start, span.start + _ms(span.duration_ms), by_span.get(key, []))
            for key, span in spans.items()
            if (span.service, span.operation) in talkative and self._sampled(span.trace_id, share) and window.contains(span.start)
        ]
        rows = []
        for trace, service, operation, began, ended, lines in sorted(units, key=lambda unit: (unit[3], unit[:3])):
            first: dict[str, datetime] = {}
            for line in lines:
                first.setdefault(_masked(line.body), line.time)
            rows.append(
                {
                    "trace": int(trace, 16) % 2**64,
                    "service": service,
                    "operation": operation,
                    "began": began,
                    "ended": ended,
                    "patterns": list(first),
                    "times": list(first.values()),
                }
            )
        types = {"trace": pa.uint64(), "service": _TEXT, "operation": _TEXT, "began": TIME, "ended": TIME}
        return self._answer("log_requests", window, rows, types | {"patterns": pa.list_(_TEXT), "times": _TIMES})

    @staticmethod
    def _sampled(trace_id: str, share: float) -> bool:
        return int(trace_id, 16) % 1000 < 1000 * share

    def examples(
        self, window: Window, *, split: datetime, services: Sequence[str] = (), each: int = 200, limit: int = 20_000
    ) -> Answer:
        groups: dict[tuple[str, str, bool], list[Line]] = defaultdict(list)
        for line in sorted(self._inside(window, services), key=lambda line: abs(line.time - split)):
            groups[line.service, _masked(line.body), line.time >= split].append(line)
        rows = [
            {"service": service, "pattern": pattern, "after": after, "body": line.body}
            for (service, pattern, after), lines in sorted(groups.items())
            for line in lines[:each]
        ]
        types = {"service": _TEXT, "pattern": _TEXT, "after": pa.bool_(), "body": _TEXT}
        return self._answer("log_examples", window, rows[:limit], types)

    def lines(self, window: Window, *, services: Sequence[str] = (), contains: str = "", limit: int = 100) -> Answer:
        found = sorted((line for line in self._inside(window, services) if contains in line.body), key=lambda line: line.time)
        rows = [
            {name: getattr(line, name, "") for name in ("time", "service", "instance", "severity", "body", "trace_id", "span_id")}
            for line in found[:limit]
        ]
        types = {"time": TIME} | dict.fromkeys(("service", "instance", "severity", "body", "trace_id", "span_id"), _TEXT)
        return self._answer("log_lines", window, rows, types)

    def freshness(self, window: Window) -> Freshness:
        assert window.end <= self.horizon
        newest = max((line.time for line in self.made.lines if line.time < self.horizon), default=None)
        return Freshness(signal=Signal.LOGS, watermark=newest, horizon=self.horizon)

    def _inside(self, window: Window, services: Sequence[str]) -> list[Line]:
        self._check(window)
        wanted = [line for line in self.made.lines if window.contains(line.time)]
        return [line for line in wanted if not services or line.service in services]


def _masked(body: str) -> str:
    return re.sub(r"\d+(?:\.\d+)?", "<*>", body)


def _step(moment: datetime, window: Window, step_seconds: int) -> datetime:
    step = (moment - window.start) // timedelta(seconds=step_seconds)
    return window.start + step * timedelta(seconds=step_seconds)


def request_sources(
    made: Requests, *, traces: Callable[[Requests], Traces] = Traces, logs: Callable[[Requests], Logs] = Logs
) -> Sources:
    """Sources over requests; metrics and changes fail when they are asked."""
    return Sources(
        scope=Scope(tenant="default"),
        horizon=END,
        metrics=cast("MetricSource", None),
        logs=cast("LogSource", logs(made)),
        traces=cast("TraceSource", traces(made)),
        changes=cast("ChangeSource", None),
    )


def _number(trace_id: str, span_id: str) -> int:
    """An id as a number other than 0."""
    return int.from_bytes(hashlib.blake2b(f"{trace_id} {span_id}".encode(), digest_size=8).digest()) | 1
