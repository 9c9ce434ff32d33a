"""What a tour came to: when what happened, beside the goals, and what its customers met with."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

from middlewatch.records import Record, UtcDatetime

FAULT = "missing-market"
"""A bad deploy that a newcomer understands: catalogue 2.0.0 raises an exception for a quarter of the categories."""
BASELINE_SECONDS = 60.0
"""Of healthy telemetry before anything is done. Chosen: about the least with which the past can be told from the incident."""
ALERT_SECONDS = 60.0
"""From the first visible effect to the alert, at most."""
CAUSE_SECONDS = 10.0
"""From the alert to the cause, at most."""
_PAST = timedelta(seconds=60)
"""What of the time before the fault counts as usual."""
_SLOWER = 2.0
_SLOW_SECONDS = 0.25
"""Customers are harmed where the slowest of twenty waits for longer than the shop promises, and twice as long as before."""
_KEPT = 4000


class Change(Record):
    """The change that the fault came with."""

    service: str
    kind: str
    version: str
    description: str


class Goal(NamedTuple):
    """One of the goals, and what became of it."""

    name: str
    limit_seconds: float | None
    took_seconds: float | None
    met: bool


class Moment(NamedTuple):
    """One line of the time line."""

    at: datetime
    words: str
    after: str
    """Since what `seconds` are counted; empty where they are of no interest."""
    seconds: float | None


class TourResult(Record):
    """What was done, what was seen of it, and when; null for what did not happen."""

    fault: str = ""
    truth: str = ""
    """The service that the fault is in."""
    change: Change | None = None
    began_at: UtcDatetime | None = None
    done_at: UtcDatetime | None = None
    visible_at: UtcDatetime | None = None
    """When the load generator reported the first harm; the end of its report before that one, so at least this early."""
    alerted_at: UtcDatetime | None = None
    alert: str = ""
    sender: str = ""
    investigation: str = ""
    caused_at: UtcDatetime | None = None
    blamed: str = ""
    blamed_change: str = ""
    """Such as `deploy 2.0.0`."""
    request: str = ""
    approved_at: UtcDatetime | None = None
    approved_by: str = ""
    executed_at: UtcDatetime | None = None
    well_at: UtcDatetime | None = None
    """When the customers' last ten seconds were as before the fault."""
    recovered_at: UtcDatetime | None = None
    """Since when middlewatch sees the symptom gone."""
    verified_at: UtcDatetime | None = None
    recovery: str = ""
    problem: str = ""
    """Why the loop did not close; empty where it did."""

    @property
    def right(self) -> bool:
        """Whether the blamed cause is the truth: the service, and where a change brought the fault, that change."""
        same = bool(self.truth) and self.blamed == self.truth
        return same and (self.change is None or self.blamed_change == f"{self.change.kind} {self.change.version}".strip())

    @property
    def closed(self) -> bool:
        """Whether the loop closed, from the fault to the verified recovery."""
        return not self.problem and self.verified_at is not None

    @property
    def exit_code(self) -> int:
        """0 only where the loop closed and the blamed cause was the truth; a goal that was missed is said, and no failure."""
        return 0 if self.closed and self.right else 1

    def goals(self) -> tuple[Goal, ...]:
        """All of them, also those that were not reached."""
        alert, cause = _between(self.visible_at, self.alerted_at), _between(self.alerted_at, self.caused_at)
        return (
            Goal("alert after the first visible effect", ALERT_SECONDS, alert, alert is not None and alert <= ALERT_SECONDS),
            Goal("cause after the alert", CAUSE_SECONDS, cause, self.right and cause is not None and cause <= CAUSE_SECONDS),
            Goal("rollback on approval", None, _between(self.approved_at, self.executed_at), self.executed_at is not None),
            Goal("recovery verified", None, _between(self.executed_at, self.verified_at), self.closed),
        )

    def moments(self) -> tuple[Moment, ...]:
        """The time line, in its order."""
        done = f"{self.change.kind} of {self.change.service} {self.change.version}" if self.change else self.fault
        blamed = " ".join(filter(None, ("cause:", self.blamed or "none found", self.blamed_change)))
        known = (
            (self.done_at, f"fault done: {done}", "", None),
            (self.visible_at, "first customers harmed", "the fault", self.done_at),
            (self.alerted_at, f"alert of {self.sender}", "the first effect", self.visible_at),
            (self.caused_at, blamed, "the alert", self.alerted_at),
            (self.approved_at, f"roll back approved by {self.approved_by}", "the cause", self.caused_at),
            (self.executed_at, "roll back executed", "the approval", self.approved_at),
            (self.well_at, "customers are served well again", "the roll back", self.executed_at),
            (self.verified_at, "recovery verified", "the roll back", self.executed_at),
        )
        lines = [Moment(at, words, after, _between(since, at)) for at, words, after, since in known if at is not None]
        return tuple(sorted(lines, key=lambda line: line.at))

    def told(self) -> dict[str, Any]:
        """For programs."""
        goals = [goal._asdict() for goal in self.goals()]
        return {**self.model_dump(mode="json"), "right": self.right, "closed": self.closed, "goals": goals}


