"""A sample costs what it may, never reads more of the older requests than of the recent ones, and says what it left out."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from middlewatch.records import Window
from middlewatch.telemetry.clickhouse_reader import NANOSECONDS, nanoseconds
from middlewatch.telemetry.span_sample import RECENT_SECONDS, SLOTS, SpanSample
from tests.telemetry_data import START

COUNTS = st.integers(0, 10**12)


@given(seconds=st.integers(1, 10**6), step_seconds=st.integers(1, 5000))
def test_the_recent_requests_begin_with_a_step_within_the_last_hour(seconds: int, step_seconds: int) -> None:
    window = Window(start=START, end=START + timedelta(seconds=seconds))
    step = step_seconds * NANOSECONDS
    recent = SpanSample.everything(window, step).recent
    assert (recent - nanoseconds(window.start)) % step == 0
    assert recent >= nanoseconds(window.start)
    too_early = nanoseconds(window.end) - RECENT_SECONDS * NANOSECONDS - recent
    assert too_early <= 0 or recent == nanoseconds(window.start)


@given(older=COUNTS, recent=COUNTS, most=st.integers(1000, 10**9))
def test_no_more_is_read_than_may_be_and_no_less_than_there_is_room_for(older: int, recent: int, most: int) -> None:
    everything = SpanSample.everything(Window(start=START, end=START + timedelta(hours=6)), 15 * NANOSECONDS)
    sample = everything.of(older, recent, most)
    read = older * sample.kept_older / SLOTS + recent * sample.kept_recent / SLOTS
    assert 1 <= sample.kept_older <= sample.kept_recent <= SLOTS
    if older + recent <= most:
        assert sample == everything
        assert sample.bound == ""
    else:
        slot = (older + recent) / SLOTS  # no less than a slot can be read
        assert read <= most + 2 * slot
        assert f"{most:,} spans" in sample.bound
        assert "before 17:00 UTC" in sample.bound
        assert sample.kept_recent == SLOTS or recent > most // 2
