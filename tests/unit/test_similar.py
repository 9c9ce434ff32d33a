"""Precedents: in a plain order, of other occurrences, with what came of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from middlewatch.records import (
    ApprovalRequest,
    CauseKind,
    Feedback,
    Handling,
    Headline,
    Investigation,
    InvestigationState,
    Outcome,
    Symptom,
    Verdict,
)
from middlewatch.similar import Likeness, Precedents, Similar
from tests.store_data import NOW, make_investigation, make_request

SYMPTOM = Symptom(service="shop", metric="latency")
KINDS = list(CauseKind)


def made(
    number: int,
    *,
    service: str = "cart",
    kind: CauseKind | None = KINDS[0],
    symptom: Symptom | None = SYMPTOM,
    days_ago: float = 1,
    outcome: Outcome = Outcome.FINDING,
    told: bool = True,
) -> Investigation:
    at = NOW - timedelta(days=days_ago)
    investigation = make_investigation(identifier=f"inv-{number}", source_id=f"alert-{number}")
    alert = investigation.alert.model_copy(
        update={"symptom": symptom, "detected_at": at, "window_end": at + timedelta(minutes=1), "title": f"alert {number}"}
    )
    headline = Headline(outcome=outcome, answer="it is", confidence=0.8, service=service, cause=kind)
    return investigation.model_copy(
        update={"alert": alert, "opened_at": at, "state": InvestigationState.CLOSED, "headline": headline if told else None}
    )


THIS = made(0, days_ago=0)
RIGHT = Handling(feedback=(Feedback(by="mia", at=NOW, verdict=Verdict.RIGHT),))


def found(
    others: Sequence[Investigation],
    *,
    this: Investigation = THIS,
    requests: Sequence[ApprovalRequest] = (),
    limit: int = 10,
) -> Precedents:
    similar = Similar(
        lambda most: [this, *others][:most],
        lambda ids: {one: RIGHT if one == "inv-1" else Handling() for one in ids},
        lambda: requests,
    )
    return similar.to(this, limit=limit)


def test_the_most_alike_come_first_and_of_one_likeness_the_newest() -> None:
    other = Symptom(service="other")
    others = [
        made(1, kind=KINDS[0], service="pay", symptom=other),
        made(2, service="pay", kind=KINDS[1], symptom=Symptom(service="shop")),
        made(3, service="pay", kind=KINDS[1]),
        made(4, kind=KINDS[1], symptom=other),
        made(5, symptom=None, days_ago=9),
        made(6, symptom=other, days_ago=2),
        made(7, service="pay", kind=KINDS[1], symptom=other),
    ]
    alike = found(others)
    assert [(one.investigation, one.likeness) for one in alike.earlier] == [
        ("inv-6", Likeness.SAME_CAUSE),
        ("inv-5", Likeness.SAME_CAUSE),
        ("inv-4", Likeness.SAME_SERVICE),
        ("inv-3", Likeness.SAME_METRIC),
        ("inv-2", Likeness.SAME_SYMPTOM),
        ("inv-1", Likeness.SAME_KIND),
    ]
    assert alike.looked_at == 7
    assert [one.investigation for one in found(others, limit=2).earlier] == ["inv-6", "inv-5"]


def test_the_same_occurrence_and_what_came_later_are_no_precedents() -> None:
    again = made(1).model_copy(update={"alert": THIS.alert})
    later = made(2, days_ago=-1)
    assert found([again, later]) == Precedents(earlier=(), seen=0, looked_at=0)


def test_a_guess_is_no_cause_and_what_has_no_answer_is_like_nothing() -> None:
    guess, open_ = made(1, outcome=Outcome.INCONCLUSIVE, symptom=None), made(2, told=False)
    assert found([guess, open_]).earlier == ()


def test_while_it_runs_only_its_symptom_is_known() -> None:
    running = THIS.model_copy(update={"headline": None})
    assert [one.likeness for one in found([made(1)], this=running).earlier] == [Likeness.SAME_METRIC]


def test_the_same_symptom_is_counted_over_thirty_days_each_occurrence_once() -> None:
    once = made(1, days_ago=3)
    again = once.model_copy(update={"id": "inv-9"})
    assert found([once, again, made(2, days_ago=29), made(3, days_ago=31), made(4, symptom=None), made(5, told=False)]).seen == 3
    assert found([once], this=THIS.model_copy(update={"alert": THIS.alert.model_copy(update={"symptom": None})})).seen == 0


def test_what_came_of_it_is_told() -> None:
    mine = make_request(investigation=made(1))
    other = make_request("apr-2", investigation=made(2))
    (one,) = found([made(1)], requests=[other, mine]).earlier
    assert one.feedback == RIGHT.feedback
    assert [(tried.request, tried.state, tried.recovery) for tried in one.tried] == [(mine.id, mine.state, None)]
    assert (one.title, one.headline.service) == ("alert 1", "cart")
