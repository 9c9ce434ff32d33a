"""Invariant: a changed behaviour is held against the service that decides about it, or that should have answered."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from middlewatch.tools.structure import Kind, Structure, span_keys
from middlewatch.tools.timeline import STEP_SECONDS, Timeline
from tests.unit.tools.synthetic_telemetry import TIME, brief

TIMELINE = Timeline.of(brief())
ONSET = TIMELINE.size - 12
Row = tuple[str, str, str, tuple[Kind, ...]]
"""Service, operation, parent's operation, and children."""
CALL: tuple[Kind, ...] = (("a", "call b"),)
ANSWER: tuple[Kind, ...] = (("b", "GET /b"),)
ENTRY, QUIET_ENTRY = ("a", "GET /", "", CALL), ("a", "GET /", "", ())
CARRIER, UNANSWERED = ("a", "call b", "GET /", ANSWER), ("a", "call b", "GET /", ())


def table(rows: dict[Row, tuple[float, float]], *, errors: tuple[int, int] = (0, 0), per_bucket: int = 4) -> pa.Table:
    """Rows of `TraceSource.behaviours`, with the share of requests per bucket before and after the onset."""
    times = [TIMELINE.moment(i) for i in range(TIMELINE.size)]
    counts = [
        [round(per_bucket * (before if i < ONSET else after)) for i in range(TIMELINE.size)] for before, after in rows.values()
    ]
    failed = [[min(n, errors[i >= ONSET]) for i, n in enumerate(row)] for row in counts]
    columns = {
        name: pa.array([row[i] for row in rows], pa.string()) for i, name in enumerate(("service", "operation", "parent_operation"))
    }
    columns |= {
        f"child_{name}s": pa.array([[child[i] for child in row[3]] for row in rows], pa.list_(pa.string()))
        for i, name in enumerate(("service", "operation"))
    }
    columns["times"] = pa.array([times] * len(rows), pa.list_(TIME))
    columns |= {
        name: pa.array(values, pa.list_(pa.uint64()))
        for name, values in (("count", counts), ("requests", counts), ("errors", failed))
    }
    return pa.table(columns)


def worst(structure: Structure) -> dict[str, float]:
    found = structure.worst(structure.evidence(structure.change(ONSET, TIMELINE.size, ONSET)))
    return {service: nats for service, nats in found.items() if nats > 0}


def blamed(rows: dict[Row, tuple[float, float]]) -> dict[str, float]:
    return worst(Structure.of_children(table(rows), TIMELINE))


def test_a_service_that_calls_no_longer_decided_so_itself() -> None:
    assert blamed({ENTRY: (1.0, 0.0), QUIET_ENTRY: (0.0, 1.0), CARRIER: (1.0, 1.0)}).keys() == {"a"}


def test_a_call_that_is_made_and_not_answered_speaks_against_the_callee() -> None:
    assert blamed({ENTRY: (1.0, 1.0), CARRIER: (1.0, 0.25), UNANSWERED: (0.0, 0.75)}).keys() == {"b"}


def test_a_call_that_is_answered_more_often_speaks_against_nobody() -> None:
    assert blamed({ENTRY: (1.0, 1.0), CARRIER: (0.25, 1.0), UNANSWERED: (0.75, 0.0)}) == {}


def test_an_entry_span_that_calls_others_directly_decides() -> None:
    inner: Row = ("a", "GET /", "", (("a", "work"), ("b", "GET /b")))
    assert blamed({inner: (1.0, 0.0), ("a", "GET /", "", (("a", "work"),)): (0.0, 1.0)}).keys() == {"a"}


def test_a_root_that_only_carries_a_call_does_not_decide() -> None:
    assert blamed({("a", "GET /", "", ANSWER): (1.0, 0.25), QUIET_ENTRY: (0.0, 0.75)}).keys() == {"b"}


def test_the_mix_of_requests_through_a_gateway_is_nobodys_fault() -> None:
    other: Row = ("a", "call b", "GET /", (("c", "GET /c"),))
    assert blamed({ENTRY: (1.0, 1.0), CARRIER: (0.75, 0.25), other: (0.25, 0.75)}) == {}


