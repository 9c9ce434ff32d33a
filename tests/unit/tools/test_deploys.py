"""Invariants: a change raises the odds by a few at most, never after the fact, and an innocent one is cleared in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.records import AnomalyKind, Assessment, Symptom
from middlewatch.tools.deploys import CHANGE_ODDS, CLEARED_NATS, assess_deploys, recency
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


def assess(rows: Sequence[Row], *, symptom: str | None = None, calls: Sequence[tuple[str, str]] | None = CALLS) -> Assessment:
    asked = brief(symptom=None if symptom is None else Symptom(service=symptom))
    return assess_deploys(sources(calls=Calls(calls), changes=Changes(rows)), asked)


@given(ROWS)
def test_scores_are_modest_and_every_recent_change_is_either_evidence_or_cleared(rows: list[Row]) -> None:
    found = assess(rows)
    assert all(0 <= score <= math.log1p(CHANGE_ODDS) for score in found.scores.values())
    recent = [row for row in rows if row[0] >= -34]
    assert set(found.scores) == {row[1] for row in recent}
    if recent:
        assert len(found.cleared) + len(found.anomalies) == len(recent) or len(found.anomalies) == 10
    assert all(fact.strength >= CLEARED_NATS for fact in found.anomalies)


@given(ROWS, st.permutations(["a", "b", "c"]))
def test_renaming_services_permutes_the_scores(rows: list[Row], names: list[str]) -> None:
    renamed = dict(zip(["a", "b", "c"], names, strict=True))
    other = assess([(minutes, renamed[service], kind, version) for minutes, service, kind, version in rows])
    assert other.scores == {renamed[s]: pytest.approx(score) for s, score in assess(rows).scores.items()}


def test_a_deploy_just_before_the_incident_multiplies_the_odds_by_about_three() -> None:
    found = assess([(-5, "pricing", "deploy", "1.4.2")], symptom="web")
    assert 2.5 < math.exp(found.scores["pricing"]) < 1 + CHANGE_ODDS
    (fact,) = found.anomalies
    assert fact.kind is AnomalyKind.CHANGE
    assert fact.onset is not None
    assert fact.onset.at == DETECTED - timedelta(minutes=5)
    assert fact.summary == 'deploy "1.4.2" of "pricing" at 01:55:00 UTC, 5 min before the detection; "web" depends on it'
    assert fact.samples[0].text == "deploy 1.4.2 by somebody: a change"
    assert fact.query.name == "changes"
    assert found.cleared == ()


def test_a_change_after_the_detection_is_cleared() -> None:
    found = assess([(0.5, "pricing", "deploy", "1.4.2")])
    assert (found.scores, found.anomalies) == ({"pricing": 0.0}, ())
    assert found.cleared == (
        'deploy "1.4.2" of "pricing" at 02:00:30 UTC came 30 s after the detection, so it cannot be the cause',
    )


def test_an_old_change_is_cleared() -> None:
    found = assess([(-33, "pricing", "config", "")])
    assert found.scores == {"pricing": 0.0}
    assert found.cleared == (
        'config of "pricing" at 01:27:00 UTC was made 33 min before the detection; long for a change to take effect',
    )


def test_a_change_that_the_symptom_does_not_depend_on_is_cleared() -> None:
    rows = [(-6.0, "mail", "deploy", "2")]
    found = assess(rows, symptom="web")
    assert found.scores == {"mail": 0.0}
    assert "does not depend on it as far as the service map shows" in found.cleared[0]
    assert assess(rows, symptom="web", calls=()).scores["mail"] > 0.5
    assert assess(rows).scores["mail"] > 0.5


def test_the_symptoms_own_service_is_named_as_such() -> None:
    assert assess([(-6, "web", "flag", "")], symptom="web").anomalies[0].summary.endswith("it is the service with the symptom")


def test_routine_changes_weigh_less() -> None:
    rows: list[Row] = [(-6, "pricing", "deploy", "9")]
    often = [(-float(m), "pricing", "deploy", str(m)) for m in range(60, 120, 10)]
    other = [(-float(m), "pricing", "flag", str(m)) for m in range(60, 120, 10)]
    assert assess(rows + often).scores["pricing"] < 0.5 * assess(rows).scores["pricing"]
    assert assess(rows + other).scores["pricing"] == assess(rows).scores["pricing"]
    shown = assess(rows + often)
    assert any(
        "a routine, 6 of its kind went before it" in text for text in (*shown.cleared, *(a.summary for a in shown.anomalies))
    )


def test_suspects_share_the_odds() -> None:
    alone = assess([(-4.5, "pricing", "deploy", "1")]).scores["pricing"]
    together = assess([(-4.5, "pricing", "deploy", "1"), (-4.5, "db", "deploy", "1"), (-4.5, "web", "deploy", "1")]).scores
    assert max(together.values()) < 0.7 * alone


def test_scaling_is_a_rarer_cause_than_a_deploy() -> None:
    found = assess([(-6, "a", "deploy", "1"), (-6, "b", "scale", "3")])
    assert found.scores["a"] > 0.5
    assert found.scores["b"] == 0.0


@given(st.floats(0, 4000), st.floats(0, 900))
def test_a_change_weighs_less_the_longer_it_precedes_the_onset(before_seconds: float, lead_seconds: float) -> None:
    earliest = DETECTED - timedelta(seconds=lead_seconds)
    first = earliest - timedelta(seconds=before_seconds)
    near, far = recency(first, earliest, DETECTED), recency(first - timedelta(seconds=60), earliest, DETECTED)
    assert 0 <= far <= near <= 1
    assert recency(DETECTED, earliest, DETECTED) == 0.0


def test_within_the_possible_onsets_an_earlier_change_precedes_more_of_them() -> None:
    earliest = DETECTED - timedelta(seconds=240)
    assert recency(earliest, earliest, DETECTED) > recency(DETECTED - timedelta(seconds=60), earliest, DETECTED) > 0


def test_no_change_events_and_no_recent_change_are_told_apart() -> None:
    none = assess([])
    assert (none.scores, none.notes, none.cleared) == ({}, ("no change events in this telemetry",), ())
    old = assess([(-600, "pricing", "deploy", "1")])
    assert (old.scores, old.notes) == ({}, ())
    assert old.cleared == ("no change was recorded between 01:26:00 UTC and 02:01:00 UTC",)


def test_a_missing_map_is_reported_and_does_not_stop_the_analysis() -> None:
    found = assess([(-6, "mail", "deploy", "2")], symptom="web", calls=None)
    assert found.scores["mail"] > 0.5
    assert found.notes == ("changes were judged without a service map: the traces do not answer",)


def test_hostile_names_stay_quotations() -> None:
    (fact,) = assess([(-6, 'pri\x1b[31m"cing', "deploy", '1"\n2')]).anomalies
    assert fact.summary.isprintable()
    assert fact.summary.count('"') == 4


def test_a_long_description_is_cut() -> None:
    changes = Changes([(-6, "pricing", "deploy", "1")], description="x" * 5000)
    assert len(assess_deploys(sources(changes=changes), brief()).anomalies[0].samples[0].text) == 2000


def test_a_deploy_that_broke_at_once_is_no_less_a_suspect_than_one_of_minutes_before() -> None:
    """A fault that alarms after half a minute leaves its deploy half a minute before the detection."""
    assert assess([(-0.6, "pricing", "deploy", "2")]).scores["pricing"] > CLEARED_NATS


def in_sight_of(metric_onset_minutes: int, rows: Sequence[Row]) -> Assessment:
    """Changes in view of a symptom whose metric rose so many minutes before the end of the window."""
    noise = np.random.default_rng(0).uniform(0.9, 1.1, 180)
    latency = 50.0 * noise * np.where(np.arange(180) >= 180 - metric_onset_minutes, 5.0, 1.0)
    metrics = Metrics([Series("web", "latency", latency, "ms"), Series("db", "latency", 50.0 * noise, "ms")])
    asked = brief(symptom=Symptom(service="web", metric="latency"))
    return assess_deploys(sources(metrics, Calls([("web", "pricing")]), Changes(rows)), asked)


def test_the_symptoms_metric_tells_when_it_began() -> None:
    rows: list[Row] = [(-3.5, "pricing", "deploy", "1"), (-1.5, "web", "deploy", "2")]
    early, late = in_sight_of(4, rows), in_sight_of(2, rows)
    assert early.scores["pricing"] > CLEARED_NATS
    assert early.scores["web"] == 0.0
    assert len(early.cleared) == 1
    assert 'of "web" at 01:58:30 UTC was made 90 s before the detection; after the symptom had begun' in early.cleared[0]
    assert late.scores["web"] > late.scores["pricing"] > 0


def test_a_symptom_whose_metric_did_not_clearly_change_tells_nothing_about_the_onset() -> None:
    rows: list[Row] = [(-3.5, "pricing", "deploy", "1"), (-0.5, "web", "deploy", "2")]
    calm = in_sight_of(0, rows)
    unknown = assess(rows, symptom="web")
    assert calm.scores == unknown.scores


def test_a_symptom_whose_metrics_do_not_answer_is_reported() -> None:
    asked = brief(symptom=Symptom(service="web", metric="latency"))
    found = assess_deploys(sources(Metrics(None), Calls(CALLS), Changes([(-3, "web", "deploy", "2")])), asked)
    assert found.scores["web"] > CLEARED_NATS
    assert found.notes == ("changes were judged without the symptom's metric: the metrics do not answer",)
