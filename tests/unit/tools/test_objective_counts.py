"""Buckets: what is missing is asked for once, newest first, and sums are of what was asked for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from middlewatch.records import Objective, ObjectiveKind
from middlewatch.tools.budgets import Count
from middlewatch.tools.objective_counts import HOURS, MINUTES, Counts, Resolution, Series, missing

NOW = 1_800_000_000.0
"""A whole hour, and a whole minute."""
RESOLUTIONS = st.sampled_from([MINUTES, HOURS])


def _buckets(stretches: tuple[tuple[int, int], ...], resolution: Resolution) -> list[int]:
    return [start for stretch in stretches for start in range(*stretch, resolution.step)]


@given(RESOLUTIONS, st.floats(0.0, 100_000.0), st.floats(0.0, 3600.0), st.sets(st.integers(0, 2000), max_size=60))
def test_what_is_missing_is_asked_for_once_newest_first_in_whole_buckets(
    resolution: Resolution, ago: float, after: float, there: set[int]
) -> None:
    now = NOW + after
    present = {int(NOW) - number * resolution.step for number in there}
    stretches = missing(present, now - ago, now, resolution)
    asked = _buckets(stretches, resolution)
    assert len(set(asked)) == len(asked)
    assert [stretch[0] for stretch in stretches] == sorted((stretch[0] for stretch in stretches), reverse=True)
    assert all(end - start <= resolution.chunk for start, end in stretches)
    assert all(start % resolution.step == 0 and start >= now - ago for start in asked)
    final = now - resolution.late
    assert not {start for start in asked if start in present and start + resolution.step <= final}
    wanted = range(int(-(-(now - ago) // resolution.step)) * resolution.step, int(final) - resolution.step + 1, resolution.step)
    assert {start for start in wanted if start not in present} <= {*asked}


def test_minutes_that_are_not_final_are_counted_again_and_hours_are_counted_once() -> None:
    minutes = {int(NOW) - 60 * number for number in range(60)}
    assert missing(minutes, NOW - 1800, NOW + 30, MINUTES) == ((int(NOW) - 180, int(NOW) + 60),)
    hours = {int(NOW) - 3600 * number for number in range(2, 24)}
    assert missing(hours, NOW - 72_000, NOW + 599, HOURS) == ()
    assert missing(hours, NOW - 72_000, NOW + 600, HOURS) == ((int(NOW) - 3600, int(NOW)),)


def _counts(now: float = NOW + 1800) -> Counts:
    """One of ten bad in each of 40 hours and in each minute since the last of them."""
    hours = {int(NOW) - 3600 * number: Count(540.0, 600.0) for number in range(1, 41)}
    minutes = {int(NOW) + 60 * number: Count(9.0, 10.0) for number in range(-300, 30)}
    return Counts(minutes=minutes, hours=hours, at=now)


def test_a_window_is_never_longer_than_was_asked_for() -> None:
    counts = _counts()
    assert counts.within(300) == Count(45.0, 50.0)
    assert counts.within(330) == Count(45.0, 50.0)
    assert counts.within(7200) == Count(1080.0, 1200.0)


def test_hours_and_the_minutes_after_them_are_counted_once() -> None:
    count, days = _counts().over(30)
    assert count == Count(40 * 540 + 30 * 9, 40 * 600 + 30 * 10)
    assert round(days * 24, 3) == 40.5


def test_days_begin_with_the_first_request_and_never_exceed_what_is_asked_for() -> None:
    quiet = {int(NOW) - 3600 * number: Count(0.0, 0.0) for number in range(41, 100)}
    counts = _counts()
    assert Counts(counts.minutes, {**counts.hours, **quiet}, counts.at).over(30) == counts.over(30)
    assert counts.over(1)[1] <= 1.0


def test_nothing_counted_covers_nothing() -> None:
    assert Counts().over(30) == (Count(0.0, 0.0), 0.0)
    assert Counts().within(3600) == Count(0.0, 0.0)


def test_objectives_share_counts_whatever_their_name_target_and_days() -> None:
    one = Objective(name="a", services=("x", "y"), kind=ObjectiveKind.AVAILABILITY, target=0.9)
    same = one.model_copy(update={"name": "b", "target": 0.99, "days": 7.0, "services": ("y", "x")})
    other = one.model_copy(update={"operations": ("GET /",)})
    assert Series.of(one).id == Series.of(same).id != Series.of(other).id
