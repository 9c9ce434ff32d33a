"""Invariants: evidence needs a rare rank in the false-alarm history, more than usual size, and no habit of the service."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.records import Family
from middlewatch.tools.baseline import Baseline, Floats
from middlewatch.tools.metric_deviations import Deviations
from middlewatch.tools.metric_scores import Unit, Voice, evidence, own_part, rarities, service_scores, units_of
from middlewatch.tools.metric_series import Labels

SERVICES = 40
WINDOWS = 20


def labels(count: int, *, metric: str = "m", unit: str = "%") -> list[Labels]:
    return [Labels(f"s{i:02d}", "", metric, unit, "gauge", ()) for i in range(count)]


def nats(tops: Floats, held: Sequence[Labels] | None = None) -> Floats:
    """The evidence for deviations, shape (series, 1 + windows)."""
    named = held or labels(len(tops))
    families = tuple(Family.SATURATION for _ in named)
    nothing = Baseline(centre=np.zeros(len(tops)), scale=np.ones(len(tops)), count=np.zeros(len(tops), dtype=np.int64))
    deviations = Deviations(
        baseline=nothing,
        signed=np.zeros((len(tops), 0)),
        tops=tops,
        families=families,
        clean=np.arange(0),
        unusable=0,
        contaminated=False,
    )
    return evidence(units_of(named, families), deviations)


def unit(service: str, family: Family, *, peer: str = "", metric: str = "m") -> Unit:
    return Unit(service, peer, (metric, "", "gauge", ()), family, (0,))


def scores(units: Sequence[Unit], values: Sequence[float]) -> dict[str, float]:
    return {service: float(value[0]) for service, value in service_scores(units, np.array(values)[:, None]).items()}


def test_what_was_never_seen_before_is_evidence_and_what_is_usual_is_none() -> None:
    tops = np.random.default_rng(0).uniform(0.5, 1.9, (SERVICES, 1 + WINDOWS))
    tops[3, 0] = 12.0
    found = nats(tops)
    assert found[3, 0] > 2.0
    assert np.count_nonzero(found) == 1


def test_a_deviation_that_every_third_window_reaches_is_no_surprise() -> None:
    tops = np.ones((SERVICES, 1 + WINDOWS))
    tops[:, ::2] = 9.0
    assert not nats(tops).any()


def test_rare_among_the_services_but_a_habit_of_one_is_little_evidence() -> None:
    tops = np.ones((SERVICES, 1 + WINDOWS))
    tops[1, 0] = tops[2, 0] = 9.0
    tops[2, ::3] = 9.0
    found = nats(tops)
    assert 0 < found[2, 0] < 0.75 * found[1, 0]


def test_a_short_history_is_no_alibi() -> None:
    tops = np.ones((SERVICES, 3))
    tops[1, 0] = tops[1, 1] = 9.0
    assert nats(tops)[1, 0] > 1.0


@given(st.lists(st.floats(0, 1000), min_size=6, max_size=6), st.integers(0, 99))
def test_more_deviation_is_never_less_evidence(levels: list[float], seed: int) -> None:
    tops = np.random.default_rng(seed).uniform(0, 3, (12, 9))
    tops[:6, 0] = levels
    now = nats(tops)[:, 0]
    rarest = tops[:, :1] > tops[:, 1:].max()  # of those that are without precedent, the larger one weighs more
    order = [i for i in np.argsort(tops[:, 0], kind="stable") if rarest[i, 0]]
    assert all(now[a] <= now[b] + 1e-9 for a, b in itertools.pairwise(order))


def test_the_worst_of_a_services_series_counts_and_more_series_are_no_more_votes() -> None:
    named = [*labels(10), *(Labels("s00", f"i{i}", "m", "%", "gauge", ()) for i in range(5))]
    tops = np.ones((15, 9))
    tops[12, 0] = 9.0
    assert nats(tops, named).shape == (10, 9)
    assert nats(tops, named)[0, 0] > 0


def test_the_first_metric_decides_and_others_confirm() -> None:
    many = [unit("a", Family.TRAFFIC, metric=f"m{i}") for i in range(9)]
    assert scores(many, [1.0] * 9)["a"] == pytest.approx(1.0)
    assert scores(many[:1], [1.0])["a"] == pytest.approx(0.7)
    assert scores([unit("a", Family.TRAFFIC), unit("a", Family.LATENCY)], [1.0, 1.0])["a"] == pytest.approx(0.7 + 0.35)


def test_what_is_a_consequence_keeps_a_fifth() -> None:
    assert own_part(np.array([[5.0, 5.0, 0.0]]), np.array([[1.0, 0.0, 1.0]])).tolist() == [[pytest.approx(1.0), 5.0, 0.0]]


def test_an_edge_speaks_about_a_service_that_has_no_metrics_itself() -> None:
    assert scores([unit("web", Family.LATENCY, peer="db")], [2.0])["db"] == pytest.approx(2.0)


def test_voices_can_be_turned_down() -> None:
    units = [unit("a", Family.LATENCY), unit("b", Family.SUCCESS)]
    found = service_scores(units, np.array([[1.0], [1.0]]), {Voice.FAILURES: 0.3})
    assert float(found["b"][0]) == pytest.approx(0.3 * float(found["a"][0]))


@given(st.lists(st.floats(0, 50), min_size=2, max_size=9), st.lists(st.floats(0, 20), max_size=20))
def test_rarity_keeps_the_order_and_nothing_unusual_is_not_rare(values: list[float], tops: list[float]) -> None:
    found = rarities(np.sort(values), np.array(tops))
    assert (np.diff(found) >= -1e-9).all()
    assert float(rarities(np.zeros(1), np.array(tops))[0]) == 0.0
    assert np.isfinite(found).all()


def test_rarities_of_quiet_tops_are_what_the_logarithm_of_a_probability_is() -> None:
    rng = np.random.default_rng(0)
    quiet = 0.42 * rng.gamma(3.0, 1.0, (4000, 21))
    nats = np.array([rarities(row[:1], row[1:])[0] for row in quiet])
    for p in (0.5, 0.1, 0.02):
        assert np.mean(nats >= -np.log(p)) == pytest.approx(p, rel=0.35)


def test_what_earlier_windows_reach_is_rarer_than_nothing_and_less_rare_than_the_new() -> None:
    often, seldom = np.full(20, 3.0), np.full(20, 1.0)
    assert float(rarities(np.array([3.0]), often)[0]) < 1.2
    assert float(rarities(np.array([3.0]), seldom)[0]) > 2.5


def test_a_third_of_faulty_windows_in_the_history_hardly_hides_a_fault() -> None:
    clean, faulty = np.full(20, 1.0), np.append(np.full(14, 1.0), np.full(6, 5.0))
    assert rarities(np.array([5.0]), faulty) == pytest.approx(rarities(np.array([5.0]), clean))


def test_a_short_history_makes_less_sure() -> None:
    now = np.array([4.0])
    assert rarities(now, np.full(1, 1.1)) < rarities(now, np.full(4, 1.1)) < rarities(now, np.full(20, 1.1))
