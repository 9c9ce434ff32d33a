"""Whether a service waits for, or fails with, a service that others wait for or fail with as well: then it is not its own change.

A call that nobody answered, or that was answered too late, looks like the caller's own failure: there is no span of the other side
that says so. But who calls the same service and was not changed knows. Only where the calls of two callers to one service got worse
alike is it that service, or what lies between. A caller that is the only one stays answerable, and so does one that asks for more
than it did: it may be what made the other one slow.

Thresholds are chosen, not derived; docs/measurements/deploy-watch.md says what was looked at while they were.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from middlewatch.records import UtcDatetime, Window
from middlewatch.records.errors import BoundExceeded
from middlewatch.records.quoting import quoted
from middlewatch.telemetry.sources import Sources
from middlewatch.tools.watched_steps import STEP_SECONDS, Steps

LEAST_CALLS: Final = 10
"""Fewer say nothing about a caller."""
HALF: Final = 0.5
"""Alike is at least half as much worse, and explained is at least half of what is to be explained."""
LEAST_SHARE: Final = 0.02
"""Of calls fail: below it there is nothing that could be alike."""
LONGER: Final = 1.5
"""Times as long as before that calls must wait, by their geometric mean."""
MORE: Final = 1.5
"""Times as many calls for each request as before: then the caller itself may be why."""
SURE: Final = 0.9
"""Of an operation's calls go to one service: then those that nobody answered went there too."""

BEFORE_SECONDS: Final = 600.0
"""Of calls until the change are what is usual."""

Caller = tuple[str, str]
"""Who calls, and whom; of what is done without a call the second one is empty."""


@dataclass(slots=True)
class _Sum:
    """Spans that were added up."""

    count: float = 0.0
    errors: float = 0.0
    log_self: float = 0.0

    @property
    def failing(self) -> float:
        return self.errors / self.count if self.count else 0.0

    @property
    def wait(self) -> float:
        """Mean logarithm of the time that no called service took."""
        return self.log_self / self.count if self.count else 0.0


Sums = Mapping[Caller, _Sum]


@dataclass(frozen=True, slots=True)
class Shared:
    """What is no fault of the changed service alone, in words; empty where it is, or nothing can be told."""

    failing: str = ""
    waiting: str = ""


NOTHING: Final = Shared()


@dataclass(slots=True)
class Calls:
    """What every service did in a window: who called whom, and how that went."""

    callees: Mapping[Caller, Counter[str]]
    """By service and operation, whom it called."""
    rows: Sequence[tuple[str, str, _Sum]]
    """Service, operation, and how its spans went."""

    @classmethod
    def read(cls, sources: Sources, window: Window) -> Calls:
        """Read a window.

        Raises:
            BoundExceeded: there is too much in it.
        """
        callees: defaultdict[Caller, Counter[str]] = defaultdict(Counter)
        rows: list[tuple[str, str, _Sum]] = []
        for row in sources.traces.behaviours(window, step_seconds=max(1, math.ceil(window.seconds))).table.to_pylist():
            service, operation, added = str(row["service"]), str(row["operation"]), _added(row)
            rows.append((service, operation, added))
            for other in {str(child) for child in row["child_services"]} - {service, ""}:
                callees[service, operation][other] += round(added.count)
        return cls(callees, rows)

    def by_caller(self, called: Mapping[Caller, str]) -> dict[Caller, _Sum]:
        """Of each caller and callee, and of what each service does itself.

        Args:
            called: whom an operation of a service calls, where it is one.
        """
        found: defaultdict[Caller, _Sum] = defaultdict(_Sum)
        for service, operation, one in self.rows:
            to = found[service, called.get((service, operation), "")]
            to.count += one.count
            to.errors += one.errors
            to.log_self += one.log_self
        return dict(found)


