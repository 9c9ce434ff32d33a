"""Invariants: what changed is found with its onset; names, units and the future change nothing; what is usual is no news.

The shop here has six services with the same noisy metrics. Each test disturbs it in one way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from middlewatch.records import AnomalyKind, Assessment, Family, Symptom, Window
from middlewatch.tools.metrics import assess_metrics
from tests.unit.tools.synthetic_telemetry import Calls, Metrics, Series, brief, minutes_before_end, sources

STEPS = 180
SERVICES = ("auth", "cart", "db", "mail", "pay", "web")


def shop(
    seed: int = 0, *, families: Sequence[tuple[str, str, float]] = (("cpu", "%", 20.0), ("latency", "ms", 50.0))
) -> list[Series]:
    """Every service with every metric (name, unit, level), with 10 % noise."""
    rng = np.random.default_rng(seed)
    return [
        Series(service, metric, level * (1 + 0.1 * rng.standard_normal(STEPS)), unit)
        for service in SERVICES
        for metric, unit, level in families
    ]


def raised(held: Sequence[Series], service: str, metric: str, factor: float, steps: slice = slice(-4, None)) -> list[Series]:
    """The same with one series multiplied in some steps, the last four where nothing is said."""
    changed = []
    for series in held:
        values = series.values.copy()
        if (series.service, series.metric) == (service, metric):
            values[steps] *= factor
        changed.append(replace(series, values=values))
    return changed


def assess(held: Sequence[Series], *, calls: Sequence[tuple[str, str]] | None = (), **asked: object) -> Assessment:
    return assess_metrics(sources(Metrics(held), Calls(calls)), brief(**asked))  # type: ignore[arg-type]  # passed on as it is


def top(found: Assessment) -> str:
    return max(found.scores, key=lambda s: found.scores[s])


def test_a_glaring_step_is_found_with_its_onset_and_said_in_one_sentence() -> None:
    found = assess(raised(shop(), "pay", "cpu", 4.0))
    assert top(found) == "pay"
    assert found.scores["pay"] > 2 * max(score for service, score in found.scores.items() if service != "pay")
    assert found.scores["pay"] > max(found.usual_tops)
    fact = found.anomalies[0]
    assert (fact.service, fact.subject, fact.family, fact.unit) == ("pay", "cpu", Family.SATURATION, "%")
    assert fact.onset is not None
    assert fact.onset.at == minutes_before_end(4)
    assert fact.baseline == pytest.approx(20, rel=0.05)
    assert fact.factor == pytest.approx(4, rel=0.15)
    assert fact.strength > 0
    assert fact.summary.startswith('"cpu" of "pay" rose from ')
    assert fact.summary.endswith("x) at 01:57:00 UTC")
    assert "every 0:01:00" in fact.samples[0].text
    assert fact.query.name == "metric_series"


def test_services_without_anything_unusual_are_present_and_constant_ones_score_zero() -> None:
    held = [Series(service, "cpu", np.full(STEPS, 7.0), "%") for service in SERVICES]
    assert assess(held).scores == dict.fromkeys(SERVICES, 0.0)
    assert assess(held).anomalies == ()


def test_without_metrics_nobody_is_scored_and_it_is_said() -> None:
    found = assess([])
    assert (found.scores, found.notes) == ({}, ("no metrics in this telemetry",))


@settings(max_examples=15)
@given(st.permutations(SERVICES), st.integers(0, 100))
def test_renaming_services_permutes_the_scores(names: Sequence[str], seed: int) -> None:
    renamed = dict(zip(SERVICES, names, strict=True))
    held = raised(shop(seed), "pay", "cpu", 3.0)
    calls = [("web", "cart"), ("web", "pay"), ("cart", "db")]
    plain = assess(held, calls=calls, symptom=Symptom(service="web", metric="latency"))
    other = assess(
        [replace(series, service=renamed[series.service]) for series in held],
        calls=[(renamed[a], renamed[b]) for a, b in calls],
        symptom=Symptom(service=renamed["web"], metric="latency"),
    )
    assert other.scores == {renamed[service]: pytest.approx(score) for service, score in plain.scores.items()}
    assert other.usual_tops == pytest.approx(plain.usual_tops)


@settings(max_examples=15)
@given(st.sampled_from([0.001, 0.25, 60.0, 1e6]), st.integers(0, 100))
def test_a_change_of_unit_changes_no_score(unit: float, seed: int) -> None:
    held = raised(shop(seed), "pay", "latency", 3.0)
    other = [replace(s, values=s.values * unit) if s.metric == "latency" else s for s in held]
    assert assess(other).scores == {service: pytest.approx(score) for service, score in assess(held).scores.items()}


@settings(max_examples=10)
@given(st.integers(1, 5), st.floats(2, 1000))
def test_nothing_after_the_window_is_used(steps: int, factor: float) -> None:
    held = shop()
    future = [replace(s, values=np.append(s.values, np.full(steps, factor * s.values.mean())), after_end=steps) for s in held]
    assert assess(future) == assess(held)


def test_nothing_before_the_baseline_is_asked_for() -> None:
    held = Metrics(shop())
    asked = brief(hours=1)
    assess_metrics(sources(held), asked)
    assert all(w.start >= asked.baseline.start - timedelta(minutes=1) for w in held.asked)


@pytest.mark.parametrize(
    ("unit", "level", "factor", "direction", "family"),
    [
        ("%", 20.0, 5.0, "rose", Family.SATURATION),
        ("%", 100.0, 0.6, "fell", Family.SUCCESS),
        ("1/s", 50.0, 0.1, "fell", Family.TRAFFIC),
    ],
)
def test_each_family_has_its_direction(unit: str, level: float, factor: float, direction: str, family: Family) -> None:
    held = [
        replace(s, values=np.minimum(s.values, 100.0) if family is Family.SUCCESS else s.values)
        for s in shop(families=[("x", unit, level)])
    ]
    if family is Family.SUCCESS:
        held = [replace(s, values=np.where(np.arange(STEPS) % 9 == 0, 99.8, 100.0)) for s in held]
    found = assess(raised(held, "mail", "x", factor))
    assert top(found) == "mail"
    assert found.anomalies[0].family is family
    assert f'of "mail" {direction} from' in found.anomalies[0].summary


def test_the_strongest_of_each_family_is_shown_before_the_second_of_any() -> None:
    """Many quantiles of one latency must not hide the resource that ran short."""
    families = [(f"latency {n}", "ms", 50.0) for n in range(6)] + [("cpu", "%", 20.0)]
    held = shop(families=families)
    for metric, _, _ in families:
        held = raised(held, "pay", metric, 3.0 if metric == "cpu" else 9.0)
    facts = [fact for fact in assess(held).anomalies if fact.service == "pay"]
    assert {fact.family for fact in facts} == {Family.LATENCY, Family.SATURATION}
    assert len(facts) == 6
    assert facts[0].strength >= max(fact.strength for fact in facts if fact.family is Family.SATURATION)


def test_a_faster_service_is_no_culprit() -> None:
    found = assess(raised(shop(families=[("latency", "ms", 50.0)]), "mail", "latency", 0.1))
    assert not [a for a in found.anomalies if a.service == "mail"]


def test_a_service_that_bursts_every_few_minutes_is_not_blamed_for_one_more_burst() -> None:
    quiet = shop(families=[("cpu", "%", 20.0)])
    habit = raised(quiet, "mail", "cpu", 30.0, slice(2, None, 10))
    now = [
        replace(s, values=np.where(np.arange(STEPS) >= STEPS - 4, s.values * 2.5, s.values)) if s.service == "pay" else s
        for s in habit
    ]
    found = assess(raised(now, "mail", "cpu", 30.0, slice(-1, None)))
    assert found.scores["mail"] < 0.2 * found.scores["pay"]


def test_a_known_earlier_incident_does_not_make_the_same_fault_usual() -> None:
    before = [slice(-25 * k - 5, -25 * k) for k in range(1, 6)]
    held = shop(families=[("cpu", "%", 20.0)])
    for steps in [*before, slice(-4, None)]:
        held = raised(held, "pay", "cpu", 4.0, steps)
    known = [Window(start=minutes_before_end(-s.start), end=minutes_before_end(-s.stop)) for s in before]
    assert assess(held, earlier=known).scores["pay"] > 2 * assess(held).scores["pay"]


def test_a_history_that_is_all_incidents_is_used_and_admitted() -> None:
    everything = Window(start=minutes_before_end(STEPS + 1), end=minutes_before_end(6))
    found = assess(raised(shop(), "pay", "cpu", 4.0), earlier=[everything])
    assert top(found) == "pay"
    assert any(note.startswith("earlier incidents fill the history") for note in found.notes)


def test_one_sample_every_five_minutes_is_enough_to_find_what_changed() -> None:
    held = [replace(s, step_seconds=300) for s in shop()]
    found = assess(raised(held, "pay", "latency", 5.0, slice(-2, None)), hours=15)
    assert top(found) == "pay"
    onset = found.anomalies[0].onset
    assert onset is not None
    assert onset.at == minutes_before_end(10)


def test_gaps_neither_hide_a_fault_nor_look_like_one() -> None:
    rng = np.random.default_rng(1)
    held = [replace(s, values=np.where(rng.random(STEPS) < 0.3, np.nan, s.values)) for s in shop()]
    assert max(assess(held).scores.values()) < 1.0
    assert top(assess(raised(held, "pay", "cpu", 4.0))) == "pay"


def test_a_new_instance_is_compared_with_its_siblings() -> None:
    young = np.concatenate([np.full(STEPS - 4, np.nan), np.full(4, 20.0)])
    held = [*shop(), Series("pay", "cpu", young, "%", instance="young")]
    assert assess(held).scores["pay"] < 0.5
    ill = [*shop(), Series("pay", "cpu", young * 5, "%", instance="young")]
    found = assess(ill)
    assert top(found) == "pay"
    assert found.anomalies[0].instance == "young"
    assert 'of "pay" (instance "young") rose' in found.anomalies[0].summary


def test_a_series_without_any_past_is_not_judged_and_it_is_said() -> None:
    young = np.concatenate([np.full(STEPS - 4, np.nan), np.full(4, 20.0)])
    found = assess([*shop(), Series("new", "cpu", young, "%")])
    assert found.scores["new"] == 0.0
    assert "1 of 13 metric series have too little history to compare with" in found.notes


def test_an_error_counter_that_first_appears_is_an_anomaly() -> None:
    rates = shop(families=[("requests", "1/s", 50.0)])
    held = [replace(series, kind="sum") for series in rates]
    quiet = [Series(s, "errors", np.zeros(STEPS), "{error}/s", "sum", attributes={"type": "x"}) for s in SERVICES if s != "pay"]
    first = np.concatenate([np.full(STEPS - 3, np.nan), [4.0, 5.0, 6.0]])
    found = assess([*held, *quiet, Series("pay", "errors", first, "{error}/s", "sum", attributes={"type": "x"})])
    assert top(found) == "pay"
    assert found.anomalies[0].family is Family.ERRORS
    assert found.anomalies[0].factor is None
    assert '"errors" of "pay" rose from 0 to' in found.anomalies[0].summary


def test_a_caller_is_not_blamed_for_the_latency_of_its_callee() -> None:
    held = raised(raised(shop(families=[("latency", "ms", 50.0)]), "web", "latency", 6.0), "db", "latency", 4.0)
    assert top(assess(held)) == "web"
    assert top(assess(held, calls=[("web", "cart"), ("cart", "db"), ("web", "db")])) == "db"


def test_saturation_is_not_explained_away_by_callees() -> None:
    held = raised(raised(shop(families=[("cpu", "%", 20.0)]), "web", "cpu", 6.0), "db", "cpu", 4.0)
    assert top(assess(held, calls=[("web", "db")])) == "web"


SERVED = (("latency", "ms", 50.0), ("requests", "1/s", 50.0))


def test_latency_in_proportion_to_the_work_adds_little_and_latency_beyond_it_all() -> None:
    asked = raised(shop(families=SERVED), "web", "requests", 4.0)
    in_proportion, beyond = (assess(raised(asked, "web", "latency", factor)).scores["web"] for factor in (4.0, 40.0))
    work = assess(asked).scores["web"]
    assert work <= in_proportion < 1.2 * work
    assert beyond > 1.5 * work


def test_where_the_load_comes_in_stands_out_though_its_latency_is_in_proportion() -> None:
    held = raised(raised(shop(families=SERVED), "web", "requests", 4.0), "web", "latency", 4.0)
    found = assess(held, calls=[("web", "cart"), ("cart", "db")])
    assert top(found) == "web"
    assert found.scores["web"] > max(found.usual_tops)
    assert Family.TRAFFIC in {fact.family for fact in found.anomalies if fact.service == "web"}


def calls_between(slow: Mapping[tuple[str, str], float]) -> list[Series]:
    """Client-side latency of every pair of callers and callees."""
    rng = np.random.default_rng(3)
    return [
        Series(
            caller,
            "client.latency",
            40.0
            * (1 + 0.1 * rng.standard_normal(STEPS))
            * np.where(np.arange(STEPS) >= STEPS - 4, slow.get((caller, callee), 1.0), 1.0),
            "ms",
            attributes={"to": callee},
        )
        for caller in ("cart", "pay", "web")
        for callee in ("auth", "db", "mail")
    ]


def test_calls_speak_about_both_ends_and_the_common_end_wins() -> None:
    quiet = [Series(service, "up", np.ones(STEPS)) for service in SERVICES]
    slow_callee = assess([*quiet, *calls_between({("cart", "db"): 6.0, ("pay", "db"): 5.0, ("web", "db"): 7.0})])
    assert top(slow_callee) == "db"
    slow_caller = assess([*quiet, *calls_between({("web", "auth"): 6.0, ("web", "db"): 5.0, ("web", "mail"): 7.0})])
    assert top(slow_caller) == "web"
    fact = slow_caller.anomalies[0]
    assert (fact.kind, fact.service, fact.peer in {"auth", "db", "mail"}) == (AnomalyKind.EDGE, "web", True)
    assert ' of "web" towards "' in fact.summary


def test_what_moves_with_the_symptom_is_preferred() -> None:
    held = shop(families=[("latency", "ms", 50.0)])
    wave = np.array([1.0, 1.0, 5.0, 2.0, 6.0, 3.0])
    counter = np.array([1.0, 18.0, 6.0, 15.0, 5.0, 12.0])
    held = [
        replace(s, values=np.append(s.values[:-6], 50.0 * {"web": wave, "db": wave, "mail": counter}[s.service]))
        if s.service in {"web", "db", "mail"}
        else s
        for s in held
    ]
    assert top(assess(held)) == "mail"
    assert top(assess(held, symptom=Symptom(service="web", metric="latency"))) == "db"


def test_a_service_that_the_symptom_does_not_depend_on_is_less_suspect() -> None:
    held = raised(raised(shop(), "mail", "cpu", 8.0), "db", "cpu", 3.0)
    calls = [("web", "cart"), ("cart", "db"), ("auth", "mail")]
    symptom = Symptom(service="web")
    assert top(assess(held, calls=calls)) == "mail"
    assert top(assess(held, calls=calls, symptom=symptom)) == "db"
    assert top(assess(held, symptom=symptom)) == "mail"  # an empty map shows nothing


def test_a_symptom_that_is_not_in_the_metrics_is_no_help_and_no_harm() -> None:
    held = raised(shop(), "pay", "cpu", 4.0)
    assert assess(held, symptom=Symptom(service="elsewhere", metric="x")).scores == assess(held).scores


def test_the_symptoms_own_rarity_is_its_rank_among_earlier_windows() -> None:
    symptom = Symptom(service="web", metric="latency")
    rare = assess(raised(shop(), "web", "latency", 4.0), symptom=symptom).symptom_rarity
    usual = assess(shop(), symptom=symptom).symptom_rarity
    assert rare is not None
    assert usual is not None
    assert rare < 0.02 < usual
    assert assess(shop()).symptom_rarity is None


def test_earlier_windows_are_at_most_twenty_and_quiet_systems_have_low_tops() -> None:
    found = assess(shop())
    assert len(found.usual_tops) == 20
    assert np.median(found.usual_tops) < 1.5


def test_metrics_that_stop_are_reported_as_missing_not_as_healthy() -> None:
    held = [replace(s, values=np.where(np.arange(STEPS) < STEPS - 9, s.values, np.nan)) if s.service == "db" else s for s in shop()]
    assert 'no metrics of "db" after 01:52:00 UTC' in assess(held).notes
    half = [s if s.metric == "cpu" else replace(s, values=np.where(np.arange(STEPS) < 160, s.values, np.nan)) for s in shop()]
    assert any(note.startswith("some metrics stop before the end of the window: ") for note in assess(half).notes)
    late = [replace(s, values=np.where(np.arange(STEPS) < STEPS - 2, s.values, np.nan)) if s.service == "db" else s for s in shop()]
    assert assess(late).notes == ()
    all_silent = [replace(s, values=np.where(np.arange(STEPS) < STEPS - 9, s.values, np.nan)) for s in shop()]
    assert assess(all_silent).notes == ()  # the freshness says it


def test_a_bound_and_a_missing_map_are_reported() -> None:
    metrics = Metrics(shop(), bound="only 10 rows were read")
    found = assess_metrics(sources(metrics, Calls(None)), brief())
    assert found.notes == ("metrics were compared without a service map: the traces do not answer", "only 10 rows were read")
    assert top(assess(raised(shop(), "pay", "cpu", 4.0), calls=None)) == "pay"


def test_only_the_neighbourhood_is_read_where_there_is_one() -> None:
    asked = brief().model_copy(update={"services": ("pay", "web")})
    assert set(assess_metrics(sources(Metrics(shop())), asked).scores) == {"pay", "web"}


def test_hostile_names_stay_quotations() -> None:
    hostile = 'pay"\x1b[31m\n<b>'
    held = [replace(s, service=hostile) if s.service == "pay" else s for s in raised(shop(), "pay", "cpu", 4.0)]
    found = assess(held)
    assert top(found) == hostile
    assert found.anomalies[0].summary.isprintable()
    assert found.anomalies[0].summary.count('"') == 4


def test_the_map_is_handed_on() -> None:
    assert assess(shop(), calls=[("web", "cart")]).edges == (("web", "cart"),)


@pytest.mark.parametrize("before", [1e-310, -1e-310, 0.0, 1e-60, 1.0, 1.7e308])
@pytest.mark.parametrize("after", [1.7e308, -1.7e308, 1e-310])
@pytest.mark.parametrize("unit", ["%", "ms", "1"])
def test_extreme_values_are_compared_like_any_others(before: float, after: float, unit: str) -> None:
    values = np.full(STEPS, before)
    values[-4:] = after
    symptom = Symptom(service="pay", metric="cpu")
    found = assess([*shop(), Series("pay", "size", values, unit)], symptom=symptom)
    assert all(np.isfinite(score) for score in found.scores.values())
    assert all(a.factor is None or np.isfinite(a.factor) for a in found.anomalies)
    assert all(len(a.summary) < 300 for a in found.anomalies)
    if after == 1.7e308 and before < 1:
        assert top(found) == "pay"
