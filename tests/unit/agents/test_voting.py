"""Invariants: the vote orders services as the agents' scores do, dissent is never lost, and a quiet system is not blamed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.agents.voting import candidates, change_probability, tally
from middlewatch.app import AGENTS
from middlewatch.records import AgentName, Hypothesis, Position
from tests.unit.agents.shared_context import assessment

SCORES = st.dictionaries(st.sampled_from([f"s{i}" for i in range(8)]), st.floats(0, 50), min_size=1)


def hypothesis(service: str) -> Hypothesis:
    return Hypothesis(
        tenant="default", investigation="inv-1", id=f"hy-{service}", round=1, service=service, statement="x", evidence=()
    )


@given(SCORES)
def test_one_agent_orders_services_by_its_scores(scores: dict[str, float]) -> None:
    agent, found = AGENTS[AgentName.TRACES], assessment(AgentName.TRACES, scores)
    by_score = sorted(scores, key=lambda s: scores[s])
    stances = [agent.stance(found, s) for s in by_score]
    assert stances == sorted(stances)


@given(SCORES, SCORES, st.permutations([f"s{i}" for i in range(8)]))
def test_renaming_services_renames_the_ranking(first: dict[str, float], second: dict[str, float], names: list[str]) -> None:
    renamed = dict(zip([f"s{i}" for i in range(8)], names, strict=True))

    def scores(rename: dict[str, str]) -> dict[str, float]:
        found = {
            AgentName.TRACES: assessment(AgentName.TRACES, {rename.get(s, s): v for s, v in first.items()}),
            AgentName.LOGS: assessment(AgentName.LOGS, {rename.get(s, s): v for s, v in second.items()}),
        }
        return {row.service: row.score for row in tally(AGENTS, found, [], []).ranking}

    assert scores(renamed) == {renamed[s]: pytest.approx(v) for s, v in scores({}).items()}


def test_an_agent_that_saw_a_service_behave_opposes_it_and_is_named_as_dissent() -> None:
    found = {
        AgentName.TRACES: assessment(AgentName.TRACES, {"a": 9.0, "b": 0.0}),
        AgentName.METRICS: assessment(AgentName.METRICS, {"a": 0.0, "b": 4.0}),
    }
    hypotheses = [hypothesis("a"), hypothesis("b")]
    votes = [AGENTS[name].vote(h, found[name], []) for name in found for h in hypotheses]
    verdict = tally(AGENTS, found, hypotheses, votes)
    assert [row.hypothesis.service for row in verdict.ranked] == ["a", "b"]
    assert verdict.ranked[0].dissent == (AgentName.METRICS,)
    assert verdict.ranked[1].dissent == (AgentName.TRACES,)


def test_a_service_that_an_agent_did_not_see_gets_an_abstention() -> None:
    vote = AGENTS[AgentName.LOGS].vote(hypothesis("a"), assessment(AgentName.LOGS, {"b": 3.0}), [])
    assert (vote.position, vote.strength, vote.reason) == (Position.ABSTAIN, 0.0, "no logs of this service")


def test_an_agent_that_could_not_finish_abstains_and_says_so() -> None:
    vote = AGENTS[AgentName.LOGS].vote(hypothesis("a"), None, [])
    assert (vote.position, vote.reason) == (Position.ABSTAIN, "the logs agent could not finish")


def test_a_change_alone_makes_no_hypothesis() -> None:
    found = {
        AgentName.DEPLOYS: assessment(AgentName.DEPLOYS, {"a": 2.0}),
        AgentName.TRACES: assessment(AgentName.TRACES, {"a": 0.0, "b": 0.0}),
    }
    assert candidates(AGENTS, found) == ()
    found[AgentName.TRACES] = assessment(AgentName.TRACES, {"a": 0.5, "b": 0.0})
    assert candidates(AGENTS, found) == ("a",)


def test_the_deploy_correlator_never_opposes() -> None:
    found = assessment(AgentName.DEPLOYS, {"a": 2.0, "b": 0.0})
    assert AGENTS[AgentName.DEPLOYS].stance(found, "b") == 0.0


def test_scores_no_higher_than_the_systems_own_quiet_ones_are_no_change() -> None:
    quiet = {AgentName.METRICS: assessment(AgentName.METRICS, {"a": 2.0}, usual_tops=(2.0,) * 20)}
    loud = {AgentName.METRICS: assessment(AgentName.METRICS, {"a": 40.0}, usual_tops=(2.0,) * 20)}
    assert change_probability(AGENTS, quiet) < 0.4
    assert change_probability(AGENTS, loud) > 0.9


@given(SCORES, st.floats(0.01, 20))
def test_a_higher_score_never_lowers_the_probability_of_a_change(scores: dict[str, float], more: float) -> None:
    service = min(scores)
    raised = scores | {service: scores[service] + more}
    before = change_probability(AGENTS, {AgentName.LOGS: assessment(AgentName.LOGS, scores)})
    after = change_probability(AGENTS, {AgentName.LOGS: assessment(AgentName.LOGS, raised)})
    assert after >= before - 1e-12


def test_a_rare_symptom_raises_the_probability_of_a_change() -> None:
    plain = {AgentName.METRICS: assessment(AgentName.METRICS, {"a": 2.0})}
    rare = {AgentName.METRICS: assessment(AgentName.METRICS, {"a": 2.0}, symptom_rarity=0.001)}
    assert change_probability(AGENTS, rare) > change_probability(AGENTS, plain)


def test_an_alarm_over_a_metric_that_is_as_usual_is_false_unless_much_is_seen_elsewhere() -> None:
    def probability(score: float, *, as_usual: bool) -> float:
        seen = assessment(AgentName.LOGS, {"a": score})
        metrics = assessment(AgentName.METRICS, {"a": 0.0}, symptom_as_usual=as_usual)
        return change_probability(AGENTS, {AgentName.LOGS: seen, AgentName.METRICS: metrics})

    assert probability(0.8, as_usual=True) < 0.6
    assert probability(0.8, as_usual=False) > 0.9
    assert probability(9.0, as_usual=True) > 0.9


def test_nothing_seen_is_no_change() -> None:
    assert change_probability(AGENTS, {}) == 0.0
    assert tally(AGENTS, {}, [], []).inconclusive