class Others:
    """What other callers say of a service that was changed."""

    def __init__(self, service: str, changed_at: UtcDatetime, before: Steps) -> None:
        """Nothing is read yet.

        Args:
            service: that was changed.
            changed_at: when.
            before: until then.
        """
        self._service = service
        self._window = Window(start=changed_at - timedelta(seconds=BEFORE_SECONDS), end=changed_at)
        self._requests = float(before.requests[-int(BEFORE_SECONDS // STEP_SECONDS) :].sum())
        self._before: Calls | None = None
        self._known: dict[UtcDatetime, Shared] = {}

    def shared(self, sources: Sources, after: Steps, window: Window, *, read: bool = True) -> Shared:
        """What others share of its getting worse in a minute; read once.

        Args:
            sources: what may be read.
            after: the service from the change on.
            window: the minute.
            read: whether to read what is not known yet.
        """
        if window.start not in self._known:
            if not read:
                return NOTHING
            steps = slice(*(round((moment - after.start).total_seconds() / STEP_SECONDS) for moment in (window.start, window.end)))
            requests, errors = float(after.requests[steps].sum()), float(after.errors[steps].sum())
            try:
                self._before = self._before or Calls.read(sources, self._window)
                now = Calls.read(sources, window)
            except BoundExceeded:
                return NOTHING
            asks = Asks(self._requests, requests, errors / max(1.0, requests))
            self._known[window.start] = shared(self._service, self._before, now, asks)
        return self._known[window.start]


@dataclass(frozen=True, slots=True)
class Asks:
    """What a service answered."""

    before: float
    """Requests until the change, in the time of which calls are known,"""
    now: float
    """and in the minute,"""
    failing: float
    """and which share of these failed by itself."""


def shared(service: str, before: Calls, now: Calls, asks: Asks) -> Shared:
    """What of a service's getting worse others share.

    Args:
        service: that was changed, and is worse.
        before: the calls until the change.
        now: those of the minute that shows it.
        asks: what it answered.
    """
    called = _called(before, now)
    then, since = before.by_caller(called), now.by_caller(called)
    ours = [one for one in since if one[0] == service and one[1] and one in then and since[one].count >= LEAST_CALLS]
    usual = [one for one in ours if since[one].count * asks.before <= MORE * then[one].count * asks.now]
    return Shared(_failing(usual, then, since, asks), _waiting(service, ours, usual, (then, since)))


def _failing(usual: Sequence[Caller], then: Sums, since: Sums, asks: Asks) -> str:
    """Calls fail that fail for others as well, and they are at least half of what fails."""
    told: dict[str, str] = {}
    explained = 0.0
    for one in usual:
        share = since[one].failing - then[one].failing
        alike = (other for other in _others(one, then, since) if since[other].failing - then[other].failing >= HALF * share)
        if share >= LEAST_SHARE and (other := next(alike, None)) is not None:
            told[one[1]] = other[0]
            explained += since[one].failing * min(1.0, since[one].count / max(1.0, asks.now))
    return _said(told, "fail, and so do those of") if explained and explained >= HALF * asks.failing else ""


def _waiting(service: str, ours: Sequence[Caller], usual: Sequence[Caller], both: tuple[Sums, Sums]) -> str:
    """At least half of what calls wait longer others wait as well, and what the service does itself did not slow down as much."""
    then, since = both
    itself = since[service, ""].wait - then[service, ""].wait if (service, "") in then and (service, "") in since else 0.0
    longer = {one: log for one in ours if (log := since[one].wait - then[one].wait) >= math.log(LONGER)}
    if not longer or itself >= max(longer.values()):
        return ""
    told: dict[str, str] = {}
    explained = 0.0
    for one, log in longer.items():
        alike = (other for other in _others(one, then, since) if since[other].wait - then[other].wait >= HALF * log)
        if one in usual and (other := next(alike, None)) is not None:
            told[one[1]] = other[0]
            explained += log * since[one].count
    if explained < HALF * sum(log * since[one].count for one, log in longer.items()):
        return ""
    return _said(told, "wait longer, and so do those of")


def _called(*some: Calls) -> dict[Caller, str]:
    """Whom each operation calls, where that is one service."""
    together: defaultdict[Caller, Counter[str]] = defaultdict(Counter)
    for calls in some:
        for key, counts in calls.callees.items():
            together[key].update(counts)
    found = {}
    for key, counts in together.items():
        ((callee, number),) = counts.most_common(1)
        if number >= SURE * counts.total():
            found[key] = callee
    return found


def _others(one: Caller, then: Sums, since: Sums) -> Iterator[Caller]:
    """Other callers of the same service that say something, those with most calls first."""
    some = [
        each for each in since if each[1] == one[1] and each[0] not in one and each in then and since[each].count >= LEAST_CALLS
    ]
    yield from sorted(some, key=lambda each: (-since[each].count, each))


def _said(told: Mapping[str, str], how: str) -> str:
    return "; ".join(f"its calls to {quoted(callee)} {how} {quoted(other)}" for callee, other in sorted(told.items()))


def _added(row: Mapping[str, Any]) -> _Sum:
    return _Sum(
        float(sum(row["count"])),
        float(sum(row["errors"])),
        float(sum(row["log_self"])),
    )
