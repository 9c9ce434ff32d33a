"""Precedents: of other occurrences, the most alike first and a rare trait counting more, with what came of them and fixed them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from middlewatch.frontends import similar_wording
from middlewatch.records import (
    AgentName,
    ApprovalRequest,
    CauseKind,
    Execution,
    Feedback,
    Handling,
    Headline,
    Investigation,
    InvestigationState,
    Outcome,
    Recovery,
    Report,
    RequestState,
    Scope,
    Snapshot,
    Symptom,
    Verdict,
)
from middlewatch.similar import Precedents, Similar
from tests.report_finding import finding
from tests.reports import empty, inconclusive
from tests.store_data import NOW, make_investigation, make_request

SYMPTOM = Symptom(service="shop", metric="latency")
KINDS = list(CauseKind)
RIGHT = Handling(feedback=(Feedback(by="mia", at=NOW, verdict=Verdict.RIGHT),))
WRONG = Handling(
    feedback=(*RIGHT.feedback, Feedback(by="leo", at=NOW + timedelta(hours=1), verdict=Verdict.WRONG, cause="the <b>disk"))
)


def of(report: Report, number: int, *, days_ago: float = 1) -> Snapshot:
    """The report as that of another investigation."""
    at = NOW - timedelta(days=days_ago)
    name = f"inv-{number}"
    alert = report.alert.model_copy(update={"source_id": name, "detected_at": at, "window_end": at + timedelta(minutes=1)})
    report = report.model_copy(update={"investigation": name, "alert": alert})
    investigation = Investigation(
        tenant=report.tenant,
        id=name,
        scope=report.scope,
        alert=alert,
        opened_at=at,
        state=InvestigationState.CLOSED,
        headline=Headline.of(report),
    )
    return Snapshot(investigation=investigation, report=report)


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
    """One from before there were marks."""
    at = NOW - timedelta(days=days_ago)
    investigation = make_investigation(identifier=f"inv-{number}", source_id=f"alert-{number}")
    alert = investigation.alert.model_copy(
        update={"symptom": symptom, "detected_at": at, "window_end": at + timedelta(minutes=1), "title": f"alert {number}"}
    )
    headline = Headline(outcome=outcome, answer="it is", confidence=0.8, service=service, cause=kind)
    return investigation.model_copy(
        update={"alert": alert, "opened_at": at, "state": InvestigationState.CLOSED, "headline": headline if told else None}
    )


THIS = of(finding(), 0, days_ago=0)


def found(
    others: Sequence[Investigation],
    *,
    this: Snapshot = THIS,
    requests: Sequence[ApprovalRequest] = (),
    said: Mapping[str, Handling] | None = None,
    limit: int = 10,
) -> Precedents:
    handlings = said or {}
    similar = Similar(
        lambda most: [this.investigation, *others][:most],
        lambda ids: {one: handlings.get(one, Handling()) for one in ids},
        lambda *, limit: requests[:limit],
    )
    return similar.to(this, limit=limit)


def names(precedents: Precedents) -> list[str]:
    return [one.investigation for one in precedents.earlier]


def part(facts: int) -> Report:
    """The same with some of its facts."""
    return finding().model_copy(update={"evidence": finding().evidence[:facts]})


def test_the_most_alike_come_first_and_of_equals_the_newest() -> None:
    others = [of(one, number).investigation for number, one in enumerate((inconclusive(), part(3), finding()), 1)]
    others.append(of(finding(), 4, days_ago=3).investigation)
    alike = found([*others, *(made(number, service=f"s{number}", symptom=None) for number in range(10, 20))])
    assert names(alike)[:3] == ["inv-3", "inv-4", "inv-2"]
    first, second, third = alike.earlier[:3]
    assert first.likeness == second.likeness == 1.0 > third.likeness
    assert alike.looked_at == 14
    assert names(found(others, limit=1)) == ["inv-3"]


def test_a_rare_trait_counts_more_than_a_common_one() -> None:
    """Both have one fact of ours; the fact of the first is in everything else as well."""
    report = finding()
    slow, logged = (next(fact for fact in report.evidence if fact.agent is agent) for agent in (AgentName.METRICS, AgentName.LOGS))
    first, last, both = (
        report.model_copy(update={"evidence": facts, "hypotheses": ()}) for facts in ((slow,), (logged,), (slow, logged))
    )
    common = [of(first, number).investigation for number in range(10, 30)]
    assert names(found([*common, of(last, 1).investigation], this=of(both, 0, days_ago=0)))[0] == "inv-1"


def test_what_both_have_is_told_with_its_service_where_that_is_the_same() -> None:
    (one,) = found([of(finding(), 1).investigation]).earlier
    assert len(one.shared) == 5
    assert not any("another service" in words for words in one.shared)


def test_the_same_fault_elsewhere_is_alike_in_part() -> None:
    report = finding()
    moved = Report.model_validate_json(report.model_dump_json().replace("checkout-api", "basket-api"))
    (one,) = found([of(moved, 1).investigation, *(made(n, service=f"s{n}", symptom=None) for n in range(2, 9))]).earlier
    assert 0.1 < one.likeness < 1.0
    assert any("in another service" in words for words in one.shared)


def test_the_same_occurrence_and_what_came_later_are_no_precedents() -> None:
    again = of(finding(), 1).investigation.model_copy(update={"alert": THIS.investigation.alert})
    later = of(finding(), 2, days_ago=-1).investigation
    assert found([again, later]) == Precedents(earlier=(), seen=0, looked_at=0)


def test_one_from_before_there_were_marks_is_found_by_its_headline_and_its_alarm() -> None:
    leading = finding().hypotheses[0].hypothesis
    cause = leading.cause.kind if leading.cause else None
    mine = finding().alert.symptom
    others = [made(1, service=leading.service, kind=cause, symptom=mine), *(made(n, symptom=None) for n in range(2, 9))]
    assert names(found(others)) == ["inv-1"]


def test_a_guess_is_no_cause_and_what_has_no_answer_is_like_nothing() -> None:
    leading = finding().hypotheses[0].hypothesis
    guess = made(1, service=leading.service, outcome=Outcome.INCONCLUSIVE, symptom=None)
    assert found([guess, made(2, service=leading.service, told=False)]).earlier == ()


def test_of_an_answer_that_was_found_wrong_what_it_blames_counts_for_nothing() -> None:
    right, wrong = (of(finding(), number).investigation for number in (1, 2))
    alike = found([wrong, right], said={"inv-1": RIGHT, "inv-2": WRONG})
    assert names(alike) == ["inv-1", "inv-2"]
    assert alike.earlier[1].wrong
    assert "WRONG" in similar_wording.answer(alike.earlier[1])
    assert not any("same kind of cause" in words or "the same service" in words for words in alike.earlier[1].shared)


def test_while_it_runs_its_facts_are_compared() -> None:
    report = THIS.report
    assert report is not None
    running = Snapshot(investigation=THIS.investigation.model_copy(update={"headline": None}), evidence=report.evidence)
    others = [of(finding(), 1).investigation, *(made(n, symptom=None) for n in range(2, 9))]
    assert names(found(others, this=running)) == ["inv-1"]


def test_without_telemetry_only_the_alarm_is_alike() -> None:
    nothing = of(empty(), 0, days_ago=0)
    (one,) = found([of(empty(), 1).investigation, *(made(n, symptom=None) for n in range(2, 9))], this=nothing).earlier
    assert [words.partition(",")[0].partition(" of")[0] for words in one.shared] == ["the same alarm"]


def test_the_same_symptom_is_counted_over_thirty_days_each_occurrence_once() -> None:
    this = Snapshot(investigation=made(0, days_ago=0))
    once = made(1, days_ago=3)
    again = once.model_copy(update={"id": "inv-9"})
    others = [once, again, made(2, days_ago=29), made(3, days_ago=31), made(4, symptom=None), made(5, told=False)]
    assert found(others, this=this).seen == 3
    assert found([once], this=Snapshot(investigation=made(0, days_ago=0, symptom=None))).seen == 0


def test_what_came_of_it_is_told_and_what_fixed_it() -> None:
    before = of(finding(), 1).investigation
    mine = make_request(investigation=before)
    done = Execution(executor="ex-1", fence=1, began_at=NOW, recovery=Recovery.RECOVERED, recovered_at=NOW)
    fixed = mine.model_copy(update={"id": "apr-3", "state": RequestState.SUCCEEDED, "execution": done})
    other = make_request("apr-2", investigation=made(2))
    (one,) = found([before], requests=[other, mine, fixed], said={"inv-1": WRONG}).earlier
    assert one.feedback == WRONG.feedback
    assert [(tried.request, tried.state, tried.recovery) for tried in one.tried] == [
        (mine.id, mine.state, None),
        ("apr-3", RequestState.SUCCEEDED, Recovery.RECOVERED),
    ]
    assert one.fixed_by == one.tried[1]
    assert similar_wording.fixed(one).startswith("fixed by ")
    assert any(line.startswith("tried: ") for line in similar_wording.others(one))
    (without,) = found([before], requests=[mine], said={"inv-1": WRONG}).earlier
    assert without.fixed_by is None
    assert similar_wording.fixed(without) == 'what fixed it is not known; the cause was "the <b>disk", says leo'
    (nothing,) = found([before]).earlier
    assert similar_wording.fixed(nothing) == "what fixed it is not known"


def again(
    before: Report, *, today: Report | None = None, days_ago: float = 1, said: Mapping[str, Handling] | None = None
) -> Report | None:
    """Which report is that of the same incident again."""
    runs = of(today or finding(), 0, days_ago=0)
    running = runs.model_copy(update={"report": None, "preliminary": runs.report})
    others = [of(before, 1, days_ago=days_ago).investigation, *(made(n, service=f"s{n}", symptom=None) for n in range(2, 9))]
    handlings = said or {}
    similar = Similar(
        lambda _: others, lambda ids: {one: handlings.get(one, Handling()) for one in ids}, lambda *, limit: [][:limit]
    )
    return similar.again(running, lambda name: before.model_copy(update={"investigation": name}))


def test_an_incident_comes_back_where_all_is_alike_lately_and_nobody_called_it_wrong() -> None:
    found = again(finding())
    assert found is not None
    assert found.investigation == "inv-1"
    assert again(finding(), days_ago=8) is None
    assert again(finding(), said={"inv-1": WRONG}) is None
    assert again(inconclusive()) is None
    assert again(finding(), today=inconclusive()) is None
    row = finding().hypotheses[0]
    elsewhere = row.model_copy(update={"hypothesis": row.hypothesis.model_copy(update={"service": "other"})})
    assert again(finding().model_copy(update={"hypotheses": (elsewhere,)})) is None
    assert again(finding().model_copy(update={"scope": Scope(tenant=finding().tenant, recording="another")})) is None
