"""Invariants: any amount of series fits into the bound, the incident stays whole, and names do not say what a series measures."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.records import Family, Window
from middlewatch.records.errors import BoundExceeded
from middlewatch.telemetry.sources import Answer
from middlewatch.tools.metric_series import MOST_CELLS, SeriesMatrix, choose_axis, family_of, load_series
from tests.unit.tools.synthetic_telemetry import DETECTED, END, TIME, Metrics, Series, brief, sources


def catalogue(series: int, interval_seconds: float, hours: float) -> pa.Table:
    end = round(END.timestamp() * 1e6)
    points = max(2, int(hours * 3600 / interval_seconds))
    return pa.table(
        {
            "points": pa.array([points] * series, pa.uint64()),
            "first": pa.array([round(end - points * interval_seconds * 1e6)] * series, TIME),
            "last": pa.array([round(end - interval_seconds * 1e6)] * series, TIME),
        }
    )


def matrix(*series: Series) -> SeriesMatrix:
    loaded = load_series(sources(Metrics(series)), brief())
    assert isinstance(loaded, SeriesMatrix)
    return loaded


@given(
    st.integers(1, 20_000),
    st.sampled_from([0.5, 1.0, 10.0, 15.0, 61.0, 300.0]),
    st.floats(0.5, 72.0),
    st.sampled_from([240.0, 900.0]),
)
def test_any_amount_of_series_fits_and_the_incident_is_whole(count: int, interval: float, hours: float, lead: float) -> None:
    asked = brief(lead_seconds=lead, hours=hours)
    axis = choose_axis(asked, catalogue(1, interval, hours).take([0] * count))
    assert count * axis.steps <= MOST_CELLS
    assert axis.time(axis.steps) == END
    assert abs(axis.incident_steps * axis.step_seconds - asked.incident.seconds) <= max(axis.step_seconds, 2 * interval)


def test_the_step_is_the_series_own_interval_and_slow_series_get_two_steps_before_the_detection() -> None:
    assert choose_axis(brief(), catalogue(10, 61, 3)).step_seconds == 60
    assert choose_axis(brief(), catalogue(10, 59, 3)).step_seconds == 60
    assert choose_axis(brief(), catalogue(10, 60 / 0.6, 3)).step_seconds == 60  # gaps
    slow = choose_axis(brief(), catalogue(10, 300, 20))
    assert slow.step_seconds == 300
    assert slow.incident_steps == 2  # 660 s


def test_thousands_of_series_keep_the_recent_part_of_their_history_and_it_is_said() -> None:
    axis = choose_axis(brief(hours=24), catalogue(6000, 60, 24))
    assert axis.step_seconds == 60
    assert "the last 8.2 h only" in axis.shortened
    assert not choose_axis(brief(hours=6), catalogue(6000, 60, 6)).shortened


def test_more_series_than_fit_at_their_own_step_are_read_in_coarser_ones_and_keep_twenty_windows() -> None:
    axis = choose_axis(brief(hours=24), catalogue(1, 15, 24).take([0] * 20_000))
    assert axis.step_seconds == 60
    assert axis.steps >= 21 * axis.incident_steps


def test_a_query_that_hits_its_bound_is_asked_again_with_less_history() -> None:
    class Dear(Metrics):
        def series(self, window: Window, *, step_seconds: int, services: Sequence[str] = (), metrics: Sequence[str] = ()) -> Answer:
            if window.seconds > self.affordable_hours * 3600:
                raise BoundExceeded
            return super().series(window, step_seconds=step_seconds, services=services, metrics=metrics)

        affordable_hours = 2.0

    held = Dear([Series("cart", "m", np.ones(180))])
    loaded = load_series(sources(held), brief())
    assert isinstance(loaded, SeriesMatrix)
    assert loaded.axis.steps == 21 * loaded.axis.incident_steps
    assert loaded.axis.shortened == "metrics were compared with the last 1.7 h only: more hit the bound of the query"
    assert not np.isnan(loaded.values).any()
    held.affordable_hours = 1.0
    with pytest.raises(BoundExceeded):
        load_series(sources(held), brief())


def test_values_land_on_their_steps_and_gaps_stay_gaps() -> None:
    loaded = matrix(Series("cart", "m", np.array([1.0, np.nan, np.nan, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0])))
    assert np.array_equal(loaded.values, [[1.0, np.nan, np.nan, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]], equal_nan=True)
    assert loaded.axis.incident_steps == 5


def test_an_infinite_sample_is_no_sample() -> None:
    loaded = matrix(Series("cart", "m", np.array([1.0, np.inf, 3.0, 4.0, 5.0, 6.0, 7.0])))
    assert np.isnan(loaded.values[0, 1])


def test_a_peer_is_an_attribute_that_names_another_service_whatever_its_key() -> None:
    ones = np.ones(20)
    loaded = matrix(
        Series("cart", "m", ones),
        Series("web", "calls", ones, attributes={"zone": "b", "to": "cart"}),
        Series("web", "calls", ones, attributes={"to": "web"}),
    )
    assert [label.peer for label in loaded.labels] == ["", "cart", ""]
    assert loaded.labels[1].subject == 'calls{to="cart", zone="b"}'


@pytest.mark.parametrize(("kind", "unit", "counted"), [("sum", "{error}/s", True), ("gauge", "1", False), ("sum", "1", False)])
def test_a_counter_that_first_appears_in_the_incident_was_zero_before(kind: str, unit: str, *, counted: bool) -> None:
    late = np.concatenate([np.full(28, np.nan), [7.0, 8.0]])
    loaded = matrix(Series("cart", "requests", np.ones(30), "1/s", "sum"), Series("cart", "errors", late, unit, kind))
    assert (loaded.values[1, :28] == 0.0).all() == counted
    assert np.isnan(loaded.values[1, :28]).all() != counted


def test_a_counter_of_a_new_instance_has_no_past() -> None:
    late = np.concatenate([np.full(28, np.nan), [7.0, 8.0]])
    loaded = matrix(
        Series("cart", "requests", np.ones(30), "1/s", "sum"), Series("cart", "requests", late, "1/s", "sum", instance="new")
    )
    assert np.isnan(loaded.values[1, :28]).all()


@pytest.mark.parametrize(
    ("unit", "values", "family"),
    [
        ("ms", [3.0, 4.0], Family.LATENCY),
        ("s", [0.0, 0.0], Family.LATENCY),
        ("s/s", [0.3, 0.4], Family.SATURATION),
        ("%", [100.0, 99.9], Family.SUCCESS),
        ("1", [1.0, 1.0], Family.SUCCESS),
        ("%", [97.0, 98.0], Family.SATURATION),
        ("%", [3.0, 100.0], Family.SATURATION),
        ("By", [0.0, 0.0], Family.SATURATION),
        ("1/s", [0.0, 0.0], Family.ERRORS),
        ("{request}/s", [5.0, 0.0], Family.TRAFFIC),
        ("{thread}", [5.0, 6.0], Family.OTHER),
        ("1", [], Family.SATURATION),
    ],
)
def test_what_is_measured_follows_from_unit_and_behaviour(unit: str, values: list[float], family: Family) -> None:
    assert family_of(unit, np.array([values])) is family


def test_covered_steps_are_those_that_overlap_a_window() -> None:
    axis = choose_axis(brief(), catalogue(1, 60, 1))
    start = axis.time(3) + timedelta(seconds=30)
    window = brief().incident.model_copy(update={"start": start, "end": start + timedelta(seconds=45)})
    assert np.flatnonzero(axis.covered((window,))).tolist() == [3, 4]


def test_metrics_that_began_shortly_before_keep_half_of_what_they_have_to_compare_with() -> None:
    young = choose_axis(brief(), catalogue(10, 2, 3 / 60))
    before = 180 - (END - DETECTED).total_seconds()  # what there is from before the detection
    assert young.incident_steps < young.steps
    assert (
        before / 2 - young.step_seconds
        <= (DETECTED - young.time(young.steps - young.incident_steps)).total_seconds()
        <= before / 2 + young.step_seconds
    )
