"""Invariants of the two voices: without weight a model changes nothing, to the last digit; with all the weight that there is, and
every vote steered, models outweigh no evidence of two modalities.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from middlewatch.agents.voices import MODALITY_NATS, MODEL_NATS, bounded, nats
from middlewatch.agents.voting import Assessments, Verdict, candidates, tally
from middlewatch.app import AGENTS
from middlewatch.records import AgentName, Challenge, ChallengeVerdict, Hypothesis, Position, Voice, Vote
from tests.unit.agents.shared_context import assessment

SERVICES = [f"s{i}" for i in range(9)]
UNSEEN = "never seen"
SCORES = st.dictionaries(st.sampled_from(SERVICES), st.one_of(st.floats(0, 2), st.floats(0, 50)), min_size=1)
"""Mostly such that models could decide."""


class Scene(NamedTuple):
    """What rules say, and what models say beside them."""

    found: Assessments
    by_rules: list[Hypothesis]
    hypotheses: list[Hypothesis]
    rules: list[Vote]
    """On all hypotheses."""
    models: list[Vote]
    challenge: Challenge | None

    def alone(self) -> Verdict:
        named = {h.id for h in self.by_rules}
        return tally(AGENTS, self.found, self.by_rules, [v for v in self.rules if v.hypothesis in named])

    def together(self) -> Verdict:
        return tally(AGENTS, self.found, self.hypotheses, [*self.rules, *self.models], self.challenge)


def hypothesis(service: str) -> Hypothesis:
    return Hypothesis(
        tenant="default", investigation="inv-1", id=f"hy-{service[-1]}", round=1, service=service, statement="x", evidence=()
    )


def model_vote(about: Hypothesis, agent: AgentName, position: Position, strength: float, weight: float) -> Vote:
    return Vote(
        tenant="default",
        investigation="inv-1",
        hypothesis=about.id,
        agent=agent,
        round=1,
        position=position,
        strength=strength,
        reason="the log says so",
        voice=Voice.MODEL,
        model="m-1",
        weight=weight,
    )


@st.composite
def scenes(draw: st.DrawFn, *, weights: st.SearchStrategy[float]) -> Scene:
    """Any agents' assessments, with hypotheses of models beside those of rules, also of services that nobody has seen."""
    agents = draw(st.sets(st.sampled_from(list(AgentName)), min_size=1))
    temper = {AgentName.LOGS: 0.15}  # a score of logs says more than one of the others
    found = {
        name: assessment(name, {service: temper.get(name, 1.0) * score for service, score in draw(SCORES).items()})
        for name in AgentName
        if name in agents
    }
    own = [hypothesis(service) for service in candidates(AGENTS, found)]
    named = {h.service for h in own}
    proposed = draw(st.lists(st.sampled_from([s for s in [*SERVICES, UNSEEN] if s not in named]), unique=True, max_size=2))
    everything = own + [hypothesis(service) for service in proposed]
    rules = [AGENTS[name].vote(h, found[name], []) for h in everything for name in found]
    said = st.tuples(st.sampled_from(list(AgentName)), st.sampled_from(list(Position)), st.floats(0, 100), weights)
    models = [model_vote(h, *vote) for h in everything for vote in draw(st.lists(said, max_size=4))]
    verdict, target = draw(st.sampled_from(list(ChallengeVerdict))), draw(st.sampled_from([None, *everything]))
    challenge = Challenge(hypothesis=target.id, verdict=verdict, reason="x", weight=draw(weights)) if target else None
    return Scene(found, own, everything, rules, models, challenge)


@given(scenes(weights=st.just(0.0)))
def test_without_weight_the_rules_answer_is_unchanged_to_the_last_digit(scene: Scene) -> None:
    alone, together = scene.alone(), scene.together()
    assert (together.confidence, together.change_probability) == (alone.confidence, alone.change_probability)
    assert together.ranking == alone.ranking
    assert together.inconclusive == alone.inconclusive
    for row, same in zip(together.ranked, alone.ranked, strict=True):
        assert row.model_copy(update={"votes": same.votes}) == same
        assert tuple(v for v in row.votes if v.voice is Voice.RULES) == same.votes
    shown = [vote for row in (*together.ranked, *together.proposed) for vote in row.votes]
    assert all(vote in shown for vote in scene.models), "they stay visible"


@st.composite
def attacks(draw: st.DrawFn) -> Scene:
    """Every agent's model obeys the same text: for one service, against all others, with all the weight that there is."""
    scene = draw(scenes(weights=st.just(1.0)))
    target = draw(st.sampled_from([None, *scene.hypotheses]))
    models = [
        model_vote(h, name, Position.SUPPORT if h is target else Position.OPPOSE, 100.0, 1.0)
        for h in scene.hypotheses
        for name in AgentName
    ]
    return scene._replace(models=models)


@settings(max_examples=300)
@given(st.one_of(attacks(), scenes(weights=st.floats(0, 1))))
def test_what_models_say_never_outweighs_evidence_of_two_modalities(scene: Scene) -> None:
    """Whatever leads in the end, it has as much, or led by rules alone over the best that has it."""
    supported = {
        h.service
        for h in scene.hypotheses
        if sum(v.strength >= MODALITY_NATS for v in scene.rules if v.hypothesis == h.id and v.position is Position.SUPPORT) > 1
    }
    alone, together = scene.alone(), scene.together()
    best = next((row for row in alone.ranked if row.hypothesis.service in supported), None)
    if best is None or not supported <= {h.service for h in scene.by_rules}:
        return
    before = {row.hypothesis.service for row in alone.ranked if row.rank < best.rank}
    assert together.ranked[0].hypothesis.service in supported | before
    if best.rank == 1 and not alone.inconclusive:
        assert not together.inconclusive
        services = [row.service for row in alone.ranking]
        ahead = services[: services.index(best.hypothesis.service)]  # a service that was changed, and that no rule blames
        assert together.ranking[0].service in supported | set(ahead)


