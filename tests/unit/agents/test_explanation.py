"""Invariants: a path follows calls and facts, a contradiction in time is said, and what belongs together is found together."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from middlewatch.agents.explanation import correlations, explain, fact_of_onset
from middlewatch.records import AgentName, AnomalyKind, Edge, Evidence, Onset, OnsetOrder, Symptom
from tests.unit.agents.shared_context import NOW, alert, anomaly, began

EDGES = tuple(
    Edge(caller=caller, callee=callee)
    for caller, callee in [("web", "cart"), ("web", "orders"), ("orders", "stock"), ("cart", "stock"), ("stock", "disk")]
)
COUNTER = itertools.count()


def fact(
    service: str, ago: float | None = 2.0, strength: float = 3.0, *, agent: AgentName = AgentName.TRACES, peer: str = ""
) -> Evidence:
    seen = anomaly(service, strength).model_copy(update={"onset": None if ago is None else began(minutes_ago=ago), "peer": peer})
    return Evidence(tenant="default", investigation="inv-1", id=f"ev-{next(COUNTER)}", agent=agent, round=1, anomaly=seen)


def path(service: str, symptom: str | None, facts: Sequence[Evidence]) -> list[str]:
    found = explain(service, alert().model_copy(update={"symptom": Symptom(service=symptom) if symptom else None}), facts, EDGES)
    return [step.service for step in found.path]


def test_the_path_goes_where_facts_are() -> None:
    assert path("stock", "web", [fact("stock"), fact("orders")]) == ["stock", "orders", "web"]
    assert path("stock", "web", [fact("stock"), fact("cart")]) == ["stock", "cart", "web"]
    assert path("stock", "web", [fact("cart", peer="stock")]) == ["stock", "cart", "web"]


def test_without_a_symptom_the_path_ends_where_the_facts_end() -> None:
    assert path("stock", None, [fact("stock"), fact("orders")]) == ["stock", "orders"]
    assert path("stock", None, [fact("stock")]) == ["stock"]


def test_each_step_names_the_fact_that_shows_it_and_its_onset() -> None:
    cause, effect = fact("stock", 3), fact("web", 1)
    found = explain("stock", alert().model_copy(update={"symptom": Symptom(service="web")}), [cause, effect], EDGES)
    assert [(s.service, s.evidence, s.onset) for s in found.path] == [
        ("stock", cause.id, cause.anomaly.onset),
        ("cart", None, None),
        ("web", effect.id, effect.anomaly.onset),
    ]
    assert found.reaches_symptom
    assert found.order is OnsetOrder.CONSISTENT
    assert found.remarks == ('no fact shows the trouble in "cart"',)


def test_the_alarm_itself_shows_the_trouble_of_the_symptom() -> None:
    found = explain("stock", alert().model_copy(update={"symptom": Symptom(service="orders")}), [fact("stock")], EDGES)
    assert ([step.evidence is None for step in found.path], found.remarks) == ([False, True], ())


def test_what_began_before_the_cause_is_no_step_of_its_effects_and_is_said() -> None:
    web = alert().model_copy(update={"symptom": Symptom(service="web")})
    found = explain("cart", web, [fact("cart", 2), fact("web", 5)], EDGES)
    assert found.order is OnsetOrder.CONTRADICTED
    assert [(step.onset is None, step.evidence is None) for step in found.path] == [(False, False), (True, True)]
    said = '"web" deviates since 01:55:00 UTC, before "cart": another matter, or not the way'
    assert found.remarks == (said,)


def test_what_began_before_the_cause_hides_no_later_fact() -> None:
    early, late = fact("orders", 5, 1.0), fact("orders", 1.5, 3.0)
    found = explain("stock", alert(), [fact("stock", 2), early, late], EDGES)
    assert (found.path[1].evidence, found.path[1].onset, found.remarks) == (late.id, late.anomaly.onset, ())


def test_onsets_whose_intervals_overlap_decide_nothing() -> None:
    found = explain("stock", alert(), [fact("stock", 2), fact("orders", 2.2)], EDGES)
    assert (found.order, found.remarks) == (OnsetOrder.UNKNOWN, ())


def test_a_symptom_that_does_not_depend_on_the_cause_is_reached_downwards_or_not_at_all() -> None:
    asked = alert().model_copy(update={"symptom": Symptom(service="disk")})
    below = explain("orders", asked, [fact("orders"), fact("disk")], EDGES)
    assert [step.service for step in below.path] == ["orders", "stock", "disk"]
    assert below.remarks[0] == '"disk" does not depend on "orders", which calls it'
    apart = explain("cart", alert().model_copy(update={"symptom": Symptom(service="mail")}), [fact("cart")], EDGES)
    assert (len(apart.path), apart.reaches_symptom) == (1, False)
    assert apart.remarks == ('no calls connect "cart" with "mail", as far as the service map shows',)


def test_the_onset_is_the_median_of_the_strongest_facts_and_never_a_change() -> None:
    facts = [fact("cause", ago, 9.0 - n) for n, ago in enumerate((30, 10, 11, 9, 10, 50))]
    change = fact("cause", 50, 20.0)
    change = change.model_copy(update={"anomaly": change.anomaly.model_copy(update={"kind": AnomalyKind.CHANGE})})
    chosen = fact_of_onset([*facts, change], NOW)
    assert chosen is not None
    assert chosen.anomaly.onset == began(minutes_ago=10)


def test_faint_facts_do_not_outvote_a_strong_one_about_the_onset() -> None:
    strong, *faint = (fact("cause", ago, nats) for ago, nats in ((10, 9.0), (30, 1.0), (31, 1.0), (32, 1.0)))
    assert fact_of_onset([strong, *faint], NOW) == strong


def test_what_began_after_the_detection_is_no_onset_of_the_cause() -> None:
    early, late = fact("cause", 5, 1.0), fact("cause", 1, 2.0)
    assert fact_of_onset([early, late], NOW - timedelta(minutes=3)) == early
    assert fact_of_onset([late], NOW - timedelta(minutes=3)) == late
    assert fact_of_onset([fact("cause", None)]) is None


def test_correlated_are_other_agents_facts_about_the_same_place_at_the_same_time() -> None:
    trace, log = fact("cause", 2), fact("cause", 2.3, agent=AgentName.LOGS)
    own, earlier = fact("cause", 2), fact("cause", 9, agent=AgentName.METRICS)
    call = fact("web", 2, agent=AgentName.METRICS, peer="cause")
    found = {c.evidence: set(c.correlated) for c in correlations([trace, log, own, earlier, call])}
    assert found == {trace.id: {log.id}, own.id: {log.id}, log.id: {trace.id, own.id}}


def test_a_call_that_both_ends_speak_of_is_one_place() -> None:
    seen, blamed = fact("web", 2, peer="cause", agent=AgentName.METRICS), fact("cause", 2, peer="web")
    assert len(correlations([seen, blamed])) == 2


NAMES = st.sampled_from("abcdef")
ONSETS = st.tuples(st.integers(-600, 0), st.integers(0, 60), st.integers(0, 60)).map(
    lambda t: Onset(
        at=NOW + timedelta(seconds=t[0]),
        earliest=NOW + timedelta(seconds=t[0] - t[1]),
        latest=NOW + timedelta(seconds=t[0] + t[2]),
    )
)


@given(
    edges=st.lists(st.tuples(NAMES, NAMES), max_size=12),
    facts=st.lists(st.tuples(NAMES, st.sampled_from(["", *"abc"]), st.none() | ONSETS, st.floats(0, 9)), max_size=8),
    symptom=st.none() | NAMES,
)
def test_a_path_is_made_of_calls_and_cites_facts_about_its_steps(
    edges: list[tuple[str, str]], facts: list[tuple[str, str, Onset | None, float]], symptom: str | None
) -> None:
    evidence = []
    for service, peer, onset, strength in facts:
        seen = anomaly(service, strength).model_copy(update={"peer": peer, "onset": onset})
        evidence.append(fact("x").model_copy(update={"anomaly": seen}))
    by_id = {e.id: e.anomaly for e in evidence}
    called = {frozenset(pair) for pair in edges}
    asked = alert().model_copy(update={"symptom": Symptom(service=symptom) if symptom else None})
    found = explain("a", asked, evidence, [Edge(caller=x, callee=y) for x, y in edges])
    services = [step.service for step in found.path]
    assert services[0] == "a"
    assert len(set(services)) == len(services)
    assert all(frozenset(pair) in called for pair in itertools.pairwise(services))
    assert found.reaches_symptom == (symptom is not None and services[-1] == symptom)
    for step in found.path:
        if step.evidence is not None:
            shown = by_id[step.evidence]
            assert step.service in (shown.service, shown.peer)
            assert step.onset == shown.onset
