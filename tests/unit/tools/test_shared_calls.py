"""What others share of a service that got worse: what all who call another see is its fault, and what is one's own stays so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from middlewatch.records import Window
from middlewatch.records.errors import BoundExceeded
from middlewatch.telemetry.sources import Sources
from middlewatch.tools.shared_calls import BEFORE_SECONDS, NOTHING, Others, Shared
from middlewatch.tools.watched_steps import STEP_SECONDS, Steps
from tests.alert_data import NOON
from tests.unit.tools.synthetic_request_sources import Traces
from tests.unit.tools.synthetic_requests import Requests, Span

MINUTE = Window(start=NOON, end=NOON + timedelta(minutes=1))
CHANGED = "cart"


@dataclass(frozen=True)
class Caller:
    """A service that calls `stock` a second, and how that went since."""

    name: str
    lost: float = 0.0
    """Of its calls get no answer."""
    wait_ms: float = 2.0
    """That a call takes beside what the called service does."""
    own_ms: float = 5.0
    """That it works by itself."""
    calls: int = 1
    """For each request."""
    callee: str = "stock"

    def spans(self, at: int, number: int) -> Iterator[Span]:
        """One request, so many seconds after the change."""
        trace, start = f"{self.name}-{self.callee}-{at}-{number}", NOON + timedelta(seconds=at, milliseconds=100 * number)
        lost = [(number + call + at) % 10 < 10 * self.lost for call in range(self.calls)]
        took = self.calls * (3.0 + self.wait_ms)
        yield Span(trace, "r", "", self.name, f"GET /{self.name}", start, self.own_ms + took, any(lost))
        for call, gone in enumerate(lost):
            yield Span(trace, f"c{call}", "r", self.name, f"GET /{self.callee}", start, 3.0 + self.wait_ms, gone)
            if not gone:
                yield Span(trace, f"s{call}", f"c{call}", self.callee, "GET /items", start, 3.0)


def steps(size: int, failing: float) -> Steps:
    requests = np.full(size, 5.0 * STEP_SECONDS)
    zero = np.zeros(size)
    return Steps(NOON, requests, requests * failing, np.zeros((size, 1)), zero, zero)


def asked(*since: Caller, before: tuple[Caller, ...] = (), failing: float | None = None) -> Shared:
    """What others share of what the first caller shows in the minute after the change; before it all were well."""
    usual = before or tuple(Caller(one.name, callee=one.callee) for one in since)
    spans = [span for at in range(-120, 0) for one in usual for number in range(5) for span in one.spans(at, number)]
    spans += [span for at in range(60) for one in since for number in range(5) for span in one.spans(at, number)]
    traces = Traces(Requests(spans), horizon=MINUTE.end)
    failed = since[0].lost if failing is None else failing
    before_steps = steps(12, 0.0)
    return Others(CHANGED, NOON, before_steps).shared(sources(traces), steps(6, failed), MINUTE)


def sources(traces: Any) -> Sources:
    return cast("Sources", SimpleNamespace(traces=traces))


def test_calls_that_nobody_answers_for_all_who_call_are_no_fault_of_one() -> None:
    found = asked(Caller(CHANGED, lost=0.4), Caller("web", lost=0.4))
    assert found.failing == 'its calls to "stock" fail, and so do those of "web"'


@pytest.mark.parametrize(
    ("since", "failing"),
    [
        ((Caller(CHANGED, lost=0.4), Caller("web")), None),
        ((Caller(CHANGED, lost=0.4), Caller("web", lost=0.1)), None),
        ((Caller(CHANGED, lost=0.4),), None),
        ((Caller(CHANGED, lost=0.4), Caller("web", lost=0.4, callee="mail")), None),
        ((Caller(CHANGED, lost=0.2), Caller("web", lost=0.2)), 0.9),
        ((Caller(CHANGED, lost=0.4, calls=2), Caller("web", lost=0.4)), None),
        ((Caller(CHANGED), Caller("web", lost=0.4)), 0.3),
    ],
    ids=[
        "others are well",
        "others fail a little",
        "nobody else calls it",
        "others fail with something else",
        "most of what fails is something else",
        "it asks for more than before",
        "its calls are well",
    ],
)
def test_what_is_its_own_stays_its_own(since: tuple[Caller, ...], failing: float | None) -> None:
    assert asked(*since, failing=failing).failing == ""


def test_calls_that_wait_longer_for_all_are_no_fault_of_one() -> None:
    found = asked(Caller(CHANGED, wait_ms=30), Caller("web", wait_ms=25))
    assert found.waiting == 'its calls to "stock" wait longer, and so do those of "web"'
    assert found.failing == ""


@pytest.mark.parametrize(
    "since",
    [
        (Caller(CHANGED, wait_ms=30), Caller("web")),
        (Caller(CHANGED, wait_ms=30, own_ms=200), Caller("web", wait_ms=30)),
        (Caller(CHANGED, own_ms=200), Caller("web", own_ms=200)),
        (Caller(CHANGED, wait_ms=30, calls=3), Caller("web", wait_ms=30)),
    ],
    ids=["others do not wait", "its own work is slower still", "nothing waits", "it asks for more than before"],
)
def test_slowness_that_is_its_own_stays_its_own(since: tuple[Caller, ...]) -> None:
    assert asked(*since).waiting == ""


def test_most_of_the_waiting_decides() -> None:
    alike = (Caller(CHANGED, wait_ms=30), Caller("web", wait_ms=30))
    assert asked(*alike, Caller(CHANGED, wait_ms=10, callee="mail")).waiting
    assert not asked(*alike, Caller(CHANGED, wait_ms=3000, callee="mail")).waiting


def test_what_failed_before_explains_nothing() -> None:
    both = (Caller(CHANGED, lost=0.4), Caller("web", lost=0.4))
    assert asked(*both, before=both).failing == ""


def test_a_minute_is_read_once_and_where_there_is_too_much_nothing_is_told() -> None:
    traces = Traces(Requests([span for at in range(-60, 60) for span in Caller(CHANGED).spans(at, 0)]), horizon=MINUTE.end)
    others = Others(CHANGED, NOON, steps(12, 0.0))
    assert others.shared(sources(traces), steps(6, 0.1), MINUTE) == others.shared(sources(traces), steps(6, 0.1), MINUTE) == NOTHING
    assert [one.seconds for one in traces.asked] == [BEFORE_SECONDS, 60.0]

    def bound(*_: object, **__: object) -> None:
        raise BoundExceeded("too much")

    assert (
        Others(CHANGED, NOON, steps(12, 0.0)).shared(sources(SimpleNamespace(behaviours=bound)), steps(6, 0.1), MINUTE) == NOTHING
    )