@given(scenes(weights=st.floats(0, 1)))
def test_all_models_together_move_a_service_by_no_more_than_their_share(scene: Scene) -> None:
    alone = {row.service: row.score for row in scene.alone().ranking}
    for row in scene.together().ranking:
        assert abs(row.score - alone.get(row.service, 0.0)) <= MODEL_NATS + 0.05, "0.05 is what negligible votes leave out"
    assert scene.together().change_probability == scene.alone().change_probability


def close_call(
    first: dict[AgentName, float], second: dict[AgentName, float], *, steered: float
) -> tuple[Scene, Hypothesis, Hypothesis]:
    """Two services with these scores, and every agent's model against the first and for the second."""
    found = {name: assessment(name, {"s0": first.get(name, 0.0), "s1": second.get(name, 0.0)}) for name in first | second}
    one, other = hypothesis("s0"), hypothesis("s1")
    rules = [AGENTS[name].vote(h, found[name], []) for h in (one, other) for name in found]
    models = [
        model_vote(h, name, position, 100.0, steered)
        for name in AgentName
        for h, position in ((one, Position.OPPOSE), (other, Position.SUPPORT))
    ]
    challenge = Challenge(hypothesis=one.id, verdict=ChallengeVerdict.REFUTED, reason="x", weight=steered)
    return Scene(found, [one, other], [one, other], rules, models, challenge), one, other


def test_all_models_steered_do_not_turn_a_finding_of_two_modalities() -> None:
    first = {AgentName.METRICS: 1.5, AgentName.TRACES: 1.0}
    scene, one, _ = close_call(first, {AgentName.LOGS: 0.4}, steered=1.0)
    alone, together = scene.alone(), scene.together()
    assert alone.ranked[0].hypothesis == one
    assert together.ranked[0].hypothesis == one
    assert not together.inconclusive
    lead = [verdict.ranked[0].score - verdict.ranked[1].score for verdict in (alone, together)]
    assert 0 < lead[0] < 2 * MODEL_NATS, "they could turn it"
    assert lead[1] == pytest.approx(lead[0] / 2)


@pytest.mark.parametrize(("lead", "stays"), [(MODEL_NATS + 0.3, True), (MODEL_NATS - 0.3, False)])
def test_between_two_that_two_modalities_each_speak_for_they_turn_no_larger_lead_than_their_share(
    *, lead: float, stays: bool
) -> None:
    by_rules, both = {"s0": 1.5 + lead, "s1": 1.5, "s2": -1.0}, {"s0", "s1"}
    moved = bounded({"s0": -MODEL_NATS, "s1": MODEL_NATS}, by_rules, both, both)
    assert (by_rules["s0"] + moved["s0"] > by_rules["s1"] + moved["s1"]) is stays


def test_nothing_that_only_a_model_blames_is_put_ahead_of_what_two_modalities_speak_for() -> None:
    """Also where rules say more of it, such as that it was just changed."""
    by_rules = {"s0": 3.0, "s7": 3.5}
    assert bounded({"s7": MODEL_NATS}, by_rules, {"s0"}, {"s0"}) == {}
    assert bounded({"s7": MODEL_NATS}, by_rules, {"s0", "s7"}, {"s0"}) == {"s7": MODEL_NATS}, "rules have it ahead"


def test_they_do_decide_between_two_that_one_modality_each_speaks_for() -> None:
    """The positive control: models have a say, where it is theirs."""
    scene, one, other = close_call({AgentName.METRICS: 4.5}, {AgentName.TRACES: 3.0}, steered=1.0)
    assert scene.alone().ranked[0].hypothesis == one
    assert scene.together().ranked[0].hypothesis == other
    assert AgentName.METRICS in scene.together().ranked[1].dissent, "its model opposes, though its rules do not"
    weightless, one, _ = close_call({AgentName.METRICS: 4.5}, {AgentName.TRACES: 3.0}, steered=0.0)
    assert weightless.together().ranked[0].hypothesis == one


def test_what_only_models_propose_needs_a_weight_to_lead() -> None:
    found = {AgentName.METRICS: assessment(AgentName.METRICS, {"s0": 1.2, "s1": 1.1})}
    own = [hypothesis(service) for service in candidates(AGENTS, found)]
    proposed = hypothesis(UNSEEN)
    rules = [AGENTS[AgentName.METRICS].vote(h, found[AgentName.METRICS], []) for h in [*own, proposed]]
    for weight, leads in ((0.0, False), (1.0, True)):
        models = [model_vote(proposed, AgentName.LOGS, Position.SUPPORT, MODEL_NATS, weight)]
        verdict = tally(AGENTS, found, [proposed, *own], [*rules, *models])
        assert (verdict.ranked[0].hypothesis == proposed) is leads
        assert (UNSEEN in {row.service for row in verdict.ranking}) is leads


@pytest.mark.parametrize(
    ("probability", "strength"),
    [(0.5, 0.0), (0.75, 1.0986), (0.25, 1.0986), (0.99, MODEL_NATS), (0.0, MODEL_NATS), (1.0, MODEL_NATS)],
)
def test_a_models_strength_is_the_logarithm_of_its_odds(probability: float, strength: float) -> None:
    assert nats(probability) == pytest.approx(strength, abs=1e-4)
