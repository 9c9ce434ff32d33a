"""Whose telemetry a question is about and when: nothing past the horizon, no nonsense, and never another tenant."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from middlewatch.agents.briefing import ROUNDS, History, brief
from middlewatch.records import ImportedRecording, RecordingInfo, Scope
from middlewatch.records.errors import BadInput, WindowError
from middlewatch.records.question import Asked
from middlewatch.windows import Windows
from tests.store_data import NOW, make_investigation

HOUR = timedelta(hours=1)
FOUND = make_investigation()
END = FOUND.alert.window_end
LAST = NOW + 3 * HOUR
INFO = RecordingInfo(format="recording/v1", system="shop", start=NOW, end=LAST)
RECORDING = ImportedRecording(name="shop-1", info=INFO, incidents=(), rows={}, digest="d")
CLOCK = NOW + 9 * HOUR + timedelta(milliseconds=1)
WINDOWS = Windows("acme", lambda _: FOUND, lambda: (RECORDING,), History, clock=lambda: CLOCK)


def test_without_a_window_it_is_the_incident_or_what_goes_on() -> None:
    of = WINDOWS.place(Asked(investigation="inv-1"), most=24 * HOUR)
    assert of.window == brief(FOUND, 1, History()).incident
    assert (of.scope, of.horizon) == (FOUND.scope, END)
    live = WINDOWS.place(Asked(), most=24 * HOUR)
    assert (live.scope, live.window.end, live.window.seconds) == (Scope(tenant="acme"), NOW + 9 * HOUR, 900)
    recorded = WINDOWS.place(Asked(recording="shop-1", minutes=5), most=24 * HOUR)
    assert (recorded.scope, recorded.window.end) == (Scope(tenant="acme", recording="shop-1"), LAST)
    assert recorded.window.seconds == 300
    assert WINDOWS.place(Asked(investigation="inv-1"), most=24 * HOUR, usual=2 * HOUR).window.seconds == 7200


def test_a_window_is_given_by_its_ends_one_end_or_its_middle() -> None:
    def reach(**asked: object) -> tuple[datetime, datetime]:
        window = WINDOWS.place(Asked.model_validate(asked), most=24 * HOUR).window
        return window.start, window.end

    assert reach(start=NOW, end=NOW + HOUR) == (NOW, NOW + HOUR)
    assert reach(start=NOW, minutes=10) == (NOW, NOW + HOUR / 6)
    assert reach(end=NOW, minutes=10) == (NOW - HOUR / 6, NOW)
    assert reach(around=NOW, minutes=20) == (NOW - HOUR / 6, NOW + HOUR / 6)
    assert reach(start=NOW) == (NOW, NOW + 9 * HOUR)


def test_what_reaches_past_the_horizon_is_cut_there_and_that_is_said() -> None:
    of = WINDOWS.place(Asked(investigation="inv-1", around=END, minutes=10), most=24 * HOUR)
    assert of.window.end == END
    assert "nothing after that may be read" in of.notes[0]


@pytest.mark.parametrize(
    "asked",
    [
        {"start": NOW, "end": NOW},
        {"start": NOW, "end": NOW - HOUR},
        {"start": CLOCK + HOUR},
        {"investigation": "inv-1", "start": END},
        {"start": NOW - timedelta(days=2)},
        {"start": "0001-01-01T00:00:00Z", "minutes": 5},
        {"end": "0001-01-01T00:00:00Z"},
        {"around": "9999-12-31T23:59:59Z"},
    ],
)
def test_nonsense_is_refused_with_what_to_do(asked: dict[str, object]) -> None:
    with pytest.raises(WindowError) as refused:
        WINDOWS.place(Asked.model_validate(asked), most=24 * HOUR)
    assert refused.value.remedy


@pytest.mark.parametrize(
    "asked",
    [
        {"around": NOW, "start": NOW},
        {"start": NOW, "end": NOW + HOUR, "minutes": 5},
        {"recording": "other"},
        {"investigation": "inv-1", "recording": "shop-1"},
    ],
)
def test_contradictions_are_refused(asked: dict[str, object]) -> None:
    with pytest.raises(BadInput) as refused:
        WINDOWS.place(Asked.model_validate(asked), most=24 * HOUR)
    assert refused.value.remedy


@pytest.mark.parametrize("asked", [{"tenant": "other"}, {"recording": "../x"}, {"minutes": 0}, {"minutes": 1e9}, {"start": 1e30}])
def test_nobody_names_a_tenant_and_nothing_without_bounds(asked: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Asked.model_validate(asked)


moments = st.none() | st.datetimes(timezones=st.just(NOW.tzinfo))


@given(moments, moments, moments, st.none() | st.floats(0.001, 10080))
def test_whatever_is_asked_nothing_past_the_horizon_is_read(
    start: datetime | None, end: datetime | None, around: datetime | None, minutes: float | None
) -> None:
    asked = Asked(investigation="inv-1", start=start, end=end, around=around, minutes=minutes)
    try:
        place = WINDOWS.place(asked, most=24 * HOUR)
    except BadInput as refused:
        assert refused.remedy  # noqa: PT017  either way is right
        return
    assert place.window.end <= place.horizon == END
    assert place.window.seconds <= 24 * 3600


def test_an_agent_is_asked_about_an_incident_what_the_investigations_agents_were_asked() -> None:
    place = WINDOWS.place(Asked(investigation="inv-1"), most=24 * HOUR)
    assert WINDOWS.brief(place) == brief(FOUND, 1, History())
    other = WINDOWS.place(Asked(start=NOW, minutes=10), most=24 * HOUR)
    asked = WINDOWS.brief(other)
    assert (asked.incident, asked.baseline.end, asked.alert.window_end) == (other.window, NOW, other.window.end)
    assert other.window.contains(asked.alert.detected_at)


def test_what_an_investigation_is_about_is_the_widest_that_its_agents_look_at() -> None:
    assert WINDOWS.widest("inv-1") == brief(FOUND, ROUNDS, History()).incident
    assert WINDOWS.widest("inv-1").start < WINDOWS.incident(FOUND).start