def _between(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None or end is None else round((end - start).total_seconds(), 1)


class Sample(NamedTuple):
    """One report of the load generator, and when it was read."""

    at: datetime
    failed: int
    failing: float
    p95_seconds: float
    requests_per_second: float


@dataclass(slots=True)
class Customers:
    """What the load generator reported, of one look after the other."""

    samples: deque[Sample] = field(default_factory=lambda: deque(maxlen=_KEPT))

    def note(self, at: datetime, report: Mapping[str, Any]) -> None:
        """Keep a report; one that says nothing yet is left out."""
        if report.get("failing") is not None:
            values = (report["failing"], report["p95_seconds"], report["requests_per_second"])
            self.samples.append(Sample(at, int(report["failed"]), *map(float, values)))

    def in_words(self) -> str:
        """The latest."""
        if not self.samples:
            return "no customers yet"
        latest = self.samples[-1]
        p95 = f"{latest.p95_seconds * 1000:.0f} ms"
        return f"{latest.requests_per_second:.0f} requests/s, {latest.failing:.0%} fail, p95 {p95}"

    def failing_since(self, now: datetime, seconds: float) -> float:
        """The highest share that failed in the reports of the last so many seconds; all where there are none."""
        since = now - timedelta(seconds=seconds)
        return max((one.failing for one in self._all() if one.at >= since), default=1.0)

    def harmed_since(self, fault: datetime) -> datetime | None:
        """When the reports first showed harm after a fault: the time of the look before, which did not show it yet."""
        samples = self._all()
        for before, one in pairwise(samples):
            if one.at >= fault and _is_harm(one, before, self._usual(fault)):
                return max(before.at, fault)
        return None

    def well_since(self, mended: datetime, fault: datetime) -> datetime | None:
        """The first report after the mending that is as those before the fault were."""
        failing, slow = self._usual(fault)
        later = (one for one in self._all() if one.at >= mended)
        return next((one.at for one in later if one.failing <= failing and one.p95_seconds <= slow), None)

    def _usual(self, fault: datetime) -> tuple[float, float]:
        """The worst share that failed and the slowest of twenty in the time before."""
        past = [one for one in self._all() if fault - _PAST <= one.at < fault]
        failing = max((one.failing for one in past), default=0.0)
        slow = max((one.p95_seconds for one in past), default=0.0)
        return failing, max(_SLOW_SECONDS, _SLOWER * slow)

    def _all(self) -> Sequence[Sample]:
        return tuple(self.samples)


def _is_harm(one: Sample, before: Sample, usual: tuple[float, float]) -> bool:
    return (one.failed > before.failed and one.failing > usual[0]) or one.p95_seconds > usual[1]
