"""Invariants: without a trace, lines still say who calls whom and where time is lost; between two calls a caller may be silent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from middlewatch.records import Window
from middlewatch.tools.log_gaps import Steps
from middlewatch.tools.log_requests import Requests
from middlewatch.tools.slowness import Place, Slowness
from middlewatch.tools.timeline import Question, Timeline

START = datetime(2026, 11, 21, 1, 0, tzinfo=UTC)
TIME = pa.timestamp("us", tz="UTC")
SIZE, ONSET = 120, 108
SERVICES = ["front", "cart", "stock"]
TEXTS = {"front": ("begin", "end"), "cart": ("read",), "stock": ("look", "found")}
PATTERNS = {(service, text): i for i, (service, text) in enumerate((s, t) for s in SERVICES for t in TEXTS[s])}
TIMELINE = Timeline(
    window=Window(start=START, end=START + timedelta(seconds=15 * SIZE)),
    size=SIZE,
    hidden=np.zeros(SIZE, dtype=bool),
    question=Question((ONSET,), SIZE),
)


def steps(*, slow: dict[int, float] | None = None, operation: str = "") -> Steps:
    """`front` calls `cart`, then `stock`, which logs twice; after the onset, the gaps of these numbers take so many ms longer."""
    rows = []
    rng = np.random.default_rng(1)
    for number in range(3 * SIZE):
        began = START + timedelta(seconds=5 * number)
        gaps = 20 * np.exp(rng.normal(0, 0.1, 4))
        for gap, more in (slow or {}).items():
            gaps[gap] += more if number // 3 >= ONSET else 0.0
        begin, read, look, found, end = (began + timedelta(milliseconds=float(ms)) for ms in [0, *np.cumsum(gaps)])
        spans = (("front", begin, end, (begin, end)), ("cart", read, read, (read,)), ("stock", look, found, (look, found)))
        rows += [
            {
                "trace": number,
                "service": service,
                "operation": operation,
                "began": first,
                "ended": last,
                "patterns": TEXTS[service],
                "times": times,
            }
            for service, first, last, times in spans
        ]
    types = {"trace": pa.uint64(), "service": pa.string(), "operation": pa.string(), "began": TIME, "ended": TIME}
    schema = pa.schema(list((types | {"patterns": pa.list_(pa.string()), "times": pa.list_(TIME)}).items()))
    none = np.zeros(len(PATTERNS), dtype=bool)
    requests = Requests.of(pa.Table.from_pylist(rows, schema=schema), PATTERNS, none, np.zeros(SIZE, dtype=bool), TIMELINE)
    return Steps.of(requests, np.array([SERVICES.index(service) for service, _ in PATTERNS], dtype=np.intp))


def slowness(found: Steps) -> Slowness:
    made = found.slowness(SERVICES, [text for _, text in PATTERNS], TIMELINE)
    assert made is not None
    return made


def test_who_calls_whom_is_seen_although_the_caller_is_silent_between_two_calls() -> None:
    edges = steps().edges(SERVICES)
    assert [(edge.caller, edge.callee, edge.calls) for edge in edges] == [
        ("front", "cart", 3 * SIZE),
        ("front", "stock", 3 * SIZE),
    ]


def test_time_passes_inside_a_service_or_between_a_caller_and_whom_it_calls() -> None:
    assert set(slowness(steps()).places) == {Place("front", "cart"), Place("front", "stock"), Place("stock", "")}


@pytest.mark.parametrize(
    ("slow", "place"),
    [({0: 80.0}, Place("front", "cart")), ({2: 80.0}, Place("stock", "")), ({1: 80.0, 3: 80.0}, Place("front", "stock"))],
)
def test_the_place_that_takes_longer_stands_out(slow: dict[int, float], place: Place) -> None:
    made = slowness(steps(slow=slow))
    evidence = made.evidence(made.latencies.shift(ONSET, SIZE))
    assert max(evidence, key=lambda at: evidence[at]) == place
    assert evidence[place] > 0.5
    assert all(nats < 0.1 for at, nats in evidence.items() if at != place)


def test_nothing_stands_out_where_nothing_changed() -> None:
    assert max(slowness(steps()).scores(ONSET, SIZE).values()) < 0.1


def test_spans_that_traces_have_are_left_to_the_traces() -> None:
    found = steps(operation="GET /")
    assert found.slowness(SERVICES, [text for _, text in PATTERNS], TIMELINE) is None
    assert found.edges(SERVICES) == ()
