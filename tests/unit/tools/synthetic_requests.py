"""Requests through a small system, with faults: spans and log lines in memory that answer as the sources in telemetry do.

`front` calls `shop`, which calls `cart` and `stock`; `cart` calls `store`. Every call is a client span in the caller with a server
span in the callee below it. A handler logs when it begins and when it ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import numpy as np

from tests.unit.tools.synthetic_telemetry import DETECTED, END

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
    made = _made(faults, minutes, per_minute, seed, after_end, unit)
    return Requests([*made.spans], [*made.lines])


@lru_cache(maxsize=32)
def _made(faults: tuple[Fault, ...], minutes: float, per_minute: int, seed: int, after_end: float, unit: float) -> Requests:
    """The same again for every test that asks for the same."""
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


def without_span_ids(made: Requests) -> Requests:
    """The same requests, whose lines do not say where they belong."""
    return Requests(made.spans, [replace(line, trace_id="", span_id="") for line in made.lines])


def at(seconds: float) -> datetime:
    """So many seconds after the detection."""
    return (DETECTED + timedelta(seconds=seconds)).astimezone(UTC)
