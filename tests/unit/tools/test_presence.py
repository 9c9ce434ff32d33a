"""Invariants: the bound is symmetric in there and not there, and bursts, drift and single counts do not pass for a change."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.tools.baseline import Floats
from middlewatch.tools.presence import HALF_LIFE_SECONDS, OLD_WEIGHT, Change, Presence, bayes_factor, few_compared
from middlewatch.tools.timeline import STEP_SECONDS

SEEDS = st.integers(0, 2**32 - 1)
BUCKETS, ONSET = 200, 188


def counts(seed: int, per_bucket: float, before: float, after: float) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    units = rng.poisson(per_bucket, (1, BUCKETS))
    share = np.where(np.arange(BUCKETS) < ONSET, before, after)
    return units.astype(np.float64), rng.binomial(units, share).astype(np.float64)


def change(units: Floats, present: Floats, end: int = BUCKETS) -> Change:
    return Presence.of(units, present).change(ONSET, end)


@given(SEEDS, st.sampled_from([0.0, 0.02, 0.5, 1.0]))
def test_chance_alone_seldom_passes_the_bound(seed: int, share: float) -> None:
    assert change(*counts(seed, 5.0, share, share)).bound[0] < 0.5


@pytest.mark.parametrize(("before", "after"), [(0.95, 0.05), (0.0, 0.5), (1.0, 0.5), (0.05, 0.95)])
def test_a_change_is_found_and_has_a_direction(before: float, after: float) -> None:
    found = change(*counts(1, 5.0, before, after))
    assert found.bound[0] > 2.0
    assert (found.log_odds[0] > 0) == (after > before)
    assert found.before[0] == pytest.approx(before, abs=0.1)
    assert found.after[0] == pytest.approx(after, abs=0.2)


@given(SEEDS, st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_there_and_not_there_are_two_names_for_one_thing(seed: int, before: float, after: float) -> None:
    units, present = counts(seed, 5.0, before, after)
    one, other = change(units, present), change(units, units - present)
    assert one.bound == pytest.approx(other.bound, abs=1e-9)
    assert one.log_odds == pytest.approx(-other.log_odds, abs=1e-9)


@given(SEEDS)
def test_nothing_after_the_end_counts(seed: int) -> None:
    units, present = counts(seed, 5.0, 0.2, 0.8)
    altered = present.copy()
    altered[:, BUCKETS - 4 :] = 0.0
    assert change(units, altered, BUCKETS - 4).bound == pytest.approx(change(units, present, BUCKETS - 4).bound)


def test_what_comes_in_bursts_needs_more_than_another_burst() -> None:
    units, present = np.full((1, BUCKETS), 20.0), np.zeros((1, BUCKETS))
    present[0, 5::40] = 20.0  # every ten minutes, all at once
    present[0, ONSET + 2 : ONSET + 4] = 20.0
    even = np.zeros((1, BUCKETS))
    even[0, :ONSET] = present[0, :ONSET].mean()
    even[0, ONSET:] = present[0, ONSET:]
    assert change(units, even).bound[0] > 1.0
    assert change(units, present).bound[0] < 0.2


def test_log_odds_wander_a_little_however_many_units_are_counted() -> None:
    units = np.full((1, BUCKETS), 10_000.0)
    assert change(units, units * np.where(np.arange(BUCKETS) < ONSET, 0.5, 0.58)).bound[0] == 0.0


def test_the_recent_past_counts_most() -> None:
    units, present = np.full((1, BUCKETS), 5.0), np.full((1, BUCKETS), 5.0)
    present[0, ONSET - 20 :] = 0.0  # five minutes before the onset already
    old, fresh = change(units, present), change(units, np.where(np.arange(BUCKETS) < ONSET, 5.0, 0.0)[None, :])
    assert old.bound[0] < 0.5 * fresh.bound[0]
    assert old.before[0] < 0.8 * present[0, :ONSET].mean() / 5


def test_one_unit_is_no_evidence() -> None:
    units, present = np.full((1, BUCKETS), 5.0), np.full((1, BUCKETS), 5.0)
    units[0, ONSET:], present[0, ONSET:] = 0.0, 0.0
    units[0, ONSET] = 1.0
    assert change(units, present).bound[0] == 0.0


def test_more_present_than_units_is_all_of_them() -> None:
    units = np.full((1, BUCKETS), 2.0)
    assert change(units, 3 * units).before[0] == pytest.approx(1.0)


def test_no_units_at_all_are_no_change_and_no_warning() -> None:
    empty = np.zeros((2, BUCKETS))
    assert change(empty, empty).bound.tolist() == [0.0, 0.0]
    assert change(np.zeros((0, BUCKETS)), np.zeros((0, BUCKETS))).bound.size == 0


def test_old_units_alone_count_in_full_where_weights_are_to_be_worth_their_standard_error() -> None:
    units, present = np.zeros((1, BUCKETS)), np.zeros((1, BUCKETS))
    units[0, :40], units[0, ONSET:], present[0, ONSET:] = 10.0, 10.0, 1.0
    weighted, effective = (Presence.of(units, present, effective=e).change(ONSET, BUCKETS).bound[0] for e in (False, True))
    assert weighted == 0.0
    assert effective > 0.5


def test_the_spread_is_that_before_the_first_onset_in_question() -> None:
    units, present = counts(1, 20.0, 0.05, 0.9)
    late = ONSET + 4
    alone, told = (Presence.of(units, present).change(late, BUCKETS, first=first).bound[0] for first in (None, ONSET))
    assert told > alone


def few(k0: float, n0: float, k1: float, n1: float, alike: float = 0.1) -> tuple[float, float]:
    log_odds, bound = few_compared(*(np.array([x]) for x in (k0, n0, k1, n1, alike)))
    return float(log_odds[0]), float(bound[0])


COUNTS = st.integers(0, 12).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
SHARES = st.floats(0.01, 0.99)


@given(COUNTS, st.integers(0, 12), SHARES)
def test_a_bayes_factor_is_a_ratio_of_probabilities(before: tuple[int, int], n1: int, alike: float) -> None:
    """If nothing changed, its mean over all that may happen is 1; how likely each is, follows one unit at a time (Polya's urn)."""
    likely = np.ones(1)
    k0, n0 = before
    for n in range(n1):
        share = (k0 + alike + np.arange(n + 1)) / (n0 + 1 + n)
        likely = np.append(likely * (1 - share), 0.0) + np.append(0.0, likely * share)
    after = np.arange(n1 + 1.0)
    k0s, b0s, alikes = (np.full(n1 + 1, x) for x in (float(k0), float(n0 - k0), alike))
    assert likely @ np.exp(bayes_factor(k0s, b0s, after, n1 - after, alikes)) == pytest.approx(1.0)


@given(COUNTS, COUNTS, SHARES)
def test_of_few_units_too_there_and_not_there_are_two_names_for_one_thing(
    before: tuple[int, int], after: tuple[int, int], alike: float
) -> None:
    (k0, n0), (k1, n1) = before, after
    one, other = few(k0, n0, k1, n1, alike), few(n0 - k0, n0, n1 - k1, n1, 1 - alike)
    assert one == pytest.approx((-other[0], other[1]), abs=1e-9)


def test_what_one_unit_says_depends_on_how_many_were_without_it_and_how_often_such_things_are_there() -> None:
    said = [few(0, n0, 1, 1)[1] for n0 in (0, 1, 5, 50)]
    assert said == sorted(said)
    assert said[0] > 0.0
    assert few(0, 1, 1, 1, alike=0.5)[1] < 0.5 * said[1]
    assert few(5, 5, 1, 1)[1] < 0.0


def test_a_drift_is_no_more_evidence_than_of_many_units_however_many_of_the_few_there_are() -> None:
    assert few(500, 1000, 290, 500)[1] <= 0.0
    assert few(500, 1000, 490, 500)[1] > 1.0


def test_of_few_units_old_ones_count_as_much_as_recent_ones_and_one_after_is_compared() -> None:
    units, present = np.zeros((1, BUCKETS)), np.zeros((1, BUCKETS))
    units[0, :10], units[0, ONSET], present[0, ONSET] = 1.0, 1.0, 1.0
    found = Presence.of(units, present, alike=np.array([0.1])).change(ONSET, BUCKETS)
    assert (found.log_odds[0], found.bound[0]) == pytest.approx(few(0, 10, 1, 1))


@given(SEEDS, st.integers(1, 3 * BUCKETS - 1))
def test_sums_that_fade_are_those_of_every_bucket_with_its_weight(seed: int, onset: int) -> None:
    units, present = (np.tile(count, 3) for count in counts(seed, 2.0, 0.2, 0.8))
    age = (onset - np.arange(onset) - 0.5) * STEP_SECONDS
    weights = OLD_WEIGHT + 0.5 ** (age / HALF_LIFE_SECONDS)
    n, k = (float(count[0, :onset] @ weights) for count in (units, present))
    found = Presence.of(units, present).before(slice(None), onset)
    assert [float(x[0]) for x in found] == pytest.approx([k, n], rel=1e-9, abs=1e-9)
    scale = n / max(float(units[0, :onset] @ weights**2), 1e-300)
    found = Presence.of(units, present, effective=True).before(slice(None), onset)
    assert [float(x[0]) for x in found] == pytest.approx([scale * k, scale * n], rel=1e-6, abs=1e-6)
