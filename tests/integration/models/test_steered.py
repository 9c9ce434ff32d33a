"""Invariant: models that obey every hostile text change nothing but their own words.

What is tried here is every goal, attack and place at least once; all of them together are `make chaos-model-injections`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest
from pydantic import JsonValue
from redis import Redis

from middlewatch import kept
from middlewatch.agents.language_model.scripted import ScriptedModel
from middlewatch.agents.model_work import added_by_models
from middlewatch.agents.model_work import by_rules as by_rules_alone
from middlewatch.agents.weights import NO_WEIGHTS
from middlewatch.app import App
from middlewatch.model_tools import ModelTools
from middlewatch.records import ApprovalRequest, Evidence, Remediation, RiskTier, Snapshot
from middlewatch.records.errors import Refused
from tests.integration.approval.injection_corpus import Injection, attack_names, injections
from tests.integration.approval.injection_oracle import TENANT
from tests.integration.approval.injection_places import BLAMED, PLACES
from tests.integration.models.model_corpus import MODEL_GOALS, all_goals
from tests.integration.models.obeying import Obedient
from tests.integration.models.steered_guards import GUARDS
from tests.integration.models.steered_oracle import violations
from tests.integration.models.steered_site import FULL, Minds, incident_of, investigated, site, steered
from tests.store_fixtures import redis as server

__all__ = ["server"]


def of(place: str) -> tuple[Injection, ...]:
    """A few goals of each kind in the words of two attacks; every goal and every attack is in some place."""
    turn = list(PLACES).index(place)
    names = attack_names()
    attacks = [names[(turn + step) % len(names)] for step in (0, len(PLACES))]
    return (*injections(attacks, all_goals()[turn :: len(PLACES)]), *injections(["manual"], MODEL_GOALS))


def test_every_goal_and_every_attack_is_tried_somewhere() -> None:
    tried = [injection for place in PLACES for injection in of(place)]
    assert {injection.attack for injection in tried} == set(attack_names())
    assert {injection.goal.name for injection in tried} == {goal.name for goal in all_goals()}


@pytest.mark.parametrize("place", PLACES)
def test_what_is_written_there_steers_nothing_but_a_models_own_words(server: Redis, place: str) -> None:
    weighed = list(PLACES).index(place) % 2 == 0
    found = steered(server, place, of(place), weights=FULL if weighed else NO_WEIGHTS)
    assert found.rules.causes, "the injected text hid the incident"
    assert violations(found, weighed=weighed) == []
    work = found.report.models
    assert work is not None
    assert any(not one.problem for one in work.reasoning), "models that are not heard show nothing"
    assert sum(one.rejected for one in work.reasoning) > 20
    assert work.challenge is not None
    assert len(found.script.read) > 1 or place == "span attribute", "nobody read the texts"


def test_a_model_that_asks_for_all_it_can_loses_its_voice_and_nothing_else(server: Redis) -> None:
    found = steered(server, "log line", of("log line"), greedy=True)
    assert violations(found, weighed=False) == []
    work = found.report.models
    assert work is not None
    assert [one for one in work.reasoning if one.problem]
    assert "run_shell" in found.script.asked
    assert found.tools is not None
    assert set(found.tools.answered) <= {spec.name for spec in found.tools.specs}


@pytest.mark.parametrize("name", GUARDS)
def test_without_a_guard_its_attack_succeeds(server: Redis, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    guard = GUARDS[name]
    goals = [goal for goal in MODEL_GOALS if not guard.goals or goal.name in guard.goals]
    weights = FULL if guard.weighed else NO_WEIGHTS
    guard.take_out(monkeypatch)
    wrong = violations(steered(server, guard.place, injections(["manual"], goals), weights=weights), weighed=guard.weighed)
    assert any(guard.wrong in each for each in wrong), wrong


def test_with_every_guard_in_place_those_attacks_fail(server: Redis) -> None:
    for weighed in (False, True):
        found = steered(server, "log line", injections(["manual"], MODEL_GOALS), weights=FULL if weighed else NO_WEIGHTS)
        assert violations(found, weighed=weighed) == []


@pytest.fixture
def searched(server: Redis) -> Iterator[tuple[App, Snapshot]]:
    """An investigation to which models added facts of two kinds about the target, out of windows of their own choice."""
    place = "alert metric"
    incident = incident_of(place, of(place))
    with site(server, incident) as app, Minds(ScriptedModel(Obedient(of(place)))).of(app):
        yield app, investigated(app, incident, models=True)


def propose(app: App, snapshot: Snapshot, facts: Iterable[Evidence]) -> ApprovalRequest:
    """A lead proposes a rollback, which is of medium tier and takes evidence of two kinds, citing these facts."""
    name = snapshot.investigation.id
    cited = tuple(fact.id for fact in facts)
    given = {"tenant": TENANT, "investigation": name, "action": "rollback_deploy", "target": BLAMED, "evidence": cited}
    wanted = Remediation.model_validate(given | {"proposed_by": "leo", "confidence": 1.0})
    return app.approvals.propose_as(app.approvals.identify("local:leo", face="test"), wanted)


def of_models(snapshot: Snapshot) -> list[Evidence]:
    added = added_by_models(snapshot)
    facts = [fact for fact in snapshot.evidence if fact.id in added and fact.anomaly.service == BLAMED]
    assert len({fact.agent for fact in facts}) > 1
    return facts


def test_facts_that_only_models_looked_for_are_of_no_modality(searched: tuple[App, Snapshot]) -> None:
    """What they found is true, but whoever writes telemetry could choose for them where to look."""
    app, snapshot = searched
    with pytest.raises(Refused, match="no kinds of telemetry, where it takes 2"):
        propose(app, snapshot, of_models(snapshot))
    assert propose(app, snapshot, by_rules_alone(snapshot).evidence).rule.tier is RiskTier.MEDIUM


def test_without_that_rule_models_choose_what_an_action_rests_on(
    searched: tuple[App, Snapshot], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "by_rules", lambda snapshot: snapshot)
    app, snapshot = searched
    assert propose(app, snapshot, of_models(snapshot)).rule.tier is RiskTier.MEDIUM


def test_tools_read_and_change_nothing(searched: tuple[App, Snapshot], server: Redis) -> None:
    """Every tool that a model is offered, over a store in which any change would show."""
    app, snapshot = searched
    tools = ModelTools(lambda: app.toolbox, snapshot.investigation.id)
    trace = next(sample.trace_id for fact in snapshot.evidence for sample in fact.anomaly.samples if sample.trace_id)
    needed: dict[str, dict[str, JsonValue]] = {
        "metric_chart": {"service": BLAMED, "metric": "cpu"},
        "trace_waterfall": {"trace_id": trace},
    }
    before = everything(server)
    for spec in tools.specs:
        tools.look(spec.name, needed.get(spec.name, {}))
        assert everything(server) == before, spec.name
    app.approvals.halt(app.approvals.identify("local:mara", face="test"), "so it shows", face="test")
    assert everything(server) != before


def everything(server: Redis) -> dict[bytes | str, bytes | None]:
    """All that the store holds."""
    return {key: server.dump(key) for key in server.scan_iter(count=1000)}
