"""Invariant: whatever somebody gives as an incident becomes an alert or is refused in one clear line."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.alerts import EARLIER_INCIDENT_LEAD_SECONDS, EARLIEST, incident_alert, service_alert
from middlewatch.records import Alert, Incident
from middlewatch.records.errors import BadInput, RecordingError

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
ANY_TIME = st.datetimes(timezones=st.just(UTC))


def incident(name: str = "one", detected: datetime = NOW, end: datetime | None = None, title: str = "slow") -> Incident:
    return Incident(id=name, title=title, detected_at=detected, window_end=end or detected + timedelta(minutes=2))


@given(st.text(max_size=300), st.none() | st.text(max_size=600), ANY_TIME)
def test_what_somebody_noticed(service: str, metric: str | None, noticed_at: datetime) -> None:
    with suppress(BadInput):
        alert = service_alert("default", service, metric, noticed_at, NOW)
        assert EARLIEST <= alert.detected_at < alert.window_end <= NOW


@pytest.mark.parametrize(
    ("service", "metric", "named"), [("", None, "service"), ("a" * 257, None, "service"), ("a", "m" * 513, "metric")]
)
def test_names_that_cannot_be_one(service: str, metric: str | None, named: str) -> None:
    with pytest.raises(BadInput, match=named):
        service_alert("default", service, metric, NOW, NOW)


@given(ANY_TIME, ANY_TIME, ANY_TIME)
def test_recorded_incidents_at_any_time(detected: datetime, end: datetime, earlier: datetime) -> None:
    one, other = incident(detected=detected, end=end), incident("other", earlier, earlier)
    with suppress(RecordingError):
        assert isinstance(incident_alert("default", "shop", one, [one, other]), Alert)


def test_a_title_that_is_too_long_is_named() -> None:
    with pytest.raises(RecordingError, match=r"'one'.*title"):
        incident_alert("default", "shop", incident(title="a" * 1025), [])


def test_an_earlier_incident_did_not_begin_in_the_healthy_time_after_the_one_before_it() -> None:
    one, two, three, four = (
        incident(f"{n}", NOW + timedelta(seconds=s), NOW + timedelta(seconds=s + 30)) for n, s in enumerate((0, 110, 340, 900))
    )
    windows = incident_alert("default", "shop", four, [one, two, three, four]).earlier_incidents
    begun = [(window.start - NOW).total_seconds() for window in windows]
    assert begun == [-EARLIER_INCIDENT_LEAD_SECONDS, 70, 200]  # half of 80 s, a minute of 200 s
