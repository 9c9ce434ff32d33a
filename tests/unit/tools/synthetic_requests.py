"""Requests through a small system, with faults: spans and log lines in memory that answer as the sources in telemetry do.

`front` calls `shop`, which calls `cart` and `stock`; `cart` calls `store`. Every call is a client span in the caller with a server
span in the callee below it. A handler logs when it begins and when it ends.
"""

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
from tests.unit.tools.synthetic_telemetry import DETECTED, END, TIME

CALLS: Mapping[str, Sequence[str]] = {"front": ("shop",), "shop": ("cart", "stock"), "cart": ("store",), "stock": (), "store": ()}
BEGAN = DETECTED - timedelta(seconds=120)
"""When a fault begins, unless a test says otherwise."""


@dataclass(frozen=True)
class Span:
    trace_id: str
    span_id: str
    parent_span_id: str
    service: str
    operation: str
    start: datetime
    duration_ms: float
    failed: bool = False
    instance: str = "a"


@dataclass(frozen=True)
class Line:
    time: datetime
    service: str
    severity: str
    body: str
    trace_id: str = ""
    span_id: str = ""


@dataclass(frozen=True)
class Fault:
    """What goes wrong in one service from `start` to `end`."""

    service: str
    slower: float = 1.0
    """Factor on its own time."""
    delay_ms: float = 0.0
    """Added to every call to and from it, outside of its spans."""
    returns_early: bool = False
    """It calls nobody, and says so in another line."""
    fails: bool = False
    """It fails, and so do those that wait for it."""
    start: datetime = BEGAN
    end: datetime = END

    def hits(self, service: str, at: datetime) -> bool:
        return service == self.service and self.start <= at < self.end


@dataclass
class Requests:
    """What requests left behind."""

    spans: list[Span] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)

    def renamed(self, names: Mapping[str, str]) -> Requests:
        """The same under other service names."""
        spans = [replace(span, service=names[span.service]) for span in self.spans]
        return Requests(spans, [replace(line, service=names[line.service]) for line in self.lines])

    def __add__(self, other: Requests) -> Requests:
        return Requests(self.spans + other.spans, self.lines + other.lines)


def requests(
    *faults: Fault, minutes: float = 40, per_minute: int = 12, seed: int = 1, after_end: float = 0.0, unit: float = 1.0
) -> Requests:
    """Regular traffic up to `END` plus `after_end` minutes.

    Args:
        faults: what goes wrong.
        minutes: how long before `END` it begins.
        per_minute: requests.
        seed: of the noise.
        after_end: minutes of traffic after the window.
        unit: factor on every duration.
    """
    rng = np.random.default_rng(seed)
    made = Requests()
    for i in range(int((minutes + after_end) * per_minute)):
        at = END - timedelta(minutes=minutes) + timedelta(minutes=(i + 0.5) / per_minute)
        _Request(f"{seed:04x}{i:028x}", rng, faults, made, unit).serve("front", "", at)
    return made


@dataclass
class _Request:
    trace_id: str
    rng: np.random.Generator
    faults: Sequence[Fault]
    made: Requests
    unit: float
    spans: int = 0

    def serve(self, service: str, parent: str, at: datetime) -> tuple[float, bool]:
        """A server span: its duration and whether it failed."""
        span = self._id()
        faults = [fault for fault in self.faults if fault.hits(service, at)]
        self._say(at, service, "INFO", f"begin order {int(self.rng.integers(1_000_000))}", span)
        took = self._noise(10.0) * float(np.prod([fault.slower for fault in faults]))
        failed = any(fault.fails for fault in faults)
        if any(fault.returns_early for fault in faults):
            self._say(at + _ms(took), service, "WARN", "no such order, nothing to do", span)
        else:
            for callee in CALLS[service]:
                duration, broken = self._call(service, callee, span, at + _ms(took))
                took, failed = took + duration, failed or broken
            if failed:
                self._say(at + _ms(took), service, "ERROR", f"order failed after {took:.3f} ms\n    at Handler.run", span)
            else:
                self._say(at + _ms(took), service, "INFO", f"end of order in {took:.3f} ms", span)
        self.made.spans.append(Span(self.trace_id, span, parent, service, f"GET /{service}", at, took, failed))
        return took, failed

    def _call(self, caller: str, callee: str, parent: str, at: datetime) -> tuple[float, bool]:
        span = self._id()
        lost = self._noise(1.0)
        lost += self.unit * sum(f.delay_ms for f in self.faults for end in (caller, callee) if f.hits(end, at))
        duration, failed = self.serve(callee, span, at + _ms(lost / 2))
        self.made.spans.append(Span(self.trace_id, span, parent, caller, f"call {callee}", at, duration + lost, failed))
        return duration + lost, failed

    def _id(self) -> str:
        self.spans += 1
        return f"{self.trace_id[-10:]}{self.spans:06x}"

    def _noise(self, typical_ms: float) -> float:
        return self.unit * typical_ms * float(np.exp(self.rng.normal(0.0, 0.2)))

    def _say(self, at: datetime, service: str, severity: str, body: str, span: str) -> None:
        self.made.lines.append(Line(at, service, severity, body, self.trace_id, span))


def _ms(milliseconds: float) -> timedelta:
    return timedelta(milliseconds=milliseconds)


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
        calls: dict[tuple[str, str], int] = defaultdict(int)
        for span in self._inside(window):
            parent = by_id.get((span.trace_id, span.parent_span_id))
            if parent and parent.service != span.service:
                calls[parent.service, span.service] += 1
        rows = [{"caller": caller, "callee": callee, "calls": n} for (caller, callee), n in sorted(calls.items())]
        return self._answer("span_edges", window, rows, {"caller": _TEXT, "callee": _TEXT, "calls": pa.uint64()})

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
            {"time": line.time, "service": line.service, "body": line.body, "trace_id": line.trace_id, "span_id": line.span_id}
            for line in found[:limit]
        ]
        types = {"time": TIME, "service": _TEXT, "body": _TEXT, "trace_id": _TEXT, "span_id": _TEXT}
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


def without_span_ids(made: Requests) -> Requests:
    """The same requests, whose lines do not say where they belong."""
    return Requests(made.spans, [replace(line, trace_id="", span_id="") for line in made.lines])


def at(seconds: float) -> datetime:
    """So many seconds after the detection."""
    return (DETECTED + timedelta(seconds=seconds)).astimezone(UTC)


def _number(trace_id: str, span_id: str) -> int:
    """An id as a number other than 0."""
    return int.from_bytes(hashlib.blake2b(f"{trace_id} {span_id}".encode(), digest_size=8).digest()) | 1
