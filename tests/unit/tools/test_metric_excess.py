"""Invariants: what passes through a service is a consequence there, and nobody hands on more than arrives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.records import Edge, Family
from middlewatch.tools.baseline import Floats
from middlewatch.tools.metric_deviations import measure
from middlewatch.tools.metric_excess import at_steps, consequence_shares, excess, explained_share, load_shares
from middlewatch.tools.metric_scores import Unit, units_of
from middlewatch.tools.metric_series import SeriesMatrix, load_series
from tests.unit.tools.synthetic_telemetry import Metrics, Series, brief, sources

STEPS = 60
SERVICES = ("web", "proxy", "cart", "db")
WAVE = np.array([0.0, 1.0, 4.0, 2.0, 6.0, 3.0])
SOME = np.random.default_rng(0).uniform(-1, 1, (9, 8))


def amounts(*held: Series) -> dict[tuple[str, str], Floats]:
    """The excess of the last six steps, by service and metric."""
    loaded = load_series(sources(Metrics(held)), brief())
    assert isinstance(loaded, SeriesMatrix)
    deviations = measure(loaded, brief())
    units = units_of(loaded.labels, deviations.families)
    return {(u.service, u.group[0]): x[-6:] for u, x in zip(units, excess(units, loaded, deviations), strict=True)}


def waiting(service: str, factor: float = 1.0, *, kind: str = "gauge", observations: int = 1, instance: str = "a") -> Series:
    """A latency of half a second that rises by a wave."""
    values = np.append(np.full(STEPS - 6, 0.5), 0.5 + factor * WAVE)
    return Series(service, "wait", values, "s", kind=kind, observations=observations, instance=instance)


def constant(service: str, metric: str, level: float, unit: str, instance: str = "a") -> Series:
    return Series(service, metric, np.full(STEPS, level), unit, instance=instance)


@pytest.mark.parametrize(("metric", "unit"), [("requests", "1/s"), ("calls", "{call}/s"), ("whole numbers", "1")])
def test_seconds_of_waiting_are_latency_beyond_the_usual_times_requests(metric: str, unit: str) -> None:
    found = amounts(*(waiting(s) for s in SERVICES), *(constant(s, metric, 20.0, unit) for s in SERVICES))
    assert found["cart", "wait"] == pytest.approx(20.0 * WAVE)


def test_a_histogram_counts_its_own_requests() -> None:
    found = amounts(waiting("cart", kind="histogram", observations=120))
    assert found["cart", "wait"] == pytest.approx(120 / 60 * WAVE)


def test_instances_add_up_each_with_its_own_requests() -> None:
    held = [waiting("cart"), waiting("cart", 0.5, instance="b")]
    rates = [constant("cart", "requests", 20.0, "1/s"), constant("cart", "requests", 4.0, "1/s", instance="b")]
    assert amounts(*held, *rates)["cart", "wait"] == pytest.approx(22.0 * WAVE)


def test_a_fall_of_success_is_failures_and_a_rate_of_failures_is_an_amount_already() -> None:
    success = np.append(np.where(np.arange(STEPS - 6) % 9 == 0, 99.8, 100.0), 100.0 - WAVE)
    failing = np.append(np.zeros(STEPS - 6), WAVE)
    held = [Series("cart", "success", success, "%"), constant("cart", "requests", 20.0, "1/s")]
    found = amounts(*held, Series("cart", "failures", failing, "1/s"))
    assert found["cart", "success"] == pytest.approx(20.0 * WAVE)
    assert found["cart", "failures"] == pytest.approx(WAVE)


def test_what_nobody_counts_has_no_amount() -> None:
    rates = [constant("elsewhere", "requests", 20.0, "1/s"), constant("far", "requests", 20.0, "1/s")]
    assert np.isnan(amounts(waiting("cart"), waiting("web"), *rates)["cart", "wait"]).all()
    assert np.isnan(amounts(waiting("cart"), constant("cart", "sent", 20.0, "By/s"))["cart", "wait"]).all()
    assert np.isnan(amounts(constant("cart", "cpu", 3.5, "%"))["cart", "cpu"]).all()


def shares(nats: Sequence[float], courses: Floats, calls: Sequence[tuple[str, str]]) -> dict[str, float]:
    """The explained shares of latencies of the four services."""
    units = [Unit(s, "", ("wait", "s", "gauge", ()), Family.LATENCY, (i,)) for i, s in enumerate(SERVICES)]
    edges = [Edge(caller=caller, callee=callee, calls=1) for caller, callee in calls]
    recent = np.arange(courses.shape[1])[None, :]
    found = consequence_shares(units, np.array(nats)[:, None], courses, recent, edges)
    return {unit.service: float(share[0]) for unit, share in zip(units, found, strict=True)}


CHAIN = [("web", "proxy"), ("proxy", "cart"), ("cart", "db")]


def test_callers_are_explained_by_whatever_behind_them_adds_as_much() -> None:
    noise = np.random.default_rng(1).uniform(-0.1, 0.1, (4, 6))
    found = shares([3.0] * 4, np.array([20 * WAVE, 0.2 * WAVE, 20 * WAVE, 0.1 * WAVE]) + noise, CHAIN)
    assert found["web"] > 0.95  # by cart, two calls away
    assert found["proxy"] > 0.9
    assert found["cart"] < 0.1
    assert found["db"] == 0.0


def test_where_nothing_is_counted_the_evidence_of_the_worst_callee_explains() -> None:
    found = shares([4.0, 2.0, 1.0, 0.0], np.full((4, 6), np.nan), CHAIN)
    assert found == {"web": 0.5, "proxy": 0.5, "cart": 0.0, "db": 0.0}


def test_without_a_map_nothing_is_a_consequence() -> None:
    assert not any(shares([4.0] * 4, np.tile(WAVE, (4, 1)), []).values())


@given(st.integers(0, 8), st.integers(0, 8), st.floats(0.01, 100))
def test_shares_lie_between_nothing_and_everything_whatever_the_level(one: int, other: int, level: float) -> None:
    share = float(explained_share(SOME[one], SOME[other]))
    assert 0.0 <= share <= 1.0
    assert float(explained_share(SOME[one] + level, SOME[other] - level)) == pytest.approx(share, abs=1e-9)
    assert float(explained_share(level * SOME[one], level * SOME[other])) == pytest.approx(share, abs=1e-9)
    assert share <= float(explained_share(SOME[one], SOME[other], at_most_once=False)) + 1e-9


def test_without_a_limit_the_share_is_the_squared_correlation() -> None:
    expected = float(np.corrcoef(SOME[0], SOME[1])[0, 1])
    sign = 1 if expected > 0 else -1
    assert float(explained_share(SOME[0], sign * 0.001 * SOME[1], at_most_once=False)) == pytest.approx(expected**2)
    assert float(explained_share(SOME[0], -sign * SOME[1], at_most_once=False)) == 0.0


def test_a_part_that_moves_alike_explains_only_its_part() -> None:
    assert float(explained_share(WAVE, 0.3 * WAVE)) == pytest.approx(1 - 0.7**2)
    assert float(explained_share(0.3 * WAVE, WAVE)) == pytest.approx(1.0)


def test_too_few_common_samples_explain_nothing() -> None:
    half = np.where(np.arange(6) < 3, WAVE, np.nan)
    assert float(explained_share(WAVE, half)) == float(explained_share(WAVE, np.ones(6))) == 0.0


def test_steps_before_the_first_are_missing_and_short_gaps_are_bridged() -> None:
    found = at_steps(WAVE[None, :], np.array([[-1, 0], [4, 5]]))
    assert found.tolist() == [[[pytest.approx(np.nan, nan_ok=True), 0.0], [6.0, 3.0]]]
    gappy = np.array([[np.nan, 1.0, np.nan, 3.0, np.nan, np.nan, np.nan, 7.0, np.nan]])
    nothing = pytest.approx(np.nan, nan_ok=True)
    assert at_steps(gappy, np.arange(9)).tolist() == [[nothing, 1.0, 2.0, 3.0, nothing, nothing, nothing, 7.0, nothing]]


def test_a_lost_count_is_the_usual_one_and_no_requests_are_no_excess() -> None:
    counts = np.full(STEPS, 20.0)
    counts[-3], counts[-4], counts[-5] = np.nan, 0.0, 40.0
    held = [waiting("cart"), Series("cart", "requests", counts, "1/s")]
    assert amounts(*held)["cart", "wait"] == pytest.approx([0.0, 40.0, 0.0, 40.0, 120.0, 60.0])
    silent = replace(held[0], values=np.where(np.arange(STEPS) >= STEPS - 4, np.nan, held[0].values))
    assert amounts(silent, held[1])["cart", "wait"][:3] == pytest.approx([0.0, 40.0, 0.0])
    assert np.isnan(amounts(silent, held[1])["cart", "wait"][3:]).all()


def loaded_share(slower: float, more: float, *, peer: str = "", noise: float = 0.05, counted: bool = True) -> Floats:
    """How much of a latency is explained that lasts `slower` times as long while `more` times the requests come; by windows."""
    rng = np.random.default_rng(2)
    attributes = {"to": peer} if peer else {}

    def course(level: float, factor: float) -> Floats:
        return np.append(level * (1 + noise * rng.standard_normal(STEPS - 5)), np.full(5, level * factor))

    held = [Series("cart", "wait", course(0.5, slower), "s", attributes=attributes)]
    held += [Series("cart", "requests", course(20.0, more), "1/s", attributes=attributes)] if counted else []
    held += [constant(peer, "up", 3.0, "{thing}")] if peer else []
    loaded = load_series(sources(Metrics(held)), brief())
    assert isinstance(loaded, SeriesMatrix)
    deviations = measure(loaded, brief())
    units = units_of(loaded.labels, deviations.families)
    (index,) = [i for i, unit in enumerate(units) if unit.family is Family.LATENCY]
    return np.asarray(load_shares(units, loaded, deviations)[index])


@given(st.floats(1.5, 20), st.floats(2.0, 20), st.sampled_from(["", "db"]))
def test_latency_is_explained_as_far_as_it_is_in_proportion_to_the_work(slower: float, more: float, peer: str) -> None:
    shares = loaded_share(slower, more, peer=peer)
    assert shares[0] == pytest.approx(min(1.0, (more - 1) / (slower - 1)), abs=0.1)
    assert not shares[1:].any()  # before, nothing unusual was asked


@pytest.mark.parametrize(
    "asked",
    [
        {"slower": 4.0, "more": 1.0},
        {"slower": 4.0, "more": 0.2},
        {"slower": 0.5, "more": 4.0},
        {"slower": 4.0, "more": 4.0, "counted": False},
    ],
    ids=["as many", "fewer", "faster", "uncounted"],
)
def test_nothing_is_explained_by_requests_that_are_no_more_than_usual_or_that_nobody_counts(asked: dict[str, float]) -> None:
    assert loaded_share(**asked)[0] == 0.0  # type: ignore[arg-type]  # passed on as it is


def test_requests_that_are_hardly_more_than_they_commonly_are_explain_nothing() -> None:
    assert loaded_share(3.0, 1.5, noise=0.3)[0] == 0.0
    assert loaded_share(3.0, 1.5, noise=0.02)[0] > 0.2
