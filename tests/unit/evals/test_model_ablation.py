"""Invariants: every way of answering follows from what was said once; no model is judged by weights that it gave itself; what
asking took is told with it.
"""

from __future__ import annotations

import pytest

from middlewatch.agents.voting import candidates, tally
from middlewatch.agents.weights import NO_WEIGHTS
from middlewatch.app import AGENTS
from middlewatch.evals.labels import Label
from middlewatch.evals.model_ablation import (
    BOTH,
    IN_FULL,
    MODELS,
    RULES,
    WITHOUT_CHALLENGER,
    ModelAblation,
    ablate_models,
    by_both,
    by_models,
    by_rules,
    evaluation_of,
    trials_of,
)
from middlewatch.evals.model_tables import of_models
from middlewatch.evals.reasoned import Asking, Reasoned
from middlewatch.records import (
    AgentName,
    Challenge,
    ChallengeVerdict,
    Hypothesis,
    Position,
    Prediction,
    Tokens,
    Voice,
    Vote,
)
from tests.unit.agents.shared_context import assessment

WEAK = {AgentName.METRICS: {"a": 1.5, "b": 0.9}}
"""Rules lead to `a`, and not by much."""


def case(
    number: int,
    truth: str | None,
    favours: str | None,
    *,
    scores: dict[AgentName, dict[str, float]] = WEAK,
    challenge: ChallengeVerdict = ChallengeVerdict.STANDS,
    dollars: float | None = 0.02,
) -> Reasoned:
    """An incident in which all four agents' models favour one service, with nine to one."""
    found = {name: assessment(name, rows) for name, rows in scores.items()}
    hypotheses = [
        Hypothesis(tenant="t", investigation="i", id=f"hy-{s}", round=1, service=s, statement="", evidence=())
        for s in candidates(AGENTS, found)
    ]
    rules = [AGENTS[name].vote(h, found[name], ()) for h in hypotheses for name in found]
    models = [
        Vote(
            tenant="t",
            investigation="i",
            hypothesis=h.id,
            agent=agent,
            round=1,
            position=Position.SUPPORT if h.service == favours else Position.OPPOSE,
            strength=2.0,
            reason="x",
            voice=Voice.MODEL,
            model="m-1",
            weight=0.0,
        )
        for h in hypotheses
        for agent in AgentName
    ]
    alone = tally(AGENTS, found, hypotheses, rules)
    incident = f"incident-{number}"
    return Reasoned(
        recording="r",
        system="s",
        incident=incident,
        label=Label(incident=incident, root_cause_service=truth),
        provider="scripted",
        model="m-1",
        rules=Prediction(
            incident=incident,
            ranking=tuple((row.service, row.score) for row in alone.ranking),
            confidence=alone.confidence,
            inconclusive=alone.inconclusive,
            seconds=3.0,
        ),
        hypotheses=tuple(hypotheses),
        votes=(*rules, *models),
        found=found,
        challenge=Challenge(hypothesis=hypotheses[0].id, verdict=challenge, reason="x", model="m-1") if hypotheses else None,
        calls=6,
        tokens=Tokens(input=100, cached=900, output=50),
        dollars=dollars,
        seconds=9.0 + number,
        problems=("The writer's model did not answer in time; the rules' words stand.",) if number == 0 else (),
    )


GOOD = [case(number, "b", "b") for number in range(12)]
"""A model that knows better than the rules."""


def measured(found: list[Reasoned]) -> ModelAblation:
    return ablate_models(found, Asking(mask=True))


def hits(found: ModelAblation, name: str) -> int:
    return found.way(name).named.hits


def test_the_rules_way_is_what_was_answered_and_no_weight_changes_it() -> None:
    for one in GOOD:
        assert by_both(one, NO_WEIGHTS) == by_rules(one)


def test_a_model_that_was_right_elsewhere_makes_answers_right() -> None:
    found = measured(GOOD)
    assert (hits(found, RULES), hits(found, MODELS), hits(found, BOTH), hits(found, IN_FULL)) == (0, 12, 12, 12)
    assert len(found.changed) == 12
    assert all("made right" in line for line in found.changed)
    assert found.masked


def test_none_is_weighed_by_the_answer_that_it_gave() -> None:
    """One right answer among wrong ones has no weight from itself; without leaving it out it would have."""
    bad = [case(number, "a", "b") for number in range(12)]
    found = measured([*bad, case(99, "b", "b")])
    assert hits(found, BOTH) == hits(found, RULES) == 12
    assert hits(found, IN_FULL) == 1, "at full weight all wrong ones would have won"
    assert found.changed == ()
    alone = measured([case(1, "b", "b")])
    assert hits(alone, BOTH) == 0, "the only one has nobody to be weighed by"


def test_the_challenger_is_told_apart() -> None:
    refuting = [case(number, "b", None, challenge=ChallengeVerdict.REFUTED) for number in range(20)]
    found = measured(refuting)
    assert hits(found, WITHOUT_CHALLENGER) == 0
    assert hits(found, BOTH) == 20
    assert {t.agent for t in trials_of(refuting)} >= {"challenger"}


def test_quiet_moments_are_blamed_by_nobody_or_it_is_said() -> None:
    quiet = case(1, None, "a", scores={AgentName.METRICS: {"a": 9.0, "b": 0.1}})
    found = measured([quiet, *GOOD])
    assert (found.incidents, found.quiet) == (12, 1)
    assert found.way(RULES).blamed.hits == 1
    assert by_models(case(1, None, None)).inconclusive, "a model that favours nobody names nobody"


def test_single_agents_answer_alone() -> None:
    found = measured([case(1, "b", "b", scores={**WEAK, AgentName.TRACES: {"a": 0.0, "b": 3.0}})])
    assert (hits(found, "metrics alone"), hits(found, "traces alone"), hits(found, "logs alone")) == (0, 1, 0)


def test_what_asking_took_is_told_and_an_unknown_price_is_not_nothing() -> None:
    spent = measured(GOOD).spent
    assert (spent.calls, spent.tokens.cached, spent.dollars_each) == (72, 10800, 0.02)
    assert spent.dollars == pytest.approx(0.24)
    assert (spent.seconds_rules, spent.seconds, spent.seconds_longest) == (3.0, 14.5, 20.0)
    unknown = measured([case(1, "b", "b", dollars=None), *GOOD[:1]]).spent
    assert (unknown.dollars, unknown.dollars_each) == (None, None)


def test_an_evaluation_has_all_that_a_weight_follows_from() -> None:
    made = evaluation_of(measured(GOOD), GOOD)
    assert {(t.agent, t.right, t.wrong) for t in made.trials} == {(name.value, 12, 0) for name in AgentName}
    assert (made.right_by_rules, made.right_with_models, made.masked, made.calls) == (0, 12, True, 72)
    assert made.questions == evaluation_of(measured(GOOD), GOOD[::-1]).questions


def test_the_table_has_every_way_with_what_it_cost() -> None:
    text = of_models(measured([*GOOD, case(50, "a", "a")]))
    for part in (
        "scripted m-1",
        "names and times hidden",
        "metrics alone",
        RULES,
        BOTH,
        WITHOUT_CHALLENGER,
        "$",
        "made right",
    ):
        assert part in text
    assert "did not answer in time; the rules' words stand. (1x)" in text
