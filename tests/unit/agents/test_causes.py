"""Invariant: the kind of a cause follows from the facts by the table of rules, and is never certain without one that shows it.

`python -m tests.unit.agents.test_causes` writes the table of rules into docs/causes.md.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.agents.causes import CHANGES, RELIABILITY, RULES, infer_cause, sign_of
from middlewatch.records import AgentName, AnomalyKind, CauseKind, ChangeKind, Evidence, Family, Mechanism, evidence_id
from tests.unit.agents.shared_context import anomaly

LOUD = dict.fromkeys(AgentName, 6.0)
M = Mechanism


def fact(
    mechanism: Mechanism | None,
    strength: float = 2.0,
    *,
    agent: AgentName = AgentName.TRACES,
    kind: AnomalyKind = AnomalyKind.OPERATION,
    subject: str = "work",
    **more: object,
) -> Evidence:
    seen = anomaly("cause", strength, kind, subject).model_copy(update={"mechanism": mechanism, **more})
    return Evidence(
        tenant="default", investigation="inv-1", id=evidence_id(f"{agent}{mechanism}", seen), agent=agent, round=1, anomaly=seen
    )


def changed(done: ChangeKind, odds: float = 9.0) -> Evidence:
    seen = anomaly("cause", math.log1p(odds), AnomalyKind.CHANGE, f"{done} 2.4.0 at 2026-11-21T01:45:00")
    return fact(None, seen.strength, agent=AgentName.DEPLOYS, kind=seen.kind, subject=seen.subject, change=done)


@pytest.mark.parametrize(
    ("sign", "kind", "detail"),
    [
        (M.LOAD, CauseKind.LOAD, ""),
        (M.NEIGHBOUR, CauseKind.INFRASTRUCTURE, ""),
        (M.RESTART, CauseKind.INFRASTRUCTURE, ""),
        (M.UNREACHABLE, CauseKind.INFRASTRUCTURE, ""),
        (M.SATURATION, CauseKind.SATURATION, ""),
        (M.POOL_WAIT, CauseKind.SATURATION, "connections"),
        (M.GARBAGE_COLLECTION, CauseKind.SATURATION, "memory"),
        (M.CONFIGURATION, CauseKind.CONFIGURATION, ""),
        (M.QUEUE, CauseKind.DATA, "lag"),
        (M.EXCEPTION, CauseKind.CODE, "exception"),
        (M.OTHER_PATH, CauseKind.CODE, "wrong_result"),
        (M.OWN_CODE, CauseKind.CODE, "slow_path"),
        (M.NETWORK, CauseKind.NETWORK, ""),
        (M.CONNECTION_SETUP, CauseKind.NETWORK, ""),
        (M.UNINSTRUMENTED, CauseKind.DEPENDENCY, ""),
        (M.RETRIES, CauseKind.UNKNOWN, ""),
        (None, CauseKind.CODE, "slow_path"),
    ],
)
def test_each_sign_alone_shows_its_kind(sign: Mechanism | None, kind: CauseKind, detail: str) -> None:
    cause = infer_cause("cause", [fact(sign)], LOUD)
    assert (cause.kind, cause.detail) == (kind, detail)


@pytest.mark.parametrize(
    ("signs", "kind"),
    [
        ((M.SATURATION, M.NETWORK, M.OWN_CODE), CauseKind.SATURATION),
        ((M.RESTART, M.EXCEPTION), CauseKind.INFRASTRUCTURE),
        ((M.QUEUE, M.EXCEPTION), CauseKind.DATA),
        ((M.EXCEPTION, M.OTHER_PATH), CauseKind.CODE),
        ((M.OWN_CODE, M.NETWORK), CauseKind.CODE),
        ((M.NETWORK, M.RETRIES), CauseKind.NETWORK),
        ((M.UNINSTRUMENTED, M.POOL_WAIT, M.RETRIES), CauseKind.DEPENDENCY),
    ],
)
def test_a_kind_that_explains_the_others_is_preferred(signs: Sequence[Mechanism], kind: CauseKind) -> None:
    assert infer_cause("cause", [fact(sign) for sign in signs], LOUD).kind is kind


def test_work_that_piles_up_while_it_fails_is_a_poison_message() -> None:
    assert infer_cause("cause", [fact(M.QUEUE), fact(M.EXCEPTION)], LOUD).detail == "poison_message"
    assert infer_cause("cause", [fact(M.QUEUE)], LOUD).detail == "lag"


@pytest.mark.parametrize(
    ("factor", "kind"), [(13.0, CauseKind.LOAD), (2.5, CauseKind.LOAD), (1.2, CauseKind.SATURATION), (0.9, CauseKind.SATURATION)]
)
def test_load_explains_as_much_as_work_is_extra(factor: float, kind: CauseKind) -> None:
    asked = fact(M.LOAD, 1.0, agent=AgentName.METRICS, factor=factor)
    others = [fact(M.SATURATION, 2.0, agent=AgentName.METRICS), fact(M.OWN_CODE), fact(M.NETWORK)]
    assert infer_cause("cause", [asked, *others], LOUD).kind is kind


def test_load_that_may_be_chance_takes_nothing_from_the_others() -> None:
    asked = fact(M.LOAD, 0.01, agent=AgentName.METRICS, factor=3.0)
    short = fact(M.SATURATION, agent=AgentName.METRICS)
    cause = infer_cause("cause", [asked, short, fact(M.NETWORK)], LOUD)
    assert cause.kind is CauseKind.SATURATION
    assert cause.probability == pytest.approx(RELIABILITY, abs=0.05)


def test_waiting_before_calls_follows_from_load() -> None:
    asked = fact(M.LOAD, agent=AgentName.TRACES, factor=10.0)
    assert infer_cause("cause", [asked, fact(M.CONNECTION_SETUP), fact(M.NETWORK)], LOUD).kind is CauseKind.LOAD


def test_other_log_lines_follow_from_most_kinds() -> None:
    """Code logs what is slow, and what it does then."""
    logs = fact(M.OTHER_PATH, 9.0, agent=AgentName.LOGS)
    for sign in (M.OWN_CODE, M.NETWORK, M.SATURATION, M.EXCEPTION):
        assert infer_cause("cause", [fact(sign), logs], LOUD).detail != "wrong_result"


def test_a_sign_that_may_be_chance_explains_nothing() -> None:
    """A resource that hardly deviates must not take the slow calls for itself."""
    facts = [fact(M.NETWORK, 5.0), fact(M.SATURATION, 0.1)]
    assert infer_cause("cause", facts, LOUD).kind is CauseKind.NETWORK


def test_the_resource_is_named_by_the_metric() -> None:
    used_up = fact(M.SATURATION, kind=AnomalyKind.METRIC, subject="process.cpu.utilization", instance="cause-7f")
    cause = infer_cause("cause", [used_up], LOUD)
    assert (cause.detail, cause.shown_by, cause.subject, cause.instance) == ("cpu", "metric", "process.cpu.utilization", "cause-7f")
    assert cause.evidence == (used_up.id,)
    assert cause.why == 'A resource ran short: process.cpu.utilization of "cause" rose from 1 ms to 2 ms.'


@pytest.mark.parametrize(("done", "kind"), CHANGES.items())
def test_a_change_that_was_the_trigger_decides_the_kind(done: ChangeKind, kind: CauseKind) -> None:
    saturated = fact(M.SATURATION, agent=AgentName.METRICS)
    cause = infer_cause("cause", [saturated, changed(done)], LOUD)
    assert (cause.kind, cause.subject.split()[0]) == (kind, done)
    assert cause.probability == pytest.approx(0.9)
    assert cause.alternatives[0].kind is CauseKind.SATURATION
    assert cause.why.startswith("It was changed before: ")


def test_after_a_deploy_the_facts_say_how_the_code_fails() -> None:
    exception = fact(M.EXCEPTION)
    cause = infer_cause("cause", [exception, changed(ChangeKind.DEPLOY)], LOUD)
    assert (cause.kind, cause.detail, cause.shown_by) == (CauseKind.CODE, "exception", AnomalyKind.OPERATION)
    assert set(cause.evidence) == {exception.id, changed(ChangeKind.DEPLOY).id}


def test_after_a_deploy_a_slow_database_is_a_slow_path_of_the_code() -> None:
    seen = [fact(M.UNINSTRUMENTED), fact(M.OTHER_PATH, agent=AgentName.LOGS)]
    assert infer_cause("cause", seen, LOUD).kind is CauseKind.DEPENDENCY
    cause = infer_cause("cause", [*seen, changed(ChangeKind.DEPLOY)], LOUD)
    assert (cause.kind, cause.detail) == (CauseKind.CODE, "slow_path")
    assert cause.probability + sum(other.probability for other in cause.alternatives) == pytest.approx(1.0, abs=0.02)


def test_a_change_that_is_hardly_suspected_decides_nothing() -> None:
    assert infer_cause("cause", [fact(M.SATURATION), changed(ChangeKind.DEPLOY, odds=0.2)], LOUD).kind is CauseKind.SATURATION


def test_an_exception_without_a_change_before_it_does_not_tell_code_from_data() -> None:
    failing = [fact(M.EXCEPTION), fact(M.OTHER_PATH, agent=AgentName.LOGS)]
    cause = infer_cause("cause", failing, LOUD, changes_known=True)
    (other,) = (each for each in cause.alternatives if each.kind is CauseKind.DATA)
    assert cause.kind is CauseKind.CODE
    assert other.probability == pytest.approx(cause.probability)
    assert cause.probability <= RELIABILITY / 2
    weak = infer_cause("cause", [*failing, changed(ChangeKind.DEPLOY, odds=0.2)], LOUD, changes_known=True)
    assert weak.probability < 0.6


@pytest.mark.parametrize("known", [True, False])
def test_an_exception_after_a_change_that_is_blamed_is_the_codes(*, known: bool) -> None:
    cause = infer_cause("cause", [fact(M.EXCEPTION), changed(ChangeKind.DEPLOY, odds=1.5)], LOUD, changes_known=known)
    assert (cause.kind, cause.detail) == (CauseKind.CODE, "exception")
    assert cause.probability > 0.9


def test_where_changes_are_unknown_an_exception_is_read_as_before() -> None:
    assert infer_cause("cause", [fact(M.EXCEPTION)], LOUD).probability > 0.8


def test_work_that_piles_up_speaks_for_data() -> None:
    failing = [fact(M.EXCEPTION, 9.0), fact(M.QUEUE, 1.0, agent=AgentName.LOGS)]
    assert infer_cause("cause", failing, {**LOUD, AgentName.LOGS: 1.0}, changes_known=True).kind is CauseKind.DATA


def test_a_change_that_is_hardly_suspected_is_no_reason_for_the_kind() -> None:
    exception, change = fact(M.EXCEPTION), changed(ChangeKind.DEPLOY, odds=0.2)
    cause = infer_cause("cause", [exception, change], LOUD)
    assert (cause.kind, cause.evidence) == (CauseKind.CODE, (exception.id,))
    assert "changed" not in cause.why


def test_without_facts_nothing_is_known() -> None:
    for facts in ([], [fact(M.EXCEPTION, 0.0)]):
        cause = infer_cause("cause", facts, LOUD)
        assert (cause.kind, cause.probability, cause.evidence, cause.shown_by) == (CauseKind.UNKNOWN, 1.0, (), None)


@pytest.mark.parametrize(
    ("kind", "family", "sign"),
    [
        (AnomalyKind.OPERATION, Family.ERRORS, M.EXCEPTION),
        (AnomalyKind.EDGE, Family.LATENCY, M.NETWORK),
        (AnomalyKind.STRUCTURE, Family.OTHER, M.OTHER_PATH),
        (AnomalyKind.LOG_PATTERN, Family.ERRORS, M.OTHER_PATH),
        (AnomalyKind.METRIC, Family.SUCCESS, M.EXCEPTION),
        (AnomalyKind.METRIC, Family.LATENCY, None),
        (AnomalyKind.METRIC, Family.SATURATION, None),
    ],
)
def test_a_fact_whose_analysis_does_not_say_is_read_by_what_deviated(
    kind: AnomalyKind, family: Family, sign: Mechanism | None
) -> None:
    assert sign_of(fact(None, kind=kind, family=family).anomaly, "cause") is sign


@pytest.mark.parametrize(
    ("unit", "baseline", "observed", "saturated"),
    [
        ("%", 20.0, 97.0, True),
        ("%", 20.0, 60.0, False),
        ("%", 99.0, 90.0, False),
        ("By", 20.0, 97.0, False),
        ("1", 0.2, 0.97, True),
        ("1", 0.2, 0.3, False),
    ],
)
def test_a_resource_is_short_where_it_rises_near_its_limit(unit: str, baseline: float, observed: float, *, saturated: bool) -> None:
    seen = fact(None, kind=AnomalyKind.METRIC, family=Family.SATURATION, unit=unit, baseline=baseline, observed=observed)
    assert sign_of(seen.anomaly, "cause") is None, "a share of anything is no resource"
    seen = seen.model_copy(update={"anomaly": seen.anomaly.model_copy(update={"subject": "process.cpu.utilization"})})
    assert (sign_of(seen.anomaly, "cause") is M.SATURATION) == saturated


@pytest.mark.parametrize(
    ("kind", "service", "peer", "observed", "load"),
    [
        (AnomalyKind.METRIC, "cause", "", 9.0, True),
        (AnomalyKind.METRIC, "cause", "", 0.5, False),
        (AnomalyKind.EDGE, "caller", "cause", 9.0, True),
        (AnomalyKind.EDGE, "cause", "callee", 9.0, False),
    ],
    ids=["asked more", "asked less", "called more", "calls more"],
)
def test_load_is_what_comes_in(kind: AnomalyKind, service: str, peer: str, observed: float, *, load: bool) -> None:
    """What a service asks of others is its own doing."""
    seen = fact(None, kind=kind, family=Family.TRAFFIC, service=service, peer=peer, observed=observed)
    assert (sign_of(seen.anomaly, "cause") is M.LOAD) == load


def test_a_metric_of_the_conventions_says_why() -> None:
    waits = fact(None, kind=AnomalyKind.METRIC, family=Family.LATENCY, subject="db.client.connection.wait_time.p99").anomaly
    assert sign_of(waits, "cause") is M.POOL_WAIT
    assert sign_of(waits.model_copy(update={"baseline": 9.0}), "cause") is None


SOME_FACT = st.builds(
    fact,
    st.sampled_from([None, *Mechanism]),
    st.floats(0.0, 50.0),
    agent=st.sampled_from([*AgentName][:3]),
    subject=st.text(max_size=9),
)


@given(
    st.lists(SOME_FACT, max_size=8),
    st.dictionaries(st.sampled_from([*AgentName][:3]), st.floats(0.0, 400.0)),
    st.randoms(use_true_random=False),
)
def test_probabilities_are_probabilities_and_the_order_of_facts_does_not_matter(
    facts: list[Evidence], surprise: dict[AgentName, float], order: random.Random
) -> None:
    facts = list({f.id: f for f in facts}.values())
    cause = infer_cause("cause", facts, surprise)
    shuffled = order.sample(facts, len(facts))
    assert infer_cause("cause", shuffled, surprise) == cause
    chances = [cause.probability, *(other.probability for other in cause.alternatives)]
    assert chances == sorted(chances, reverse=True)
    assert sum(chances) <= 1 + 1e-9
    assert cause.kind is CauseKind.UNKNOWN or (cause.evidence and cause.probability <= RELIABILITY)


DOCS = Path(__file__).parents[3] / "docs" / "causes.md"
MARKS = ("<!-- rules -->\n", "<!-- /rules -->")


def rules_in_words() -> str:
    """The table as docs/causes.md shows it."""

    def words(signs: frozenset[Mechanism]) -> str:
        return ", ".join(f"`{sign}`" for sign in Mechanism if sign in signs)

    rows = ["| kind | detail | shown by | also explains |", "|---|---|---|---|"]
    for rule in RULES:
        shown = words(rule.shown_by) + (f" with {words(rule.together)}" if rule.together else "")
        shown += ", while no change is blamed" if rule.unchanged else ""
        detail = f"`{rule.detail}`" if rule.detail else "the resource" if rule.kind is CauseKind.SATURATION else ""
        rows.append(f"| `{rule.kind}` | {detail} | {shown} | {words(rule.explains)} |")
    return "\n".join(rows) + "\n"


def test_the_docs_show_the_table_as_it_is() -> None:
    assert MARKS[0] + rules_in_words() + MARKS[1] in DOCS.read_text(encoding="utf-8")


def test_every_sign_is_in_the_table() -> None:
    """A sign that no rule knows would be seen and forgotten."""
    assert {sign for rule in RULES for sign in rule.shown_by | rule.explains} == set(Mechanism)


if __name__ == "__main__":  # write the table into the docs
    before, rest = DOCS.read_text(encoding="utf-8").split(MARKS[0])
    DOCS.write_text(before + MARKS[0] + rules_in_words() + MARKS[1] + rest.split(MARKS[1])[1], encoding="utf-8")
