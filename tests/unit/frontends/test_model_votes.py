"""Invariant: what a model says of a hypothesis is shown beside what rules say, with what it counts, and never as theirs."""

from __future__ import annotations

import pytest

from middlewatch.frontends.cli.report import render_report
from middlewatch.frontends.model_votes import calibration, model_votes
from middlewatch.frontends.reading import Reading, latest, tally
from middlewatch.frontends.web.answer_view import answer_view
from middlewatch.frontends.web.facts_view import hypotheses_view
from middlewatch.records import (
    AgentName,
    Calibrated,
    Challenge,
    ChallengeVerdict,
    Investigation,
    ModelWork,
    Position,
    Report,
    Scope,
    Snapshot,
    Voice,
    Vote,
)
from tests import hostile, reports


def reasoned(*, weight: float = 0.35, reason: str = "the pool ran dry", model: str = "m-1") -> Report:
    """A finding that two models voted on and one could not refute."""
    report = reports.finding()
    leading = report.hypotheses[0]

    def said(agent: AgentName, position: Position, strength: float) -> Vote:
        return Vote(
            tenant=report.tenant,
            investigation=report.investigation,
            hypothesis=leading.hypothesis.id,
            agent=agent,
            round=leading.hypothesis.round,
            position=position,
            strength=strength,
            reason=reason,
            evidence=leading.hypothesis.evidence[:1],
            voice=Voice.MODEL,
            model=model,
            weight=weight,
        )

    votes = (said(AgentName.TRACES, Position.OPPOSE, 2.0), said(AgentName.METRICS, Position.SUPPORT, 1.1))
    challenge = Challenge(
        hypothesis=leading.hypothesis.id, verdict=ChallengeVerdict.STANDS, reason="nothing contradicts it", model=model
    )
    rows = (leading.model_copy(update={"votes": (*leading.votes, *votes)}), *report.hypotheses[1:])
    return report.model_copy(update={"hypotheses": rows, "models": ModelWork(challenge=challenge)})


def test_every_model_is_told_with_what_it_counts_in_the_order_of_the_agents() -> None:
    report = reasoned()
    told = [(one.speaker, one.words, one.reason) for one in model_votes(report, report.hypotheses[0])]
    assert told == [
        ("metrics agent's model m-1", "for 1.1, which counts 35 %", "the pool ran dry"),
        ("traces agent's model m-1", "against 2, which counts 35 %", "the pool ran dry"),
        ("challenger m-1", "could not refute it", "nothing contradicts it"),
    ]
    assert model_votes(report, report.hypotheses[1]) == ()
    assert "which counts for nothing" in model_votes(reasoned(weight=0.0), reasoned(weight=0.0).hypotheses[0])[0].words


def test_no_model_is_taken_for_an_agents_rules() -> None:
    report, before = reasoned(), reports.finding()
    assert latest(report.hypotheses[0].votes) == latest(before.hypotheses[0].votes)
    assert tally(report.hypotheses[0]) == tally(before.hypotheses[0])


def test_the_terminal_tells_both_voices() -> None:
    told = " ".join(render_report(reasoned(), width=100, color=False).split())
    assert "metrics agent's model m-1 for 1.1, which counts 35 %: the pool ran dry (E" in told
    assert "challenger m-1 could not refute it: nothing contradicts it" in told


@pytest.mark.parametrize("text", hostile.MARKUP)
def test_names_of_models_are_harmless(text: str) -> None:
    report = reasoned(model=text)
    assert all(one.speaker.isprintable() for one in model_votes(report, report.hypotheses[0]))


def test_the_page_has_both_voices() -> None:
    first, second, *_ = hypotheses_view(reasoned())
    assert [one.position for one in first.models] == [Position.SUPPORT, Position.OPPOSE, Position.ABSTAIN]
    assert [vote.words for vote in first.votes] == [vote.words for vote in hypotheses_view(reports.finding())[0].votes]
    assert second.models == ()


def calibrated(confidence: float) -> Report:
    report = reports.finding()
    causes = tuple(cause.model_copy(update={"confidence": confidence}) for cause in report.causes)
    told = Calibrated(stated=report.confidence, outcomes=41)
    return report.model_copy(update={"confidence": confidence, "causes": causes, "calibration": told})


def test_a_calibrated_confidence_says_what_the_votes_stated() -> None:
    report = calibrated(0.6)
    assert report.calibration is not None
    assert calibration(report.calibration) == "by 41 answers that people judged; the votes alone state 82 %"
    investigation = Investigation(
        tenant=report.tenant, id=report.investigation, scope=Scope(tenant=report.tenant), alert=report.alert
    )
    shown = answer_view(Snapshot(investigation=investigation, report=report))
    assert "the votes alone state 82 %" in shown.figures[0].text


@pytest.mark.parametrize("confidence", [0.05, 0.5, 0.82, 0.99])
def test_chances_stay_chances_when_one_is_calibrated(confidence: float) -> None:
    reading = Reading(calibrated(confidence))
    chances = [reading.chance(row) for row in reading.report.hypotheses]
    assert chances[0] == confidence
    assert sum(chances) + reading.none_of_these() == pytest.approx(1.0)
    plain = Reading(reports.finding())
    others = [plain.chance(row) for row in plain.report.hypotheses][1:]
    assert [chance / chances[1] for chance in chances[1:]] == pytest.approx([chance / others[0] for chance in others])
