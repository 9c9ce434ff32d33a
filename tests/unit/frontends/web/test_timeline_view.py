"""Invariants: whatever happened is said somewhere; what is drawn lies on the axis; no two labels of a lane run into one another."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.frontends.web.timeline_view import Mark, Timeline, timeline_view
from middlewatch.records import (
    AgentName,
    AnomalyKind,
    ApprovalRequest,
    Event,
    Evidence,
    Handling,
    Handover,
    Investigation,
    InvestigationState,
    Onset,
    Report,
    RequestState,
    Snapshot,
)
from tests import reports
from tests.approval_cards import done, request
from tests.report_parts import DETECTED, OPENED, fact

CHARACTER = 0.8
"""Width of a character of a label in per cent of the track where it is narrowest: 12 px type on 776 px takes less."""
SOON = OPENED + timedelta(minutes=3)


def snapshot(report: Report, facts: tuple[Evidence, ...] | None = None, *, recording: str = "") -> Snapshot:
    scope = report.scope.model_copy(update={"recording": recording})
    found = Investigation(
        tenant=report.tenant,
        id=report.investigation,
        scope=scope,
        alert=report.alert,
        state=InvestigationState.CLOSED,
        opened_at=report.opened_at,
        closed_at=report.closed_at,
    )
    return Snapshot(investigation=found, evidence=report.evidence if facts is None else facts, report=report)


def drawn(
    shown: Snapshot,
    events: tuple[Event, ...] = (),
    requests: tuple[ApprovalRequest, ...] = (),
    handling: Handling | None = None,
    now: datetime = SOON,
) -> Timeline:
    return timeline_view(shown, events, requests, handling or Handling(), now)


def worked(agent: str, seconds: float, task: str = "r1-one") -> tuple[Event, Event]:
    told = {"task": task, "task_kind": "investigate", "agent": agent}
    return (
        Event(id="1-0", at=OPENED, kind="task.claimed", data=dict(told)),
        Event(id="2-0", at=OPENED + timedelta(seconds=seconds), kind="task.finished", data=dict(told)),
    )


def at(minutes: float) -> datetime:
    return DETECTED + timedelta(minutes=minutes)


def moved(one: Evidence, minutes: float, number: int, strength: float) -> Evidence:
    moment = at(minutes)
    onset = Onset(at=moment, earliest=moment, latest=moment)
    anomaly = one.anomaly.model_copy(update={"onset": onset, "strength": strength})
    return one.model_copy(update={"id": f"ev-{number}", "anomaly": anomaly})


CHANGE = fact(
    AgentName.DEPLOYS,
    AnomalyKind.CHANGE,
    "shop",
    "deploy 7",
    (None, None, ""),
    summary='deploy "7" of "shop" at 01:45 UTC',
    strength=1.0,
    change="deploy",
)
FACTS = {
    agent: fact(agent, AnomalyKind.METRIC, "shop", "requests", (1.0, 9.0, "s"), summary="more", strength=1.0) for agent in AgentName
}
MINUTES = st.floats(min_value=-180, max_value=10, allow_nan=False)


def facts() -> st.SearchStrategy[tuple[Evidence, ...]]:
    kinds = st.sampled_from([CHANGE, CHANGE, *FACTS.values()])
    rows = st.lists(st.tuples(kinds, MINUTES, st.floats(min_value=0, max_value=9)), max_size=12)
    return rows.map(lambda found: tuple(moved(one, when, n, strong) for n, (one, when, strong) in enumerate(found)))


def extent(mark: Mark) -> tuple[float, float]:
    """Where the label of a mark is, in per cent, as the page draws it."""
    length = len(mark.label) * CHARACTER
    if mark.flipped:
        return mark.left - length, mark.left
    begins = mark.left + (mark.width if mark.kind == "work" else 0)
    return begins, begins + length


def marks(view: Timeline) -> Iterable[Mark]:
    return (mark for lane in view.lanes for mark in lane.marks)


@given(facts(), st.lists(st.floats(min_value=0, max_value=90), max_size=5))
def test_what_is_drawn_is_on_the_axis_and_labels_do_not_touch(found: tuple[Evidence, ...], handed: list[float]) -> None:
    steps = tuple(Handover(by="ann", to="bob", at=SOON + timedelta(minutes=one)) for one in sorted(handed))
    view = drawn(snapshot(reports.inconclusive(), found), worked("metrics", 20), handling=Handling(handovers=steps))
    for mark in marks(view):
        assert 0 <= mark.left <= mark.left + mark.width <= 100.01
        assert mark.label in {"", mark.words} or mark.words.startswith(mark.label.removesuffix("…"))
    for line in view.lines:
        assert 0 <= line.left <= 100
    for lane in view.lanes:
        legible = [extent(mark) for mark in lane.marks if mark.label and mark.kind not in {"window", "pending"}]
        for (_, ends), (begins, _) in pairwise(sorted(legible)):
            assert ends <= begins + 0.01, lane


@given(facts())
def test_every_change_and_every_agent_that_saw_something_is_said(found: tuple[Evidence, ...]) -> None:
    view = drawn(snapshot(reports.inconclusive(), found))
    said = [mark.kind for mark in view.moments]
    assert said.count("change") == sum(one.anomaly.kind is AnomalyKind.CHANGE for one in found)
    seeing = {one.agent for one in found if one.anomaly.kind is not AnomalyKind.CHANGE and one.anomaly.strength > 0}
    assert said.count("window") == len(seeing)
    assert [mark.start for mark in view.moments] == sorted(mark.start for mark in view.moments)


def test_a_finding_of_tonight() -> None:
    view = drawn(snapshot(reports.finding()), worked("traces", 27))
    lanes = {lane.name: [mark.words for mark in lane.marks] for lane in view.lanes}
    assert lanes["Alert"] == ["alert of storefront-web"]
    assert lanes["Changes"] == ['deploy "2.3.1" of "checkout-api" at 01:45:10 UTC']
    assert lanes["Metrics agent"][0].startswith("checkout-api: http.server.request.duration 9.9x")
    assert [line.kind for line in view.lines][:2] == ["deploy", "onset"]
    assert view.onset is not None
    left, width = view.onset
    assert left < next(line.left for line in view.lines if line.kind == "onset") < left + width


def test_what_is_done_about_a_recorded_incident_is_not_on_its_axis() -> None:
    view = drawn(snapshot(reports.finding(), recording="shop"), worked("traces", 27))
    assert {lane.name for lane in view.lanes}.isdisjoint({"Answer", "People", "Approvals", "Actions"})
    assert "which is not on this axis" in view.note
    assert {"Trace agent", "Answer"} <= {mark.lane for mark in view.moments}
    assert all(line.kind != "now" for line in view.lines)


@pytest.mark.parametrize("state", [RequestState.PENDING, RequestState.DENIED, RequestState.EXPIRED])
def test_what_waits_is_a_stretch_and_what_was_decided_is_a_point(state: RequestState) -> None:
    shown = request(state)
    (mark,) = (one for one in drawn(snapshot(reports.finding()), requests=(shown,)).moments if one.lane == "Approvals")
    assert (mark.kind == "pending") == (state is RequestState.PENDING)
    assert mark.href == f"/approvals/{shown.id}"
    assert str(state) in mark.words or "waits" in mark.words


def test_an_execution_says_what_became_of_it() -> None:
    kept = done()
    assert kept.execution is not None
    (ran, *_) = (one for one in drawn(snapshot(reports.finding()), requests=(kept,)).moments if one.lane == "Actions")
    assert ran.start == kept.execution.began_at
    assert str(kept.state) in ran.words


def test_nothing_at_all_still_has_an_axis() -> None:
    view = drawn(snapshot(reports.empty()))
    assert next(lane.name for lane in view.lanes) == "Alert"
    assert view.axis.window.seconds >= 300
    assert view.onset is None


def test_only_the_change_that_is_blamed_runs_through_all_lanes() -> None:
    base = reports.finding()
    others = tuple(moved(CHANGE, minutes, number, 1.0) for number, minutes in enumerate((-6.5, -6, -5)))
    lines = [line.kind for line in drawn(snapshot(base, (*base.evidence, *others))).lines]
    assert lines.count("deploy") == 1
    innocent = base.model_copy(update={"causes": tuple(one.model_copy(update={"change": None}) for one in base.causes)})
    assert "deploy" not in [line.kind for line in drawn(snapshot(innocent)).lines]
