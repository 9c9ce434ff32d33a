"""Invariants: what happens at this time of most days or weeks is no news, what is beyond it is, and one bad day decides nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from middlewatch.records import Assessment, Symptom, Window
from middlewatch.records.errors import BoundExceeded
from middlewatch.telemetry.sources import Answer
from middlewatch.tools.metric_phases import DAILY, WEEKLY
from middlewatch.tools.metrics import assess_metrics
from tests.unit.tools.synthetic_telemetry import Metrics, Series, brief, minutes_before_end, sources

MINUTES = 24 * 60
LASTS = 5
"""Minutes that what happens at this time lasts."""
SERVICES = ("auth", "cart", "pay", "web")


def month(
    days: float, peaks: Mapping[float, float], *, service: str = "pay", seed: int = 0, late: int = 0, **other: object
) -> Series:
    """A processor over some days, at 20 % with noise; times a factor at this time so many days back.

    Args:
        days: how long it is.
        peaks: the factors, by days back; 0 is the incident.
        service: whose.
        seed: of the noise.
        late: minutes that all peaks but the incident's are earlier.
        **other: further fields of the series.
    """
    steps = round(days * MINUTES)
    values = 20 * (1 + 0.1 * np.random.default_rng(seed).standard_normal(steps))
    for back, factor in peaks.items():
        end = steps - round(back * MINUTES) - (late if back else 0)
        values[max(0, end - LASTS) : max(0, end)] *= factor
    return Series(service, "cpu", values, "%", **other)  # type: ignore[arg-type]  # passed on as it is


def shop(mine: Series, days: float) -> list[Series]:
    """The series of `pay` among quiet ones of others."""
    return [*(month(days, {}, service=s, seed=n + 1) for n, s in enumerate(SERVICES) if s != "pay"), mine]


def assess(held: Sequence[Series], **asked: object) -> Assessment:
    return assess_metrics(sources(Metrics(held)), brief(hours=24, **asked))  # type: ignore[arg-type]  # passed on as it is


def every(days: Sequence[int], factor: float) -> dict[float, float]:
    return dict.fromkeys(days, factor)


def score(days: float, peaks: Mapping[float, float], **asked: object) -> float:
    return assess(shop(month(days, peaks), days), **asked).scores["pay"]


ALONE = score(1, {0: 4.0})
"""What such a peak is worth where no earlier day is known."""


def test_a_peak_of_every_day_is_usual_and_is_cleared_in_words() -> None:
    found = assess(shop(month(8, every([0, *DAILY], 4.0)), 8))
    assert found.scores["pay"] < 0.2 * ALONE
    assert found.anomalies == ()
    (said,) = found.cleared
    assert said.startswith('"cpu" of "pay" rose from 20')
    assert said.endswith("as it usually does at this time of the day (on 7 of 7 days before)")


def test_the_same_peak_is_news_where_it_happens_today_only() -> None:
    found = assess(shop(month(8, {0: 4.0}), 8))
    assert found.scores["pay"] == pytest.approx(ALONE, rel=0.1)
    assert found.cleared == ()


def test_a_peak_of_every_monday_is_usual_on_a_monday() -> None:
    found = assess(shop(month(29, every([0, *WEEKLY], 4.0)), 29))
    assert found.scores["pay"] < 0.2 * ALONE
    (said,) = found.cleared
    assert said.endswith("as it usually does at this time of the week (in 4 of 4 weeks before)")
    assert score(29, {0: 4.0, 7: 4.0}) == pytest.approx(ALONE, rel=0.1)  # one Monday is no habit


@settings(max_examples=15)
@given(st.sampled_from(DAILY[1:]), st.floats(2.0, 80.0))
def test_one_bad_day_neither_hides_a_fault_nor_changes_its_score(day: int, factor: float) -> None:
    """Yesterday's is left out here: it is a part of the baseline, too."""
    assert score(8, {0: 4.0, day: factor}) == pytest.approx(score(8, {0: 4.0}))


def test_two_days_of_history_hide_nothing_where_one_of_them_was_bad() -> None:
    assert score(2.2, {0: 4.0, 1: 4.0}) > 0.8 * ALONE
    assert score(2.2, {0: 4.0, 2: 4.0}) > 0.8 * ALONE
    assert score(2.2, {0: 4.0, 1: 4.0, 2: 4.0}) < 0.5 * ALONE


def test_a_day_on_which_nothing_was_measured_at_this_time_does_not_count() -> None:
    mine = month(8, every([0, *DAILY], 4.0))
    back = (mine.values.size - 1 - np.arange(mine.values.size)) / MINUTES
    held = [replace(s, values=np.where((back > 3.5) & (back < 4.99), np.nan, s.values)) for s in shop(mine, 8)]
    assert assess(held).cleared[0].endswith("(on 6 of 6 days before)")


def test_three_bad_days_of_seven_hide_nothing() -> None:
    assert score(8, {0: 4.0, 2: 4.0, 4: 6.0, 6: 5.0}) == pytest.approx(ALONE, rel=0.1)


def test_what_is_far_beyond_the_usual_peak_is_told_with_what_is_usual() -> None:
    found = assess(shop(month(8, {0: 12.0, **every(DAILY, 3.0)}), 8))
    assert found.scores["pay"] > 0.8 * ALONE
    assert found.anomalies[0].summary.endswith("; it usually deviates at this time of the day (on 2 of 2 days before), too")
    assert found.cleared == ()


def test_what_happens_a_little_earlier_or_later_on_other_days_is_usual_and_hours_later_is_not() -> None:
    peaks = every([0, *DAILY], 4.0)
    assert assess(shop(month(8, peaks, late=10), 8)).scores["pay"] < 0.2 * ALONE
    assert assess(shop(month(8, peaks, late=90), 8)).scores["pay"] > 0.8 * ALONE


