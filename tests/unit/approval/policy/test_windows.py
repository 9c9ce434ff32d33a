"""Invariant: wherever the zone's clocks show a time of a freeze, it is on, and the next one is never told too late.

Held against the clock on the wall, looked at every five minutes: through clocks put forward and back, by an hour, by half an hour
and by a day.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from middlewatch.approval.policy.windows import Calendar, Window, instants

CHANGES = {
    "Europe/Stockholm": (datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)),
    "America/New_York": (datetime(2026, 3, 8, 7, tzinfo=UTC), datetime(2026, 11, 1, 6, tzinfo=UTC)),
    "Australia/Lord_Howe": (datetime(2026, 4, 4, 15, tzinfo=UTC), datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),
    "Europe/Dublin": (datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)),
    "Pacific/Apia": (datetime(2011, 12, 30, 10, tzinfo=UTC),),  # a whole day was left out
    "Asia/Kathmandu": (datetime(2026, 6, 1, tzinfo=UTC),),  # none
}
"""Zones, and when their clocks are put forward or back."""
STEP = timedelta(minutes=5)

ZONES = st.sampled_from(sorted(CHANGES))
TIMES = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 45]))
DAYS = st.frozensets(st.integers(0, 6), min_size=1)


def weekly(zone: str, days: frozenset[int], begins: time, ends: time, targets: frozenset[str] | None = None) -> Window:
    return Window("weekly", "", ZoneInfo(zone), targets, begins, ends, days)


def shows(window: Window, at: datetime) -> bool:
    """Whether the clocks of its zone show a time of the window."""
    wall = at.astimezone(window.zone).replace(tzinfo=None)
    if isinstance(window.begins, datetime):
        assert isinstance(window.ends, datetime)
        return window.begins <= wall < window.ends
    assert isinstance(window.ends, time)
    for back in (0, 1):
        day = wall.date() - timedelta(days=back)
        begin = datetime.combine(day, window.begins)
        end = datetime.combine(day + timedelta(days=window.ends <= window.begins), window.ends)
        if day.weekday() in window.days and begin <= wall < end:
            return True
    return False


def steps(around: datetime, days: int) -> list[datetime]:
    start = around - timedelta(days=days)
    return [start + number * STEP for number in range(int(timedelta(days=2 * days) / STEP))]


@settings(max_examples=40)
@given(ZONES, DAYS, TIMES, TIMES, st.data())
@example("Europe/Stockholm", frozenset({6}), time(2, 30), time(2, 45), None)
def test_a_freeze_is_on_whenever_the_clock_says_so_and_only_longer_where_it_says_a_time_twice(
    zone: str, days: frozenset[int], begins: time, ends: time, data: st.DataObject | None
) -> None:
    around = data.draw(st.sampled_from(CHANGES[zone])) if data else CHANGES[zone][1]
    window = weekly(zone, days, begins, ends)
    calendar = Calendar(freezes=[window])
    for at in steps(around, 1)[::3]:
        frozen = calendar.on("any", at) is not None
        assert frozen or not shows(window, at)
        if abs(at - around) > timedelta(hours=14):  # of either day no time is shown twice
            assert frozen is shows(window, at), at


@settings(max_examples=40)
@given(ZONES, DAYS, TIMES, TIMES, st.data())
@example("Europe/Stockholm", frozenset({6}), time(2, 15), time(2, 30), None)
def test_maintenance_lets_nothing_run_when_the_clock_does_not_say_so(
    zone: str, days: frozenset[int], begins: time, ends: time, data: st.DataObject | None
) -> None:
    around = data.draw(st.sampled_from(CHANGES[zone])) if data else CHANGES[zone][1]
    always = Window("always", "", ZoneInfo("UTC"), None, datetime(2011, 1, 1), datetime(2030, 1, 1))  # noqa: DTZ001  local
    window = weekly(zone, days, begins, ends)
    calendar = Calendar([always], [window])
    for at in steps(around, 1)[::3]:
        assert calendar.on("any", at) is not None or shows(window, at)


@settings(max_examples=40)
@given(st.lists(st.builds(weekly, ZONES, DAYS, TIMES, TIMES), max_size=2), st.builds(weekly, ZONES, DAYS, TIMES, TIMES), st.data())
def test_the_next_freeze_and_the_end_of_one_are_the_first_as_looking_at_every_moment_says(
    maintenance: list[Window], freeze: Window, data: st.DataObject
) -> None:
    around = data.draw(st.sampled_from([moment for moments in CHANGES.values() for moment in moments]))
    calendar = Calendar([freeze], maintenance)
    moments = steps(around, 1)
    after = data.draw(st.sampled_from(moments))
    on = [at for at in moments if at >= after and calendar.on("any", at)]
    told = calendar.next_freeze("any", after)
    if on:
        assert told is not None
        assert on[0] - STEP < told <= on[0]
    else:
        assert told is None or told > moments[-1]
    if told is not None:
        found = calendar.freeze("any", told)
        assert found is not None
        assert found.ends_at > told
        assert calendar.freeze("any", found.ends_at) is None or found.ends_at - told > timedelta(days=700)
        off = [at for at in moments if told <= at < found.ends_at and not calendar.on("any", at)]
        assert off == []


@given(ZONES, st.datetimes(datetime(2009, 1, 1), datetime(2030, 1, 1)))  # noqa: DTZ001  local
def test_instants_are_where_the_clock_reaches_a_time(zone: str, wall: datetime) -> None:
    wall = wall.replace(microsecond=0)
    first, last = instants(wall, ZoneInfo(zone))

    def shown(at: datetime) -> datetime:
        return at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)

    assert shown(first - timedelta(seconds=1)) < wall <= shown(first)
    assert shown(last - timedelta(seconds=1)) < wall <= shown(last)
    assert first <= last


@pytest.mark.parametrize(
    ("zone", "wall", "first", "last"),
    [
        ("Europe/Stockholm", "2026-03-29T02:30", "2026-03-29T01:00", "2026-03-29T01:00"),  # never shown
        ("Europe/Stockholm", "2026-10-25T02:30", "2026-10-25T00:30", "2026-10-25T01:30"),  # shown twice
        ("Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-04T14:45", "2026-04-04T15:15"),
        ("Pacific/Apia", "2011-12-30T12:00", "2011-12-30T10:00", "2011-12-30T10:00"),
        ("UTC", "2026-06-01T00:00", "2026-06-01T00:00", "2026-06-01T00:00"),
    ],
)
def test_instants_of_times_that_are_shown_twice_or_never(zone: str, wall: str, first: str, last: str) -> None:
    found = instants(datetime.fromisoformat(wall), ZoneInfo(zone))
    assert found == (datetime.fromisoformat(f"{first}+00:00"), datetime.fromisoformat(f"{last}+00:00"))


def test_a_freeze_is_for_its_targets_and_ends_when_all_of_them_end() -> None:
    days = frozenset(range(7))
    calendar = Calendar(
        [
            weekly("UTC", days, time(8), time(10), frozenset({"one"})),
            weekly("UTC", days, time(10), time(12), frozenset({"one", "two"})),
        ],
        [weekly("UTC", days, time(9), time(9, 30), frozenset({"one"}))],
    )
    at = datetime(2026, 6, 1, 9, 45, tzinfo=UTC)
    freeze = calendar.freeze("one", at)
    assert freeze is not None
    assert freeze.ends_at == at.replace(hour=12, minute=0)
    assert calendar.freeze("two", at) is None
    assert calendar.next_freeze("two", at) == at.replace(hour=10, minute=0)
    assert calendar.freeze("one", at.replace(minute=15)) is None, "maintenance"
    assert calendar.next_freeze("one", at.replace(minute=15)) == at.replace(minute=30)
    assert calendar.next_freeze("three", at) is None


def test_a_freeze_behind_a_long_maintenance_is_found_and_one_without_end_ends_the_search() -> None:
    begin, end = datetime(2026, 1, 1), datetime(2026, 12, 1)  # noqa: DTZ001  local
    long = Window("long", "", ZoneInfo("UTC"), None, begin, end)
    nightly = weekly("UTC", frozenset(range(7)), time(22), time(23))
    at = datetime(2026, 1, 2, tzinfo=UTC)
    assert Calendar([nightly], [long]).next_freeze("any", at) == datetime(2026, 12, 1, 22, tzinfo=UTC)
    freeze = Calendar([weekly("UTC", frozenset(range(7)), time(0), time(0))]).freeze("any", at)
    assert freeze is not None
    assert freeze.ends_at > at + timedelta(days=365)
