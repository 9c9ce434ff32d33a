"""Invariants: an answer that nobody knows says what was ruled out and which data would decide; two causes are told as two."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import assume, given

from middlewatch.records import (
    AgentName,
    AnomalyKind,
    Assessment,
    CauseKind,
    ChangeKind,
    Family,
    Freshness,
    Mechanism,
    Outcome,
    Report,
    Signal,
)
from middlewatch.tools.wording import quoted
from tests.hostile import HOSTILE
from tests.unit.agents.shared_context import NOW, Finding, SharedContext, anomaly, assessment, began

SIGNALS = {
    AgentName.METRICS: Signal.METRICS,
    AgentName.LOGS: Signal.LOGS,
    AgentName.TRACES: Signal.TRACES,
    AgentName.DEPLOYS: Signal.CHANGES,
}


def fresh(agent: AgentName, *, there: bool = True) -> tuple[Freshness, ...]:
    return (Freshness(signal=SIGNALS[agent], watermark=NOW if there else None, horizon=NOW),)


def report_of(findings: Finding) -> Report:
    report = SharedContext(findings).run().report
    assert report is not None
    return report


def faint(agent: AgentName, _round: int) -> Assessment:
    """Metrics hardly deviate, logs know one of the two services, there are no traces and no changes."""
    scores = {AgentName.METRICS: {"a": 0.05, "b": 0.04, "calm": 0.0}, AgentName.LOGS: {"a": 0.01, "calm": 0.0}}.get(agent, {})
    there = agent in (AgentName.METRICS, AgentName.LOGS)
    cleared = ('deploy of "b" came after the detection',) if agent is AgentName.DEPLOYS else ()
    return assessment(agent, scores, freshness=fresh(agent, there=there), cleared=cleared)


def test_an_inconclusive_answer_says_what_was_ruled_out_and_what_would_decide() -> None:
    report = report_of(faint)
    assert report.outcome is Outcome.INCONCLUSIVE
    assert report.causes == ()
    assert report.ruled_out == ('deploy of "b" came after the detection', 'nothing unusual in "calm"')
    assert report.would_decide == (
        'logs of "b": they would show what it says when it fails',
        "traces, of which there were none: of a service they show whether it loses the time itself or waits for others",
        "changes, of which there were none: of a service they show whether it was changed just before",
        "the service and the metric that alarmed: how rare its value is, and on whom it depends, would count",
    )
    assert "Connect a source of traces: this investigation had none." in report.next_steps


def test_where_nothing_deviates_the_odds_that_are_left_are_explained() -> None:
    def quiet(agent: AgentName, _round: int) -> Assessment:
        return assessment(agent, {} if agent is AgentName.DEPLOYS else {"a": 0.0, "b": 0.0}, freshness=fresh(agent))

    report = report_of(quiet)
    assert f"{report.change_probability:.0%}" == "17%"
    assert report.answer == (
        "I don't know: nothing deviates from its baseline in what could be seen. Half of all alerts are taken to be about "
        "something; that nothing is seen leaves 17%."
    )


def test_a_short_history_is_named() -> None:
    def young(agent: AgentName, number: int) -> Assessment:
        return faint(agent, number).model_copy(update={"usual_tops": (9.0,)})

    expected = "more metrics and logs from before the incident: so few quiet moments do not show what is usual"
    assert expected in report_of(young).would_decide


def loud(agent: AgentName, _round: int, mechanism: Mechanism | None = Mechanism.SATURATION) -> Assessment:
    if agent in (AgentName.DEPLOYS, AgentName.LOGS):
        return assessment(agent, {}, freshness=fresh(agent, there=False))
    seen = anomaly("cause", 30.0).model_copy(update={"mechanism": mechanism})
    return assessment(agent, {"cause": 30.0, "calm": 0.0}, freshness=fresh(agent), anomalies=(seen,))


def test_a_finding_whose_kind_is_known_needs_no_more_data() -> None:
    report = report_of(loud)
    cause = report.hypotheses[0].hypothesis.cause
    assert cause is not None
    assert cause.kind is CauseKind.SATURATION
    assert report.would_decide == ()


def test_a_finding_whose_kind_is_unknown_says_what_would_show_it() -> None:
    report = report_of(lambda agent, number: loud(agent, number, None))
    assert report.outcome is Outcome.FINDING
    assert report.would_decide == (
        "logs, of which there were none: of a service they show what it says when it fails",
        "changes, of which there were none: of a service they show whether it was changed just before",
    )


def test_two_causes_are_told_as_two() -> None:
    def both(agent: AgentName, _round: int) -> Assessment:
        if agent is AgentName.DEPLOYS:
            return assessment(agent, {}, freshness=fresh(agent))
        facts = tuple(anomaly(s, 30.0, AnomalyKind.OPERATION, f"work of {s}") for s in ("stock", "prices"))
        edges = (("web", "stock"), ("web", "prices"))
        return assessment(agent, {"stock": 30.0, "prices": 29.0, "web": 0.0}, edges=edges, anomalies=facts, freshness=fresh(agent))

    report = report_of(both)
    assert [cause.service for cause in report.causes] == ["stock", "prices"]
    assert report.answer == (
        '"stock" is the most likely root cause: work of stock of "stock" rose from 1 ms to 2 ms. "prices" is a second cause, '
        'which the first does not explain: work of prices of "prices" rose from 1 ms to 2 ms.'
    )
    assert [step.partition(":")[0] for step in report.next_steps][:2] == ['Look at "stock" first', 'Look at "prices" as well']
    assert report.confidence == report.causes[0].confidence


def test_what_the_first_cause_explains_proves_no_second_one() -> None:
    """A caller that fails with the first cause, and does other things in requests that never get there."""

    def both(agent: AgentName, _round: int) -> Assessment:
        if agent is AgentName.DEPLOYS:
            return assessment(agent, {}, freshness=fresh(agent))
        failing = {"family": Family.ERRORS}
        facts = (
            anomaly("stock", 30.0, AnomalyKind.OPERATION, "failing stock").model_copy(update=failing),
            anomaly("web", 29.0, AnomalyKind.EDGE, "failing calls").model_copy(update={**failing, "peer": "stock"}),
            anomaly("web", 28.0, AnomalyKind.OPERATION, "failing pages").model_copy(update=failing),
            anomaly("web", 27.0, AnomalyKind.STRUCTURE, "other calls").model_copy(
                update={"family": Family.OTHER, "passed": ("web", "prices")}
            ),
        )
        edges = (("web", "stock"), ("web", "prices"))
        return assessment(agent, {"stock": 30.0, "web": 29.0}, edges=edges, anomalies=facts, freshness=fresh(agent))

    report = report_of(both)
    assert [cause.service for cause in report.causes] == ["stock", "web"]
    first, second = report.answer.split(". ")
    assert first.endswith('failing stock of "stock" rose from 1 ms to 2 ms')
    assert second.endswith('other calls of "web" rose from 1 ms to 2 ms.')
    assert not set(report.causes[0].evidence) & set(report.causes[1].evidence)
    assert report.next_steps[1].startswith('Look at "web" as well: other calls')


def test_proof_is_no_fact_of_an_agent_that_does_not_support_the_cause() -> None:
    def found(agent: AgentName, number: int) -> Assessment:
        if agent is not AgentName.METRICS:
            return loud(agent, number)
        spike = anomaly("cause", 99.0, subject="one spike")
        return assessment(agent, {"cause": 0.0, "calm": 0.0}, freshness=fresh(agent), anomalies=(spike,))

    report = report_of(found)
    assert [cause.service for cause in report.causes] == ["cause"]
    assert not any("one spike" in text for text in (report.answer, *report.next_steps))


def changed(*changes: tuple[str, float, str], minutes_ago: float = 3.0) -> Finding:
    """The loud metrics and traces, and changes that the correlator suspects: service, strength and version."""

    def found(agent: AgentName, number: int) -> Assessment:
        if agent is not AgentName.DEPLOYS:
            return loud(agent, number)
        facts = tuple(
            anomaly(service, strength, AnomalyKind.CHANGE, f"deploy {version}").model_copy(
                update={
                    "summary": f"{clause}, 2 min before the detection; a remark",
                    "clause": clause,
                    "change": ChangeKind.DEPLOY,
                    "onset": began(minutes_ago=minutes_ago),
                }
            )
            for service, strength, version in changes
            for clause in [f"deploy {quoted(version)} of {quoted(service)} at 01:57:00 UTC"]
        )
        scores = {service: strength for service, strength, _ in changes}
        return assessment(agent, scores, freshness=fresh(agent), anomalies=facts, cleared=('deploy "7" of "calm" was late',))

    return found


def test_the_most_suspect_change_of_the_cause_is_blamed_and_every_other_change_cleared() -> None:
    report = report_of(changed(("cause", 0.4, "1"), ("cause", 0.9, "2"), ("calm", 1.1, "3")))
    (blamed,) = (e for e in report.evidence if e.anomaly.subject == "deploy 2")
    assert [cause.change for cause in report.causes] == [blamed.id]
    assert report.answer.endswith('; just before: deploy "2" of "cause" at 01:57:00 UTC.')
    assert report.next_steps[0] == f"Consider undoing this change: {blamed.anomaly.summary}"
    assert set(report.ruled_out) >= {
        'deploy "7" of "calm" was late',
        'deploy "1" of "cause" at 01:57:00 UTC came in time, but another change explains more',
        'deploy "3" of "calm" at 01:57:00 UTC came in time, but the trouble began in "cause"',
    }


def test_a_change_that_is_hardly_the_trigger_is_something_to_check_and_nothing_to_undo() -> None:
    report = report_of(changed(("cause", 0.07, "1"), ("cause", 0.25, "2"), ("calm", 1.1, "3")))
    assert [cause.change for cause in report.causes] == [None]
    assert "deploy" not in report.answer
    assert report.next_steps[0].startswith('Look at "cause" first')
    assert [step.partition(", 2 min")[0] for step in report.next_steps[1:3]] == [
        f'Check this change ({chance} that it is the trigger): deploy "{version}" of "cause" at 01:57:00 UTC'
        for chance, version in (("22%", 2), ("7%", 1))
    ]
    assert not any(word in text for word in ("undo", "changed before") for text in sentences_of(report))
    assert not any('of "cause"' in line and "came in time" in line for line in report.ruled_out)


@pytest.mark.parametrize(("strength", "named"), [(0.69, False), (0.70, True)])
def test_a_change_is_named_and_to_be_undone_where_it_is_the_trigger_more_likely_than_not(*, strength: float, named: bool) -> None:
    report = report_of(changed(("cause", strength, "2")))
    assert [cause.change is not None for cause in report.causes] == [named]
    assert ('deploy "2" of "cause"' in report.answer) is named
    assert any(step.startswith("Consider undoing this change") for step in report.next_steps) is named
    assert any(step.startswith("Check this change (50%") for step in report.next_steps) is not named


@pytest.mark.parametrize(("minutes_ago", "said"), [(2.5, "just before"), (12.0, "10 min before"), (1.9, "just before")])
def test_just_before_is_said_of_nothing_else(minutes_ago: float, said: str) -> None:
    report = report_of(changed(("cause", 0.9, "2"), minutes_ago=minutes_ago))
    assert f'; {said}: deploy "2" of "cause"' in report.answer


@pytest.mark.parametrize("version", ["ratio=0.5, timeout=2", 'say "hi", then', "a, b, c"])
def test_a_change_is_named_in_full_whatever_its_version_holds(version: str) -> None:
    report = report_of(changed(("cause", 0.9, version), ("calm", 0.8, version)))
    name = f'deploy {quoted(version)} of "cause" at 01:57:00 UTC'
    cause = report.hypotheses[0].hypothesis.cause
    assert cause is not None
    assert report.answer.endswith(f"; just before: {name}.")
    assert f"it was changed before: {name}" in f"{cause.why[0].lower()}{cause.why[1:]}"
    assert f'{name.replace("cause", "calm")} came in time, but the trouble began in "cause"' in report.ruled_out


@given(HOSTILE, HOSTILE, HOSTILE)
def test_no_sentence_of_a_report_holds_a_control_character(cause: str, other: str, error: str) -> None:
    """Agents quote what they tell; the names that conclusions add are quoted, too."""
    assume(cause != other)

    def found(agent: AgentName, number: int) -> Assessment | None:
        if agent is AgentName.LOGS:
            return None
        assessed = changed(("cause", 0.9, error), ("calm", 0.8, error))(agent, number)
        assert assessed is not None
        names = {"cause": cause, "calm": other}
        facts = tuple(a.model_copy(update={"service": names[a.service], "summary": quoted(a.summary)}) for a in assessed.anomalies)
        return assessed.model_copy(
            update={
                "scores": {names[s]: score for s, score in assessed.scores.items()},
                "anomalies": facts,
                "edges": ((other, cause),),
            }
        )

    report = SharedContext(found, error=error).run().report
    assert report is not None
    assert [text for text in sentences_of(report) if not text.isprintable()] == []


def sentences_of(report: Report) -> Iterator[str]:
    """Everything in a report that is told in middlewatch's own words."""
    yield from (report.answer, *report.ruled_out, *report.missing, *report.would_decide, *report.next_steps)
    for row in report.hypotheses:
        yield row.hypothesis.statement
        yield from (vote.reason for vote in row.votes)
        yield from (row.hypothesis.cause.why,) if row.hypothesis.cause else ()
        yield from row.explanation.remarks if row.explanation else ()


def test_a_change_of_another_service_is_not_blamed() -> None:
    report = report_of(changed(("calm", 1.1, "3")))
    assert [cause.change for cause in report.causes] == [None]
    assert "deploy" not in report.answer
    assert not any("deploy" in step for step in report.next_steps)


def test_an_inconclusive_answer_blames_no_change_and_says_which_is_open() -> None:
    def found(agent: AgentName, number: int) -> Assessment | None:
        return changed(("b", 0.6, "4"))(agent, number) if agent is AgentName.DEPLOYS else faint(agent, number)

    report = report_of(found)
    assert report.outcome is Outcome.INCONCLUSIVE
    assert "deploy" not in report.answer
    assert report.next_steps[0].startswith('Check this change first, which nothing clears: deploy "4" of "b"')
