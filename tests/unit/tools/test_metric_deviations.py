"""Invariants: a deviation is measured against the series' own habit, above a floor that makes sense, now as in the past."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.records import Family
from middlewatch.tools.baseline import Floats
from middlewatch.tools.metric_deviations import CLEAR_DEVIATION, LARGEST_DEVIATION, Deviations, for_the_worse, measure, onset_split
from middlewatch.tools.metric_series import SeriesMatrix, load_series
from tests.unit.tools.synthetic_telemetry import Metrics, Series, brief, sources

STEPS = 120


def measured(*series: Series) -> Deviations:
    loaded = load_series(sources(Metrics(series)), brief())
    assert isinstance(loaded, SeriesMatrix)
    return measure(loaded, brief())


def steady(level: float, now: float, *, noise: float = 0.0, service: str = "cart", unit: str = "%") -> Series:
    """A series at one level that is at another in the incident."""
    values = level + noise * np.random.default_rng(0).standard_normal(STEPS)
    values[-5:] = now
    return Series(service, "x", values, unit)


def now(found: Deviations) -> Sequence[float]:
    return [round(float(value), 2) for value in found.tops[:, 0]]


def test_a_few_per_cent_on_a_steady_series_are_nothing() -> None:
    assert now(measured(steady(40.0, 41.0))) == [0.5]


def test_a_lot_on_a_service_where_the_metric_is_always_tiny_is_nothing() -> None:
    others = [steady(40.0, 40.0, service=f"s{i}") for i in range(3)]
    assert now(measured(steady(0.01, 0.5, service="idle"), *others))[0] < 1.0


def test_half_a_per_cent_of_failures_is_something() -> None:
    almost = Series("cart", "x", np.where(np.arange(STEPS) % 7 == 0, 99.95, 100.0), "%")
    failing = Series("web", "x", np.where(np.arange(STEPS) >= STEPS - 5, 99.0, 100.0), "%")
    found = measured(almost, failing)
    assert found.families == (Family.SUCCESS, Family.SUCCESS)
    assert now(found)[1] == 5.0


def test_what_never_happened_before_is_measured_against_its_own_size() -> None:
    quiet = Series("cart", "x", np.zeros(STEPS), "1/s")
    first = Series("web", "x", np.where(np.arange(STEPS) >= STEPS - 5, 3.0, 0.0), "1/s")
    assert now(measured(quiet, first)) == [0.0, 20.0]


def test_more_than_enough_says_nothing_more() -> None:
    assert now(measured(steady(2.0, 1e9))) == [LARGEST_DEVIATION]


@given(st.integers(0, 99))
def test_the_past_is_measured_as_the_present_is(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pattern = 1 + rng.random(5)
    found = measured(Series("cart", "x", np.tile(pattern, STEPS // 5)))
    assert found.tops == pytest.approx(np.tile(found.tops[:, :1], found.tops.shape[1]))


@pytest.mark.parametrize(
    ("family", "rise", "fall"),
    [
        (Family.LATENCY, 4.0, -4.0),
        (Family.ERRORS, 4.0, -4.0),
        (Family.SUCCESS, -4.0, 4.0),
        (Family.TRAFFIC, 4.0, 2.0),
        (Family.SATURATION, 4.0, 2.0),
        (Family.OTHER, 4.0, 2.0),
    ],
)
def test_each_family_has_its_direction(family: Family, rise: float, fall: float) -> None:
    both: Floats = np.array([[4.0, -4.0]])
    assert for_the_worse(both, (family,)).tolist() == [[rise, fall]]


def onset_of(*series: Series) -> tuple[int, int, int]:
    """Of the last of them: the last old step, the first new one, and the latest that may be it; counted from the end."""
    loaded = load_series(sources(Metrics(series)), brief())
    assert isinstance(loaded, SeriesMatrix)
    split = onset_split(len(series) - 1, loaded.axis, measure(loaded, brief()))
    return tuple(step - loaded.axis.steps for step in (split.before, split.step, split.last))  # type: ignore[return-value]  # three


@pytest.mark.parametrize("spread", [0.0, 5.0], ids=["beyond every bound", "varying"])
def test_what_deviates_as_long_as_it_exists_does_so_since_its_first_sample(spread: float) -> None:
    """A canary has no past of its own; the incident was taken to begin before it was there."""
    values = np.full(STEPS, np.nan)
    values[-3:] = 80.0 + spread * np.array([0.0, 1.0, 2.0])
    old, new = steady(20.0, 20.0, noise=0.5), Series("cart", "x", values, "%", instance="new")
    assert onset_of(replace(old, instance="old"), new) == (-4, -3, -3)


def test_a_new_instance_that_began_like_the_others_changes_where_its_level_does() -> None:
    values = np.full(STEPS, np.nan)
    values[-10:] = [20.0] * 6 + [80.0] * 4
    old, new = steady(20.0, 20.0, noise=0.5), Series("cart", "x", values, "%", instance="new")
    assert onset_of(replace(old, instance="old"), new)[1] == -4


def test_what_it_takes_to_start_is_no_deviation() -> None:
    values = np.full(STEPS, np.nan)
    values[-4:] = [90.0, 20.0, 20.0, 20.0]
    old, new = steady(20.0, 20.0, noise=0.5), Series("cart", "x", values, "%", instance="new")
    loaded = load_series(sources(Metrics([replace(old, instance="old"), new])), brief())
    assert isinstance(loaded, SeriesMatrix)
    assert measure(loaded, brief()).tops[-1, 0] < CLEAR_DEVIATION
