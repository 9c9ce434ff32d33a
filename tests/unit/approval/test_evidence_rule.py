"""Invariant: only facts that the store has, that speak, and that are about the target count; two kinds or two sources make two."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.approval.evidence_rule import MODALITY, counted
from middlewatch.records import ORCHESTRATOR, AgentName, AnomalyKind, Evidence, Remediation, Signal
from tests.report_parts import INVESTIGATION, fact

TARGET = "checkout"


def seen(
    agent: AgentName,
    service: str = TARGET,
    *,
    strength: float = 2.0,
    peer: str = "",
    source: str = "clickhouse",
    subject: str = "x",
) -> Evidence:
    found = fact(agent, AnomalyKind.METRIC, service, subject, (1.0, 2.0, "ms"), summary="", strength=strength, peer=peer)
    query = found.anomaly.query.model_copy(update={"source": source})
    anomaly = found.anomaly.model_copy(update={"query": query})
    return found.model_copy(update={"anomaly": anomaly, "id": f"ev-{agent}-{service}-{strength}-{peer}-{source}-{subject}"})


def rests_on(*facts: Evidence, modalities: Sequence[Signal] = ()) -> Remediation:
    return Remediation(
        tenant="default",
        investigation=INVESTIGATION,
        action="restart_service",
        target=TARGET,
        proposed_by=ORCHESTRATOR,
        confidence=0.9,
        evidence=tuple(each.id for each in facts),
        modalities=tuple(modalities),
    )


METRIC, LOG = seen(AgentName.METRICS), seen(AgentName.LOGS)


def test_two_kinds_of_telemetry_are_enough() -> None:
    count = counted((METRIC, LOG), rests_on(METRIC, LOG), 2)
    assert count.enough
    assert count.modalities == (Signal.METRICS, Signal.LOGS)
    assert count.facts == (METRIC.id, LOG.id)
    assert count.words == "2 kinds of telemetry (metrics and logs), where 2 kinds would do"


def test_where_none_is_asked_for_that_is_said() -> None:
    assert counted((), rests_on(), 0).words == "no kinds of telemetry, and none is asked for"


def test_two_facts_of_one_kind_from_one_source_are_not() -> None:
    other = seen(AgentName.METRICS, subject="y")
    count = counted((METRIC, other), rests_on(METRIC, other), 2)
    assert not count.enough
    assert count.words == "1 kind of telemetry (metrics), where it takes 2 kinds or 2 sources"


def test_two_sources_do_instead_of_two_kinds_but_not_of_three() -> None:
    other = seen(AgentName.METRICS, source="prometheus")
    facts = (METRIC, other, LOG)
    count = counted(facts, rests_on(METRIC, other), 2)
    assert count.enough
    assert count.sources == ("clickhouse", "prometheus")
    assert count.words == "1 kind of telemetry (metrics) from 2 sources, where 2 kinds or 2 sources would do"
    assert not counted(facts, rests_on(*facts), 3).enough


@pytest.mark.parametrize(
    "useless",
    [
        seen(AgentName.LOGS, "another"),
        seen(AgentName.LOGS, strength=0.0),
        LOG.model_copy(update={"id": "ev-of-another-investigation", "investigation": "inv-other"}),
        LOG.model_copy(update={"id": "ev-of-another-tenant", "tenant": "other"}),
    ],
)
def test_what_is_not_about_the_target_does_not_speak_or_is_of_another_investigation_does_not_count(useless: Evidence) -> None:
    count = counted((METRIC, useless), rests_on(METRIC, useless), 2)
    assert not count.enough
    assert count.facts == (METRIC.id,)
    assert "1 of 2 cited facts do not count" in count.words


def test_calls_of_another_service_to_the_target_are_about_it() -> None:
    call = seen(AgentName.TRACES, "storefront", peer=TARGET)
    assert counted((METRIC, call), rests_on(METRIC, call), 2).enough


def test_a_fact_that_the_store_does_not_have_or_that_is_not_cited_does_not_count() -> None:
    assert not counted((METRIC,), rests_on(METRIC, LOG), 2).enough
    assert not counted((METRIC, LOG), rests_on(METRIC), 2).enough


def test_what_a_proposer_says_of_the_evidence_does_not_count() -> None:
    assert not counted((METRIC,), rests_on(METRIC, modalities=tuple(Signal)), 2).enough
    nothing = counted((METRIC,), rests_on(modalities=tuple(Signal)), 1)
    assert not nothing.enough
    assert nothing.words == "no kinds of telemetry, where it takes 1 kind"


def test_a_fact_that_is_cited_twice_counts_once() -> None:
    assert counted((METRIC,), rests_on(METRIC, METRIC), 2).facts == (METRIC.id,)


FACTS = st.builds(
    seen,
    st.sampled_from(AgentName),
    st.sampled_from([TARGET, "another"]),
    strength=st.sampled_from([0.0, 1.0]),
    peer=st.sampled_from(["", TARGET]),
    source=st.sampled_from(["clickhouse", "prometheus"]),
)


@given(held=st.lists(FACTS, max_size=6), cited=st.lists(FACTS, max_size=6), least=st.integers(1, 4))
def test_it_is_what_a_reader_of_the_rule_would_count(held: list[Evidence], cited: list[Evidence], least: int) -> None:
    count = counted(held, rests_on(*cited), least)
    good = [f for f in held if f in cited and f.anomaly.strength and TARGET in (f.anomaly.service, f.anomaly.peer)]
    assert set(count.facts) == {f.id for f in good}
    kinds, sources = {MODALITY[f.agent] for f in good}, {f.anomaly.query.source for f in good}
    assert set(count.modalities) == kinds
    assert count.enough == (len(kinds) >= least or (least == 2 and len(sources) >= 2))


def test_every_agent_has_its_kind() -> None:
    assert sorted(MODALITY) == sorted(AgentName)
    assert sorted(MODALITY.values()) == sorted(Signal)
