"""Invariant: numbers and times stand in a summary as people read them, and a unit that is none is left out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from middlewatch.tools.wording import clock, duration, listed, quantity


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0.31234, "1", "0.312"),
        (0.31234, "", "0.312"),
        (97.049, "%", "97 %"),
        (1234567.0, "By", "1,234,567 By"),
        (12.0, "{request}", "12"),
        (0.0, "s", "0 s"),
        (0.000000012, "s", "1.20e-08 s"),
        (5.0, "1/s", "5 1/s"),
        (1.0, "<b>", "1"),
        (float("inf"), "s", "inf s"),
        (-1e70, "s", "-1.00e+70 s"),
    ],
)
def test_quantities_have_three_digits_and_a_harmless_unit(value: float, unit: str, shown: str) -> None:
    assert quantity(value, unit) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0 s"), (119, "119 s"), (120, "2 min"), (-840, "14 min"), (7200, "2 h"), (7500, "2 h 5 min")]
)
def test_durations_read_as_people_say_them(seconds: int, shown: str) -> None:
    assert duration(timedelta(seconds=seconds)) == shown


def test_times_are_in_utc_and_long_lists_are_cut() -> None:
    assert clock(datetime(2026, 11, 21, 2, 3, 15, tzinfo=UTC)) == "02:03:15 UTC"
    assert listed(["a", "b", "c"], most=2) == '"a", "b" and 1 more'
