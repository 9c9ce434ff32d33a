"""Invariants: a change raises the odds by a few at most, never after the fact, and every recent one is evidence or cleared."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.records import AnomalyKind, Assessment, Brief, Symptom
from middlewatch.records.errors import SourceUnavailable
from middlewatch.telemetry.sources import Sources
from middlewatch.tools.change_behaviour import Analyses
from middlewatch.tools.change_verdicts import CHANGE_ODDS
from middlewatch.tools.deploys import FACTS, assess_deploys
from tests.unit.tools.synthetic_changes import behaving
from tests.unit.tools.synthetic_telemetry import DETECTED, Calls, Changes, Metrics, Series, brief, sources

Row = tuple[float, str, str, str]
ROWS = st.lists(
    st.tuples(
        st.floats(-200, 0.9).map(lambda minutes: round(minutes, 2)),
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["deploy", "config", "flag", "scale", "migration"]),
        st.sampled_from(["", "1.0"]),
    ),
    max_size=12,
)
CALLS = [("web", "pricing"), ("pricing", "db"), ("admin", "mail")]
NOBODY_LOOKED: Analyses = {}


def assess(
    rows: Sequence[Row],
    *,
    symptom: str | None = None,
    calls: Sequence[tuple[str, str]] | None = CALLS,
    analyses: Analyses = NOBODY_LOOKED,
) -> Assessment:
    asked = brief(symptom=None if symptom is None else Symptom(service=symptom))
    return assess_deploys(sources(calls=Calls(calls), changes=Changes(rows)), asked, analyses)


@given(ROWS)
def test_scores_are_modest_and_every_recent_change_is_either_evidence_or_cleared(rows: list[Row]) -> None:
    found = assess(rows)
    assert all(0 <= score <= math.log1p(CHANGE_ODDS) for score in found.scores.values())
    assert sum(math.expm1(score) for score in found.scores.values()) <= CHANGE_ODDS * (1 + 1e-9)
    recent = [row for row in rows if row[0] >= -34]
    assert set(found.scores) == {row[1] for row in recent}
    if recent:
        assert len(found.cleared) + len(found.anomalies) == len(recent) or len(found.anomalies) == FACTS
    assert all(fact.strength > 0 for fact in found.anomalies)


@given(ROWS, st.permutations(["a", "b", "c"]))
def test_renaming_services_permutes_the_scores(rows: list[Row], names: list[str]) -> None:
    renamed = dict(zip(["a", "b", "c"], names, strict=True))
    other = assess([(minutes, renamed[service], kind, version) for minutes, service, kind, version in rows])
    assert other.scores == {renamed[s]: pytest.approx(score) for s, score in assess(rows).scores.items()}


def test_a_deploy_just_before_the_trouble_of_its_service_multiplies_the_odds_by_about_three() -> None:
    found = assess([(-2.2, "pricing", "deploy", "1.4.2")], symptom="web", analyses=behaving({"pricing": -2.0}))
    assert 2.5 < math.exp(found.scores["pricing"]) < 1 + CHANGE_ODDS
    (fact,) = found.anomalies
    assert fact.kind is AnomalyKind.CHANGE
    assert fact.onset is not None
    assert fact.onset.at == DETECTED - timedelta(minutes=2.2)
    assert -math.expm1(-fact.strength) > 0.9, "one change in a day, just before the trouble of its service"
    assert fact.summary == (
        'deploy "1.4.2" of "pricing" at 01:57:48 UTC, 2 min before the detection; "web" depends on it; '
        'it would explain that own time of "work" in "pricing" rose from 2 ms to 40 ms'
    )
    assert fact.samples[0].text == "deploy 1.4.2 by somebody: a change"
    assert found.cleared == ()


def test_of_changes_at_the_same_moment_only_that_of_the_service_in_trouble_is_suspect() -> None:
    rows: list[Row] = [(-2.5, service, "deploy", "2") for service in ("db", "pricing", "web")]
    found = assess(rows, analyses=behaving({"pricing": -2.0}, ["web", "db"]))
    assert found.scores["pricing"] > 1
    assert (found.scores["web"], found.scores["db"]) == (0, 0)
    assert found.cleared == tuple(
        f'deploy "2" of "{service}" at 01:57:30 UTC was made 2 min before the detection; '
        "its service behaves as before, by its spans"
        for service in ("db", "web")
    )


def test_a_change_after_the_detection_is_cleared() -> None:
    found = assess([(0.5, "pricing", "deploy", "1.4.2")])
    assert (found.scores, found.anomalies) == ({"pricing": 0.0}, ())
    assert found.cleared == (
        'deploy "1.4.2" of "pricing" at 02:00:30 UTC came 30 s after the detection, so it cannot be the cause',
    )


def test_suspects_share_the_odds() -> None:
    trouble = behaving({"pricing": -2.0, "db": -2.0, "web": -2.0})
    alone = assess([(-2.5, "pricing", "deploy", "1")], analyses=trouble)
    together = assess([(-2.5, service, "deploy", "1") for service in ("pricing", "db", "web")], analyses=trouble)
    assert max(together.scores.values()) < 0.7 * alone.scores["pricing"]
    assert {fact.strength for fact in together.anomalies} == {alone.anomalies[0].strength}, "given the service, others do not count"


def test_of_the_suspects_of_one_service_at_most_one_is_the_trigger() -> None:
    trouble = behaving({"pricing": -2.0})
    (alone,) = assess([(-2.5, "pricing", "deploy", "1")], analyses=trouble).anomalies
    both = assess([(-2.5, "pricing", "deploy", "1"), (-2.4, "pricing", "config", "2")], analyses=trouble).anomalies
    assert sum(-math.expm1(-fact.strength) for fact in both) < 1
    assert max(fact.strength for fact in both) < alone.strength


def test_what_is_changed_every_few_minutes_is_less_likely_the_trigger() -> None:
    trouble = behaving({"pricing": -2.0})
    often: list[Row] = [(-minutes, "pricing", "deploy", str(2000 - minutes)) for minutes in range(40, 1400, 8)]
    (rare,) = assess([(-6, "pricing", "deploy", "9999")], analyses=trouble).anomalies
    (routine, *_) = assess([*often, (-6, "pricing", "deploy", "9999")], analyses=trouble).anomalies
    assert -math.expm1(-routine.strength) < 0.5 < -math.expm1(-rare.strength)


def test_no_change_events_and_no_recent_change_are_told_apart() -> None:
    none = assess([])
    assert (none.scores, none.notes, none.cleared) == ({}, ("no change events in this telemetry",), ())
    old = assess([(-600, "pricing", "deploy", "1")])
    assert (old.scores, old.notes) == ({}, ())
    assert old.cleared == ("no change was recorded between 01:26:00 UTC and 02:01:00 UTC",)


def test_where_nothing_was_changed_nobody_is_asked_about_anything() -> None:
    def analysis(_sources: Sources, _brief: Brief) -> Assessment:
        raise AssertionError

    assert assess([(-600, "pricing", "deploy", "1")], symptom="web", analyses={"spans": analysis}).scores == {}


def test_what_does_not_answer_is_reported_and_does_not_stop_the_analysis() -> None:
    def analysis(_sources: Sources, _brief: Brief) -> Assessment:
        raise SourceUnavailable("the spans do not answer")

    asked = brief(symptom=Symptom(service="web", metric="latency"))
    held = sources(Metrics(None), Calls(None), Changes([(-3, "web", "deploy", "2")]))
    found = assess_deploys(held, asked, {"spans": analysis})
    assert found.scores["web"] > 0
    assert found.notes == (
        "changes were judged without spans: the spans do not answer",
        "changes were judged without a service map: the traces do not answer",
        "changes were judged without the symptom's metric: the metrics do not answer",
        "changes were judged without the metrics of their instances: the metrics do not answer",
    )


def test_hostile_names_stay_quotations() -> None:
    (fact,) = assess([(-6, 'pri\x1b[31m"cing', "deploy", '1"\n2')]).anomalies
    assert fact.summary.isprintable()
    assert fact.summary.count('"') == 4


def test_a_long_description_is_cut() -> None:
    changes = Changes([(-6, "pricing", "deploy", "1")], description="x" * 5000)
    assert len(assess_deploys(sources(changes=changes), brief(), NOBODY_LOOKED).anomalies[0].samples[0].text) == 2000


def in_sight_of(metric_onset_minutes: int, rows: Sequence[Row]) -> Assessment:
    """Changes in view of a symptom whose metric rose so many minutes before the end of the window."""
    noise = np.random.default_rng(0).uniform(0.9, 1.1, 180)
    latency = 50.0 * noise * np.where(np.arange(180) >= 180 - metric_onset_minutes, 5.0, 1.0)
    metrics = Metrics([Series("web", "latency", latency, "ms"), Series("db", "latency", 50.0 * noise, "ms")])
    asked = brief(symptom=Symptom(service="web", metric="latency"))
    return assess_deploys(sources(metrics, Calls([("web", "pricing")]), Changes(rows)), asked, NOBODY_LOOKED)


def test_the_symptoms_metric_tells_when_it_began() -> None:
    rows: list[Row] = [(-3.8, "pricing", "deploy", "1"), (-1.2, "db", "deploy", "2")]
    early, late = in_sight_of(4, rows), in_sight_of(2, rows)
    assert early.scores["pricing"] > early.scores["db"] == 0.0
    assert 'of "db" at 01:58:48 UTC was made 72 s before the detection; the symptom had begun before' in early.cleared[0]
    assert late.cleared == ()


def instances(new_is_bad: bool, old_is_bad: bool) -> Metrics:  # noqa: FBT001  two cases to combine
    minutes = np.arange(180) - 179
    noise = np.random.default_rng(0).uniform(0.9, 1.1, 180)
    old = 50.0 * noise * np.where((minutes >= -2) & old_is_bad, 5.0, 1.0)
    new = np.where(minutes >= -3, 50.0 * noise * np.where((minutes >= -2) & new_is_bad, 5.0, 1.0), np.nan)
    return Metrics([Series("pricing", "latency", old, "ms", instance="o"), Series("pricing", "latency", new, "ms", instance="n")])


@pytest.mark.parametrize(
    ("old_is_bad", "said"), [(False, "only what is new with it is affected"), (True, "what runs since before it")]
)
def test_older_instances_confirm_or_clear_a_deploy(old_is_bad: bool, said: str) -> None:  # noqa: FBT001
    held = sources(instances(new_is_bad=True, old_is_bad=old_is_bad), changes=Changes([(-3, "pricing", "deploy", "2")]))
    found = assess_deploys(held, brief(), behaving({"pricing": -2.0}))
    assert (found.scores["pricing"] == 0) is old_is_bad
    assert said in (found.cleared[0] if old_is_bad else found.anomalies[0].summary)


def test_only_the_metrics_of_the_most_suspect_services_are_read() -> None:
    services = [f"s{i}" for i in range(8)]
    metrics = Metrics([Series(service, "latency", np.ones(180), "ms") for service in services])
    trouble: Mapping[str, float] = dict.fromkeys(services, -1.0)
    rows: list[Row] = [(-1.2 - i / 10, service, "deploy", "1") for i, service in enumerate(services)]
    assess_deploys(sources(metrics, changes=Changes(rows)), brief(), behaving(trouble))
    assert len(metrics.asked) <= 2 * 3
