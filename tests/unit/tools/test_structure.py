"""Invariant: a changed call is held against the service that decides about it, or that should have answered."""

from __future__ import annotations

import pyarrow as pa
import pytest

from middlewatch.tools.structure import Structure, Suspicious
from middlewatch.tools.timeline import STEP_SECONDS, Timeline
from tests.unit.tools.synthetic_telemetry import TIME, brief

TIMELINE = Timeline.of(brief())
ONSET = TIMELINE.size - 12
Row = tuple[str, str, str, str, str]
ENTRY: Row = ("a", "GET /", "", "a", "call b")
CARRIER: Row = ("a", "call b", "GET /", "b", "GET /b")
DIRECT: Row = ("a", "GET /", "", "b", "GET /b")


def structure(rows: dict[Row, tuple[float, float]], units: int = 4) -> Structure:
    """Rows of `TraceSource.structure`, with the share of units that have the child before and after the onset."""
    times = [TIMELINE.moment(i) for i in range(TIMELINE.size)]
    names = ("service", "operation", "parent_operation", "child_service", "child_operation")
    present = [[round(units * (before if i < ONSET else after)) for i in range(TIMELINE.size)] for before, after in rows.values()]
    columns: dict[str, pa.Array] = {name: pa.array([row[i] for row in rows], pa.string()) for i, name in enumerate(names)}
    columns["times"] = pa.array([times] * len(rows), pa.list_(TIME))
    columns["units"] = pa.array([[units] * len(times)] * len(rows), pa.list_(pa.uint64()))
    columns["present"] = pa.array(present, pa.list_(pa.uint64()))
    return Structure.of_children(pa.table(columns), TIMELINE)


def blamed(rows: dict[Row, tuple[float, float]]) -> dict[str, float]:
    scores = structure(rows).scores(ONSET, TIMELINE.size)
    return {service: score for service, score in scores.items() if score > 0}


def test_a_service_that_calls_no_longer_decided_so_itself() -> None:
    assert blamed({ENTRY: (1.0, 0.0), CARRIER: (1.0, 1.0)}).keys() == {"a"}


def test_a_call_that_is_made_and_not_answered_speaks_against_the_callee() -> None:
    assert blamed({ENTRY: (1.0, 1.0), CARRIER: (1.0, 0.25)}).keys() == {"b"}


def test_a_call_that_is_answered_more_often_speaks_against_nobody() -> None:
    assert blamed({ENTRY: (1.0, 1.0), CARRIER: (0.25, 1.0)}) == {}


def test_an_entry_span_that_calls_others_directly_decides() -> None:
    inner: Row = ("a", "GET /", "", "a", "work")
    assert blamed({DIRECT: (1.0, 0.0), inner: (1.0, 1.0)}).keys() == {"a"}


def test_a_root_that_only_carries_a_call_does_not_decide() -> None:
    assert blamed({DIRECT: (1.0, 0.25)}).keys() == {"b"}


def test_the_mix_of_requests_through_a_gateway_is_nobodys_fault() -> None:
    other: Row = ("a", "call b", "GET /", "c", "GET /c")
    assert blamed({ENTRY: (1.0, 1.0), CARRIER: (0.75, 0.25), other: (0.25, 0.75)}) == {}


@pytest.mark.parametrize(("callee", "guilty"), [("", "a"), ("b", "b")])
def test_failures_speak_against_the_service_that_failed_or_was_called(callee: str, guilty: str) -> None:
    times = [TIMELINE.moment(i) for i in range(TIMELINE.size)]
    errors = [0 if i < ONSET else 3 for i in range(TIMELINE.size)]

    def failures(values: list[int]) -> Structure:
        row = {"service": "a", "operation": "GET /", "parent_operation": "", "callee": callee}
        columns = {name: pa.array([value]) for name, value in row.items()}
        columns |= {"times": pa.array([times], pa.list_(TIME)), "count": pa.array([[4] * len(times)]), "errors": pa.array([values])}
        return Structure.of_failures(pa.table(columns), TIMELINE)

    assert failures(errors).scores(ONSET, TIMELINE.size)[guilty] > 2.0
    assert failures(errors).calls[0].suspicious is Suspicious.RISE
    assert failures([3 - e for e in errors]).scores(ONSET, TIMELINE.size)[guilty] == 0.0


def test_the_step_is_the_one_that_sources_are_asked_with() -> None:
    assert (TIMELINE.moment(1) - TIMELINE.moment(0)).total_seconds() == STEP_SECONDS
