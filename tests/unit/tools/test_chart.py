"""The course of a metric: thinning loses nothing, the baseline says what is usual, gaps are gaps, and nothing has a reason."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from middlewatch.records import AgentName, Anomaly, AnomalyKind, Evidence, Family, Onset, Query, Window
from middlewatch.tools.chart import MOST_POINTS, fact_chart, metric_chart, thinned
from tests.unit.tools.synthetic_telemetry import DETECTED, END, Metrics, Series, sources

MINUTE = timedelta(minutes=1)
INCIDENT = Window(start=DETECTED - 4 * MINUTE, end=END)
BASELINE = Window(start=INCIDENT.start - timedelta(hours=2), end=INCIDENT.start)
ONSET = Onset(at=DETECTED - 2 * MINUTE, earliest=DETECTED - 3 * MINUTE, latest=DETECTED)


def fact(
    subject: str = "cpu", *, instance: str = "a", agent: AgentName = AgentName.METRICS, baseline: float = 0.5, **update: object
) -> Evidence:
    query = Query(
        source="test", name="metric_series", window=Window(start=BASELINE.start, end=END), parameters={"step": 60_000_000_000}
    )
    anomaly = Anomaly(
        kind=AnomalyKind.METRIC,
        service="shop",
        instance=instance,
        subject=subject,
        family=Family.SATURATION,
        unit="1",
        baseline=baseline,
        observed=0.9,
        onset=ONSET,
        strength=3.0,
        window=INCIDENT,
        baseline_window=BASELINE,
        summary="it rose",
        query=query,
    ).model_copy(update=update)
    return Evidence(tenant="default", investigation="inv-1", id="ev-1", agent=agent, round=1, anomaly=anomaly)


def course(minutes: int = 125, *, high: int = 5) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """A value a minute up to `END`, the last few of them high."""
    values = 0.5 + 0.01 * np.sin(np.arange(minutes))
    values[-high:] = 0.9
    return values


def test_a_fact_is_shown_with_the_hour_before_it_and_what_was_usual() -> None:
    chart = fact_chart(sources(Metrics([Series("shop", "cpu", course())])), fact())
    assert (chart.reason, chart.evidence, chart.incident, chart.onset) == ("", "ev-1", INCIDENT, ONSET)
    assert len(chart.times) == len(chart.observed) == 65
    assert chart.observed[-1] == pytest.approx(0.9)
    assert chart.band is not None
    assert chart.band.window.end == INCIDENT.start
    assert 0.49 <= chart.band.low[0] <= chart.band.middle[0] <= chart.band.high[0] <= 0.51  # type: ignore[operator]  # none is missing
    assert "5-95 % quantiles of 2026-11-20 23:5" in chart.band.words
    assert len(chart.band.low) == len(chart.times)


def test_known_earlier_incidents_are_no_part_of_what_is_usual() -> None:
    values = course()
    values[20:60] = 9.0
    held = sources(Metrics([Series("shop", "cpu", values)]))
    known = Window(start=END - 106 * MINUTE, end=END - 64 * MINUTE)
    with_it, without = (fact_chart(held, fact(), earlier).band for earlier in ((), (known,)))
    assert with_it is not None and without is not None  # noqa: PT018  both are needed below
    assert with_it.high[0] == pytest.approx(9.0)
    assert without.high[0] == pytest.approx(0.51, abs=0.01)
    assert "earlier incidents" in without.words


def test_of_an_instance_that_is_new_the_others_tell_what_is_usual() -> None:
    old, new = course(), course()
    old[-5:], new[:-5] = np.nan, np.nan
    chart = fact_chart(sources(Metrics([Series("shop", "cpu", old), Series("shop", "cpu", new, instance="b")])), fact(instance="b"))
    assert len(chart.times) == 65
    assert chart.instance == ""
    assert any("is new" in note for note in chart.notes)
    assert chart.band is not None


def test_a_counter_that_began_with_the_incident_was_zero_before() -> None:
    errors = course()
    errors[:-5] = np.nan
    held = [Series("shop", "errors", errors, unit="1/s", kind="sum"), Series("shop", "cpu", course())]
    chart = fact_chart(sources(Metrics(held)), fact("errors", baseline=0.0))
    assert chart.observed[0] == 0.0
    assert chart.band is not None
    assert chart.band.high[0] == 0.0


def test_where_samples_are_missing_there_is_a_gap() -> None:
    values = course()
    values[90:110] = np.nan
    chart = fact_chart(sources(Metrics([Series("shop", "cpu", values)])), fact())
    assert chart.observed.count(None) == 1
    assert len(chart.times) == 65 - 20 + 1


@pytest.mark.parametrize(
    ("agent", "word"), [(AgentName.METRICS, "no sample"), (AgentName.DEPLOYS, "moment"), (AgentName.LOGS, "no course")]
)
def test_where_there_is_nothing_to_see_it_says_why(agent: AgentName, word: str) -> None:
    chart = fact_chart(sources(Metrics(())), fact(agent=agent))
    assert word in chart.reason
    assert chart.times == ()
    assert chart.incident == INCIDENT


def test_any_metric_has_a_chart_all_instances_together() -> None:
    held = [Series("shop", "cpu", course()), Series("shop", "cpu", course(), instance="b"), Series("other", "cpu", course())]
    window = Window(start=END - 30 * MINUTE, end=END)
    chart = metric_chart(sources(Metrics(held)), window, service="shop", metric="cpu")
    assert (chart.evidence, chart.incident, len(chart.times)) == ("", None, 30)
    assert chart.observed[-1] == pytest.approx(0.9)
    assert chart.band is not None
    assert chart.band.window.end <= window.start
    assert "no sample" in metric_chart(sources(Metrics(held)), window, service="shop", metric="nothing").reason
    assert "no sample" in metric_chart(sources(Metrics(held)), window, service="shop", metric="cpu", instance="c").reason


@given(st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), max_size=2000), st.integers(5, 400))
@example([1.0, 0.0, float("nan"), 2.0, 0.0, 0.0], 5)
def test_thinning_keeps_extremes_gaps_and_ends(values: list[float], most: int) -> None:
    given_ = np.array(values, dtype=np.float64)
    steps = np.arange(given_.size)
    kept = thinned(given_, steps, most)
    assert kept.size <= most
    assert list(kept) == sorted(set(kept))
    if given_.size:
        assert {int(kept[0]), int(kept[-1])} == {0, given_.size - 1}
        known = given_[~np.isnan(given_)]
        if known.size:
            assert {known.min(), known.max()} <= set(given_[kept])
        assert np.isnan(given_).any() == np.isnan(given_[kept]).any()


def test_a_spike_of_one_step_is_not_lost() -> None:
    values = np.zeros(10_000)
    values[6789] = 1.0
    assert 6789 in thinned(values, np.arange(values.size))
    assert thinned(values, np.arange(values.size)).size <= MOST_POINTS