def test_one_call_without_the_other_that_always_follows_it_shows_though_both_are_still_made() -> None:
    """A quarter of the requests order; the orders now break off. No call became much rarer."""
    order, look = ("a", "order"), ("a", "look up")
    usual: dict[Row, tuple[float, float]] = {
        ("a", "GET /", "", (look,)): (0.75, 0.75),
        ("a", "GET /", "", (look, order)): (0.25, 0.0),
    }
    assert blamed(usual | {("a", "GET /", "", (order,)): (0.0, 0.25)})["a"] > 1.0


def test_many_ways_of_doing_something_new_are_one() -> None:
    usual: Row = ("a", "GET /", "", (("a", "read"),))
    new: list[Row] = [("a", "GET /", "", (("a", f"new {i}"),)) for i in range(12)]
    structure = Structure.of_children(table({usual: (1.0, 0.7)} | dict.fromkeys(new, (0.0, 0.0)), per_bucket=10), TIMELINE)
    for i in range(len(new)):
        structure.presence.present[1 + i, ONSET + 1 + i :] += 1.0  # each once, in a bucket of its own
    alone = structure.presence.change(ONSET, TIMELINE.size).bound[1:].max()
    assert structure.evidence(structure.change(ONSET, TIMELINE.size, ONSET)).max() > alone + 1.0


def test_who_often_does_something_new_may_do_so_again() -> None:
    usual: Row = ("a", "GET /", "", (("a", "read"),))
    new: list[Row] = [("a", "GET /", "", (("a", f"new {i}"),)) for i in range(40)]
    made = table({usual: (0.9, 0.9)} | dict.fromkeys(new, (0.0, 0.0)), per_bucket=10)
    structure = Structure.of_children(made, TIMELINE)
    for i in range(30):
        structure.presence.present[1 + i, ONSET - 4 * i - 3 :] += 1.0
    for i in range(30, 34):
        structure.presence.present[1 + i, ONSET + 2 :] += 1.0
    restless = structure.evidence(structure.change(ONSET, TIMELINE.size, ONSET)).max()
    structure.presence.present[1:31] = 0.0
    assert restless < 0.5 * structure.evidence(structure.change(ONSET, TIMELINE.size, ONSET)).max()


@pytest.mark.parametrize(("children", "guilty"), [((), "a"), (ANSWER, "b")])
def test_failures_speak_against_the_service_that_failed_or_was_called(children: tuple[Kind, ...], guilty: str) -> None:
    row: dict[Row, tuple[float, float]] = {("a", "GET /", "", children): (1.0, 1.0)}
    assert worst(Structure.of_failures(table(row, errors=(0, 3)), TIMELINE))[guilty] > 2.0
    assert worst(Structure.of_failures(table(row, errors=(3, 0)), TIMELINE)) == {}


def test_a_failed_call_that_nobody_answered_speaks_against_whom_the_operation_calls_otherwise() -> None:
    rows: dict[Row, tuple[float, float]] = {ENTRY: (1.0, 1.0), CARRIER: (1.0, 0.25), UNANSWERED: (0.0, 0.75)}
    assert span_keys(table(rows))[2] == ("a", "call b", "GET /", "b")


def test_spans_that_were_not_read_are_little_evidence_of_failures() -> None:
    row: dict[Row, tuple[float, float]] = {("a", "GET /", "", ()): (1.0, 1.0)}
    few, all_read = (table(row, errors=(0, 4), per_bucket=n) for n in (1, 100))
    scaled = all_read.set_column(all_read.column_names.index("requests"), "requests", few.column("requests"))
    found, surer = (worst(Structure.of_failures(made, TIMELINE)).get("a", 0.0) for made in (scaled, all_read))
    assert found < 1.0
    assert surer > 3.0


def test_what_never_happened_did_not_become_more_frequent() -> None:
    never: Row = ("a", "GET /", "", (("a", "repair"),))
    structure = Structure.of_children(table({("a", "GET /", "", ()): (1.0, 1.0), never: (0.0, 0.0)}, per_bucket=50), TIMELINE)
    assert worst(structure) == {}
    structure.presence.units[:, ONSET:] = structure.presence.units[:, [ONSET]] + np.arange(TIMELINE.size - ONSET + 1)
    assert worst(structure) == {}, "however little is compared with however much"


def test_the_step_is_the_one_that_sources_are_asked_with() -> None:
    assert (TIMELINE.moment(1) - TIMELINE.moment(0)).total_seconds() == STEP_SECONDS
