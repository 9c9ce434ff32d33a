"""Invariants: a model weighs nothing before it was evaluated, nothing where it may guess, and no more for having been wrong."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.agents.weights import AGENTS, BORROWED, NO_WEIGHTS, Truth, exceeded, judged, truth_of, weights
from middlewatch.records import (
    CHALLENGER,
    AgentName,
    Cause,
    CauseKind,
    Challenge,
    ChallengeVerdict,
    Feedback,
    Hypothesis,
    ModelEvaluation,
    Position,
    Trials,
    Verdict,
    Voice,
    Vote,
)
from tests.reports import finding, inconclusive

MODEL = "m-1"
NOW = datetime(2026, 11, 22, tzinfo=UTC)
CODE, NETWORK = CauseKind.CODE, CauseKind.NETWORK
A, B = (
    Hypothesis(
        tenant="default",
        investigation="inv-1",
        id=f"hy-{service}",
        round=1,
        service=service,
        statement="x",
        evidence=(),
        cause=Cause(kind=kind, probability=0.9, why="x"),
    )
    for service, kind in (("a", CODE), ("b", NETWORK))
)


def evaluation(*trials: Trials, model: str = MODEL) -> ModelEvaluation:
    return ModelEvaluation(
        model=model, at=NOW, by="mira", engine="middlewatch 1", questions="q", incidents=10, masked=True, trials=trials
    )


def trials(right: int, wrong: int, kind: CauseKind = CODE, agent: str = "logs") -> Trials:
    return Trials(agent=agent, kind=kind, right=right, wrong=wrong)


def vote(about: Hypothesis, position: Position, strength: float = 1.0, *, agent: AgentName = AgentName.LOGS) -> Vote:
    return Vote(
        tenant="default",
        investigation="inv-1",
        hypothesis=about.id,
        agent=agent,
        round=1,
        position=position,
        strength=strength,
        reason="x",
        voice=Voice.MODEL,
        model=MODEL,
        weight=0.0,
    )


FOR_A, FOR_B = vote(A, Position.SUPPORT), vote(B, Position.SUPPORT)
AGAINST_A, AGAINST_B = vote(A, Position.OPPOSE), vote(B, Position.OPPOSE)


def counts(votes: list[Vote], truth: Truth) -> list[tuple[str, CauseKind, int, int]]:
    return [(t.agent, t.kind, t.right, t.wrong) for t in judged([A, B], votes, None, truth).get(MODEL, [])]


def test_a_model_that_nobody_evaluated_weighs_nothing_whatever_operators_said_of_it() -> None:
    praised = {MODEL: [trials(1000, 0)]}
    assert weights([], praised).of(MODEL, "logs", CODE) == 0.0
    assert weights([evaluation(trials(50, 0), model="another")], praised).of(MODEL, "logs", CODE) == 0.0
    assert NO_WEIGHTS.on_votes([FOR_A], [A])[0].weight == 0.0


def test_an_evaluation_gives_it_a_weight_and_verdicts_move_that() -> None:
    good = evaluation(trials(9, 1))
    first = weights([good]).of(MODEL, "logs", CODE)
    assert 0.3 < first < 0.6
    assert weights([good], {MODEL: [trials(5, 0)]}).of(MODEL, "logs", CODE) > first
    assert weights([good], {MODEL: [trials(0, 5)]}).of(MODEL, "logs", CODE) < first
    assert weights([good], {MODEL: [trials(0, 50)]}).of(MODEL, "logs", CODE) == 0.0


def test_each_agent_and_kind_has_a_weight_of_its_own_and_borrows_a_little_from_other_kinds() -> None:
    found = weights([evaluation(trials(40, 0), trials(0, 40, NETWORK), trials(40, 0, agent="traces"))])
    own = {key: found.of(MODEL, *key) for key in (("logs", CODE), ("logs", NETWORK), ("traces", NETWORK), ("metrics", CODE))}
    assert own["logs", CODE] > 0.4
    assert own["logs", NETWORK] == own["metrics", CODE] == 0.0
    assert 0.3 < own["traces", NETWORK] < weights([evaluation(trials(40, 0, NETWORK, agent="traces"))]).of(MODEL, "traces", NETWORK)
    row = weights([evaluation(trials(40, 0, agent="traces"))]).rows[MODEL, "traces", NETWORK]
    assert (row.alpha, row.beta) == (1 + BORROWED, 1), "no more than so many answers in other kinds"


@pytest.mark.parametrize(("right", "wrong"), [(0, 0), (1, 0), (5, 5), (60, 55), (0, 9)])
def test_who_may_be_guessing_weighs_nothing_or_next_to_it(right: int, wrong: int) -> None:
    assert weights([evaluation(trials(right, wrong))]).of(MODEL, "logs", CODE) == 0.0


COUNTS = st.tuples(st.integers(0, 200), st.integers(0, 200))


@given(COUNTS, COUNTS, st.integers(1, 20))
def test_a_weight_is_a_share_that_rises_with_right_answers_and_falls_with_wrong_ones(
    here: tuple[int, int], elsewhere: tuple[int, int], more: int
) -> None:
    def weight(right: int, wrong: int) -> float:
        return weights([evaluation(trials(right, wrong), trials(*elsewhere, NETWORK))]).of(MODEL, "logs", CODE)

    right, wrong = here
    assert 0.0 <= weight(right, wrong + more) <= weight(right, wrong) <= weight(right + more, wrong) <= 1.0


@pytest.mark.parametrize(("alpha", "beta", "quantile"), [(1, 1, 0.1), (10, 2, 0.6902), (2, 10, 0.0488), (300, 100, 0.7216)])
def test_the_quantile_is_that_of_the_beta_distribution(alpha: float, beta: float, quantile: float) -> None:
    """By tables of the regularised incomplete beta function."""
    assert exceeded(alpha, beta) == pytest.approx(quantile, abs=0.001)


@pytest.mark.parametrize(
    ("votes", "truth", "expected"),
    [
        ([FOR_A, AGAINST_B], Truth(frozenset("a")), [("logs", CODE, 1, 0)]),
        ([FOR_A, AGAINST_B], Truth(frozenset("b")), [("logs", CODE, 0, 1)]),
        ([FOR_A, vote(B, Position.SUPPORT, 2.0)], Truth(frozenset("b")), [("logs", NETWORK, 1, 0)]),
        ([FOR_A, FOR_B], Truth(frozenset("b")), []),
        ([FOR_A], Truth(frozenset()), [("logs", CODE, 0, 1)]),
        ([AGAINST_A, AGAINST_B], Truth(frozenset()), [("logs", CODE, 1, 0)]),
        ([AGAINST_A, AGAINST_B], Truth(frozenset("b")), [("logs", NETWORK, 0, 1)]),
        ([AGAINST_A, vote(B, Position.ABSTAIN, 0.0)], Truth(frozenset("b")), []),
        ([AGAINST_A], Truth(frozenset("c")), [("logs", CODE, 1, 0)]),
        ([vote(A, Position.ABSTAIN, 0.0)], Truth(frozenset("a")), []),
        ([FOR_A], Truth(None, frozenset("a")), [("logs", CODE, 0, 1)]),
        ([FOR_B], Truth(None, frozenset("a")), []),
        ([AGAINST_A], Truth(None, frozenset("a")), [("logs", CODE, 1, 0)]),
    ],
)
def test_an_agents_model_is_judged_once_by_what_it_favours(
    votes: list[Vote], truth: Truth, expected: list[tuple[str, CauseKind, int, int]]
) -> None:
    assert counts(votes, truth) == expected


def test_rules_votes_are_judged_by_nobody() -> None:
    assert judged([A], [FOR_A.model_copy(update={"voice": Voice.RULES, "model": ""})], None, Truth(frozenset("a"))) == {}


@pytest.mark.parametrize(
    ("verdict", "truth", "expected"),
    [
        (ChallengeVerdict.REFUTED, "b", [(1, 0)]),
        (ChallengeVerdict.REFUTED, "a", [(0, 1)]),
        (ChallengeVerdict.STANDS, "a", []),
        (ChallengeVerdict.UNDECIDED, "b", []),
    ],
)
def test_of_the_challenger_counts_what_it_refuted(verdict: ChallengeVerdict, truth: str, expected: list[tuple[int, int]]) -> None:
    challenge = Challenge(hypothesis=A.id, verdict=verdict, reason="x", model=MODEL)
    found = judged([A, B], [], challenge, Truth(frozenset(truth))).get(MODEL, [])
    assert [(t.right, t.wrong) for t in found] == expected
    assert {(t.agent, t.kind) for t in found} <= {(CHALLENGER, CODE)}
    weighed = weights([evaluation(trials(30, 0, agent=CHALLENGER))]).on_challenge(challenge, A)
    assert weighed.weight > 0.5
    assert weights([evaluation()]).on_challenge(challenge, A).weight == 0.0


def said(verdict: Verdict, by: str = "mira", cause: str = "") -> Feedback:
    return Feedback(by=by, at=NOW, verdict=verdict, cause=cause)


def test_what_people_say_of_a_finding_tells_the_truth_as_far_as_they_agree() -> None:
    report = finding()
    named = frozenset(cause.service for cause in report.causes)
    assert truth_of(report, [said(Verdict.RIGHT)]) == Truth(named)
    assert truth_of(report, [said(Verdict.WRONG, cause="it was checkout")]) == Truth(None, named), "what they typed is not read"
    assert truth_of(report, [said(Verdict.RIGHT), said(Verdict.WRONG, "leo")]) is None
    assert truth_of(report, [said(Verdict.RIGHT), said(Verdict.RIGHT, "ana"), said(Verdict.WRONG, "leo")]) == Truth(named)
    assert truth_of(report, [said(Verdict.PARTLY)]) is None
    assert truth_of(report, []) is None
    assert truth_of(inconclusive(), [said(Verdict.RIGHT)]) is None


def test_whoever_votes_has_a_weight() -> None:
    assert {agent for _, agent, _ in weights([evaluation()]).rows} == set(AGENTS) == {*map(str, AgentName), CHALLENGER}
