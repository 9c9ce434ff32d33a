"""A quantile of merged histograms is the quantile of all observations, as far as buckets can tell."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from middlewatch.telemetry.histograms import Bucket, explicit_buckets, exponential_buckets, quantiles

_BOUNDS = st.lists(st.floats(0.001, 1000), min_size=1, max_size=8, unique=True).map(sorted)
_OBSERVATIONS = st.lists(st.floats(0.0005, 2000), min_size=1, max_size=60)
_PROBABILITIES = [0.0, 0.25, 0.5, 0.9, 0.99, 1.0]


def histogram(bounds: list[float], observations: list[float]) -> list[int]:
    counts = [0] * (len(bounds) + 1)
    for value in observations:
        counts[int(np.searchsorted(bounds, value, side="left"))] += 1
    return counts


@given(_BOUNDS, _OBSERVATIONS)
def test_the_quantile_lies_in_the_bucket_of_the_true_one(bounds: list[float], observations: list[float]) -> None:
    buckets = explicit_buckets(bounds, histogram(bounds, observations))
    for probability, found in zip(_PROBABILITIES, quantiles(buckets, _PROBABILITIES), strict=True):
        rank = max(1, math.ceil(probability * len(observations) - 1e-9))
        true = sorted(observations)[rank - 1]
        index = int(np.searchsorted(bounds, true, side="left"))
        lower, upper = ([0.0, *bounds][index], [*bounds, bounds[-1]][index])
        assert lower - 1e-9 <= found <= upper + 1e-9


@given(_BOUNDS, _OBSERVATIONS, _OBSERVATIONS)
def test_merging_histograms_is_the_histogram_of_everything(bounds: list[float], some: list[float], others: list[float]) -> None:
    apart = [*explicit_buckets(bounds, histogram(bounds, some)), *explicit_buckets(bounds, histogram(bounds, others))]
    together = explicit_buckets(bounds, histogram(bounds, some + others))
    assert quantiles(apart, _PROBABILITIES) == pytest.approx(quantiles(together, _PROBABILITIES))


@example([514.6500839435636], [1.6905948407074334, 514.6500839435636], [515.0], [2.0])
@example([1.6905948407074334], [514.6500839435636], [1.0], [1.0])
@given(_BOUNDS, _BOUNDS, _OBSERVATIONS, _OBSERVATIONS)
def test_quantiles_rise_with_the_probability_also_over_different_bounds(
    first: list[float], second: list[float], some: list[float], others: list[float]
) -> None:
    buckets = [*explicit_buckets(first, histogram(first, some)), *explicit_buckets(second, histogram(second, others))]
    found = quantiles(buckets, _PROBABILITIES)
    assert found == sorted(found)
    assert min(bucket.lower for bucket in buckets) <= found[0]
    assert found[-1] <= max(bucket.upper for bucket in buckets)


def test_the_average_of_quantiles_is_another_number() -> None:
    busy = explicit_buckets([1.0, 2.0], [1000, 0, 0])
    idle = explicit_buckets([1.0, 2.0], [0, 1, 0])
    merged = quantiles([*busy, *idle], [0.95])[0]
    averaged = (quantiles(busy, [0.95])[0] + quantiles(idle, [0.95])[0]) / 2
    assert merged == pytest.approx(0.951, abs=0.001)
    assert averaged == pytest.approx(1.45)


def test_prometheus_conventions() -> None:
    # rank 5 of 10 in (0, 1], linear; beyond the highest bound there is only that bound.
    assert quantiles(explicit_buckets([1.0, 2.0], [10, 0, 0]), [0.5]) == [0.5]
    assert quantiles(explicit_buckets([1.0, 2.0], [0, 0, 10]), [0.5]) == [2.0]
    assert quantiles(explicit_buckets([-1.0, 1.0], [10, 0, 0]), [0.5]) == [-1.0]


def test_exponential_buckets_double_at_scale_zero() -> None:
    assert exponential_buckets(0, 2, [(1, 3), (2, 0)], [(0, 1)]) == [
        Bucket(2.0, 4.0, 3),
        Bucket(-2.0, -1.0, 1),
        Bucket(0.0, 0.0, 2),
    ]
    assert quantiles(exponential_buckets(0, 5, [(0, 5)], []), [0.25, 1.0]) == [0.0, 2.0]


def test_extreme_indexes_stay_finite() -> None:
    buckets = exponential_buckets(-10, 0, [(5, 1)], [(5, 1)])
    assert all(math.isfinite(bucket.lower) and math.isfinite(bucket.upper) for bucket in buckets)


def test_nothing_observed_has_no_quantile() -> None:
    assert all(math.isnan(value) for value in quantiles([], [0.5, 0.9]))
    assert all(math.isnan(value) for value in quantiles(explicit_buckets([], [7]), [0.5]))