def test_a_known_incident_of_earlier_days_is_no_habit() -> None:
    peaks = every([0, *DAILY], 4.0)
    known = [Window(start=end - timedelta(minutes=LASTS), end=end) for d in DAILY for end in [minutes_before_end(d * MINUTES)]]
    assert score(8, peaks, earlier=known) > 0.8 * ALONE
    assert score(8, peaks, earlier=known[:2]) < 0.2 * ALONE  # five of seven are left


def test_a_system_that_was_on_a_higher_level_last_week_does_not_hide_what_reaches_it_today() -> None:
    mine = month(8, {0: 4.0})
    busy = np.where(np.arange(mine.values.size) < 5 * MINUTES, 4.0, 1.0)
    found = assess(shop(replace(mine, values=mine.values * busy), 8))
    assert found.scores["pay"] > 0.8 * ALONE


def test_the_peak_of_an_instance_that_is_gone_stands_for_the_one_that_took_its_place() -> None:
    mine = month(8, every([0, *DAILY], 4.0))
    old, new = ((np.arange(mine.values.size) < 7.5 * MINUTES) == earlier for earlier in (True, False))
    both = [replace(mine, values=np.where(own, mine.values, np.nan), instance=name) for own, name in ((old, "a"), (new, "b"))]
    found = assess([*shop(both[0], 8), both[1]])
    assert found.scores["pay"] < 0.2 * ALONE
    assert '(instance "b") rose' in found.cleared[0]


def test_the_symptom_is_no_rarer_than_it_is_at_this_time() -> None:
    symptom = Symptom(service="pay", metric="cpu")
    usual = assess(shop(month(8, every([0, *DAILY], 4.0)), 8), symptom=symptom).symptom_rarity
    rare = assess(shop(month(8, {0: 4.0}), 8), symptom=symptom).symptom_rarity
    assert usual is not None
    assert rare is not None
    assert rare < 0.01 < usual


@pytest.mark.parametrize(
    ("held", "asked"),
    [
        (shop(month(8, {}), 8), 2),  # nothing stands out: nobody asks
        (shop(month(0.7, {0: 4.0}), 0.7), 2),  # there are no earlier days
        (shop(month(1.2, {0: 4.0}), 1.2), 6),  # two days and two weeks back
        (shop(month(29, {0: 4.0}), 29), 6),
        (shop(month(29, every([0, *DAILY, *WEEKLY], 4.0)), 29), 12),
    ],
    ids=["quiet", "short", "a day", "a fault", "a habit"],
)
def test_few_questions_are_asked_and_none_about_the_future(held: Sequence[Series], asked: int) -> None:
    metrics = Metrics(held)
    assess_metrics(sources(metrics), brief(hours=24))
    assert len(metrics.asked) == asked
    assert all(window.seconds < 2.5 * 3600 for window in metrics.asked[2:])


def test_only_what_stands_out_is_asked_about() -> None:
    class Watched(Metrics):
        def series(self, window: Window, *, services: Sequence[str] = (), **asked: object) -> Answer:
            named.append(tuple(services))
            return super().series(window, services=services, **asked)  # type: ignore[arg-type]  # passed on as it is

    named: list[tuple[str, ...]] = []
    assess_metrics(sources(Watched(shop(month(8, {0: 4.0}), 8))), brief(hours=24))
    assert named[0] == ()
    assert set(named[1:]) == {("pay",)}


def test_earlier_days_that_cost_too_much_are_left_out_and_it_is_said() -> None:
    class Costly(Metrics):
        def series(self, window: Window, **asked: object) -> Answer:
            if window.end < minutes_before_end(12 * 60):
                raise BoundExceeded("it hit the bound")
            return super().series(window, **asked)  # type: ignore[arg-type]  # passed on as it is

    found = assess_metrics(sources(Costly(shop(month(8, every([0, *DAILY], 4.0)), 8))), brief(hours=24))
    assert found.scores["pay"] == pytest.approx(ALONE, rel=0.1)
    assert "metrics were not compared with the same time of earlier days: it hit the bound" in found.notes


def test_an_error_that_comes_every_night_is_usual_though_its_counter_is_absent_between() -> None:
    steps = 8 * MINUTES
    values = np.full(steps, np.nan)
    for back in range(8):
        end = steps - back * MINUTES
        values[max(0, end - LASTS) : end] = 3.0
    held = [month(8, {}, service=s, seed=n) for n, s in enumerate(SERVICES)]
    nightly = Series("pay", "errors", values, "{error}/s", "sum")
    alone = replace(nightly, values=np.where(np.arange(steps) < steps - LASTS, np.nan, values))
    assert assess([*held, nightly]).scores["pay"] < 0.2 * assess([*held, alone]).scores["pay"]


@settings(max_examples=25)
@given(
    st.dictionaries(st.sampled_from([float(days) for days in sorted({*DAILY, *WEEKLY})]), st.floats(0.1, 30.0)),
    st.floats(0.2, 30.0),
    st.integers(0, 50),
)
def test_earlier_days_only_ever_take_evidence_away(before: Mapping[float, float], now: float, seed: int) -> None:
    """The same telemetry with the days before the baseline cut off is the whole claim against a service."""
    mine = month(29, {0.0: now, **before}, seed=seed)
    held = shop(mine, 29)
    recent = [replace(s, values=s.values[-round(1.01 * MINUTES) :]) for s in held]
    assert assess(held).scores["pay"] <= assess(recent).scores["pay"] + 1e-9
