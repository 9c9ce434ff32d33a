"""Invariants: what a sender says is said in our words, whole; whatever comes is a message or a clear error, and never a crash."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from starlette.exceptions import HTTPException

from middlewatch.app import App
from middlewatch.frontends.alerts.doors import Door
from middlewatch.frontends.alerts.sns import Signatures
from middlewatch.records import MOST_LABELS, AlertMessage, AlertStatus
from middlewatch.records.errors import BadInput
from tests import alert_senders as made
from tests.alert_senders import BEGAN, SENDERS, Inbox, Sender, Sns

BY_NAME = {one.name: one for one in SENDERS}
SNS = Sns()

Take = Callable[[str, Any], list[AlertMessage]]


@pytest.fixture(scope="module")
def take(tmp_path_factory: pytest.TempPathFactory) -> Take:
    folder = tmp_path_factory.mktemp("intake")
    made.write_intake(Path(folder))
    inbox = Inbox(folder)
    door = Door(cast("App", inbox), Signatures(SNS.get))

    def taken(name: str, said: Any) -> list[AlertMessage]:
        inbox.got.clear()
        if name == "cloudwatch":
            door.take(name, {}, SNS.wrap(said if isinstance(said, str) else json.dumps(said)))
        else:
            body = said if isinstance(said, bytes) else json.dumps(said).encode()
            door.take(name, BY_NAME[name].shows(body), body)
        return list(inbox.got)

    return taken


def test_a_group_of_alertmanager_with_what_it_left_out(take: Take) -> None:
    fired, left_out = take("prometheus", made.alertmanager(truncatedAlerts=7))
    assert (fired.fingerprint, fired.title, fired.severity) == ("dd19a0e1d1ecf0ce", "checkout fails", "critical")
    assert (fired.started_at - BEGAN).total_seconds() < 1
    assert fired.ended_at is None
    assert fired.url.startswith("http://prometheus")
    assert left_out.title.startswith("7 more alerts")
    assert left_out.labels["service"] == "checkout"
    (over,) = take("prometheus", made.alertmanager("resolved"))
    assert (over.status, over.ended_at) == (AlertStatus.RESOLVED, BEGAN + timedelta(minutes=5))
    assert over.fingerprint == fired.fingerprint


def test_our_own_page_is_no_alert_when_it_comes_back(take: Take) -> None:
    assert take("pagerduty", made.pagerduty(incident_key="middlewatch:default:inv-1")) == []
    assert len(take("pagerduty", made.pagerduty(incident_key="other:default:inv-1"))) == 1


def test_an_incident_of_pagerduty_through_its_life(take: Take) -> None:
    (fired,) = take("pagerduty", made.pagerduty())
    (seen,) = take("pagerduty", made.pagerduty("incident.acknowledged", "acknowledged"))
    (over,) = take("pagerduty", made.pagerduty("incident.resolved", "resolved"))
    (again,) = take("pagerduty", made.pagerduty("incident.reopened", "triggered"))
    (moved,) = take("pagerduty", made.pagerduty("incident.reassigned", "acknowledged"))
    (timed_out,) = take("pagerduty", made.pagerduty("incident.unacknowledged", "triggered"))
    (weighed,) = take("pagerduty", made.pagerduty("incident.priority_updated", "triggered"))
    assert [one.status.value for one in (fired, seen, over, again, moved, timed_out, weighed)] == [
        *("firing", "acknowledged", "resolved", "unacknowledged", "acknowledged", "unacknowledged", "firing")
    ]
    assert fired.said_at is not None
    assert seen.said_at is not None
    assert fired.said_at < seen.said_at
    assert {one.fingerprint for one in (fired, seen, over, again, moved)} == {"d3640fbd41094207a1c11e58e46b1662"}
    assert fired.reference == "PGR0VU2"
    assert fired.labels["service"] == "checkout"
    assert fired.started_at == BEGAN
    assert again.started_at > datetime.now(UTC) - timedelta(minutes=1), "it begins anew"
    for event in ("incident.annotated", "pagey.ping", "service.updated"):
        assert take("pagerduty", made.pagerduty(event, type="incident_note")) == []


@pytest.mark.parametrize(
    ("transition", "status"),
    [
        *(("Triggered", "firing"), ("Re-Triggered", "firing"), ("No Data", "firing"), ("Warn", "firing")),
        *(("Recovered", "resolved"), ("Warn Recovered", "resolved"), ("No Data Recovered", "resolved")),
    ],
)
def test_a_monitor_of_datadog(take: Take, transition: str, status: str) -> None:
    (one,) = take("datadog", made.datadog(transition))
    assert one.status == status
    assert one.fingerprint == "1234/env:prod,service:checkout"
    assert (one.labels["service"], one.labels["env"]) == ("checkout", "prod")
    assert one.started_at == BEGAN


@pytest.mark.parametrize(
    ("action", "status"),
    [
        ("Create", "firing"),
        ("Acknowledge", "acknowledged"),
        ("UnAcknowledge", "unacknowledged"),
        ("Close", "resolved"),
        ("AddNote", ""),
    ],
)
def test_an_alert_of_opsgenie(take: Take, action: str, status: str) -> None:
    found = take("opsgenie", made.opsgenie(action))
    assert [one.status.value for one in found] == ([status] if status else [])
    for one in found:
        assert (one.fingerprint, one.labels["service"], one.labels["team"]) == ("checkout-errors", "checkout", "payments")
        assert one.started_at == BEGAN
        assert one.said_at == BEGAN + timedelta(minutes=5), "late deliveries are told by it"
    (unsaid,) = take("opsgenie", made.opsgenie(updatedAt=None))
    assert unsaid.said_at is None


def test_an_alarm_of_cloudwatch_and_what_is_none(take: Take) -> None:
    (fired,) = take("cloudwatch", made.alarm())
    (over,) = take("cloudwatch", made.alarm("OK"))
    assert (fired.status, over.status) == (AlertStatus.FIRING, AlertStatus.RESOLVED)
    assert fired.fingerprint == over.fingerprint
    assert fired.labels["service"] == "checkout"
    assert take("cloudwatch", made.alarm("INSUFFICIENT_DATA")) == []
    (other,) = take("cloudwatch", "a disk is nearly full")
    assert other.annotations["message"] == "a disk is nearly full", "what is no alarm is kept all the same"


def test_our_own_schema_refuses_what_it_does_not_know(take: Take) -> None:
    assert [one.title for one in take("own", {"alerts": [made.own(), made.own(title="b")]})] == ["checkout fails", "b"]
    assert [one.status.value for one in take("own", made.own(status="unacknowledged"))] == ["unacknowledged"]
    wrongs: list[dict[str, Any]] = [{"titel": "x"}, {"alerts": []}]
    for wrong in (*wrongs, made.own(sevrity="x"), made.own(status="on"), made.own(started_at="soon")):
        with pytest.raises(BadInput):
            take("own", wrong)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"titel": "x"}, "titel: is not known here (did you mean title?); title: is missing."),
        ({"alert": [{"title": "x"}]}, "alert: is not known here (did you mean alerts?); title: is missing."),
        ({"title": "x", "status": "on"}, "status: must be 'firing', 'resolved', 'acknowledged' or 'unacknowledged'."),
        (
            {"alerts": [{"title": "x"}, {"sevrity": "x"}]},
            "alerts.1.sevrity: is not known here (did you mean severity?); alerts.1.title: is missing.",
        ),
        ({"alerts": [{}]}, "alerts.0.title: is missing."),
        ({"alerts": []}, "alerts: must not be empty."),
        ({"alerts": {"title": "x"}}, "alerts: must be a list."),
        ({"title": "x", "alerts": [{"title": "x"}]}, "title: is not known here."),
        ([{"title": "x"}], "the body: must be an object."),
        ({"a": 1, "b": 2, "c": 3}, "a: is not known here; b: is not known here; c: is not known here; and 1 more."),
    ],
)
def test_what_our_own_schema_refuses_is_named_as_it_was_written(take: Take, body: Any, said: str) -> None:
    with pytest.raises(BadInput) as raised:
        take("own", body)
    assert raised.value.message == said
    for words in ("one alert, or several as a list in alerts", "title, status, fingerprint", "docs/alerts.md"):
        assert words in raised.value.remedy


def test_texts_and_labels_are_bounded_and_say_so(take: Take) -> None:
    alert = made.own(title="x" * 5000, labels={f"label{n}": "y" * 5000 for n in range(200)}, fingerprint="f" * 900)
    (one,) = take("own", alert)
    assert len(one.labels) == MOST_LABELS
    assert one.labels["middlewatch.left_out"] == "137 more labels"
    assert one.title.endswith("…")
    assert one.fingerprint.startswith("sha256-")


def test_what_is_ahead_of_the_clock_is_now(take: Take) -> None:
    (one,) = take("own", made.own(started_at="2999-01-01T00:00:00Z"))
    assert one.started_at < datetime.now(UTC) + timedelta(minutes=1)


_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20) | st.datetimes().map(str)
_JSON = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=8
)


def _changed(draw: Callable[[st.SearchStrategy[Any]], Any], value: Any) -> Any:
    """What a sender sends, with something else somewhere in it."""
    if isinstance(value, dict) and value and draw(st.integers(0, 4)):
        key = draw(st.sampled_from(sorted(value)))
        return {**value, key: _changed(draw, value[key])}
    if isinstance(value, list) and value and draw(st.integers(0, 4)):
        return [_changed(draw, value[0]), *value[1:]]
    return draw(_JSON)


@st.composite
def _deliveries(draw: Callable[[st.SearchStrategy[Any]], Any]) -> tuple[str, Any]:
    name = draw(st.sampled_from([*BY_NAME, "cloudwatch"]))
    said = made.alarm() if name == "cloudwatch" else BY_NAME[name].fires
    return name, _changed(draw, said)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_deliveries())
@example(("prometheus", made.alertmanager(alerts=[{"status": "firing", "startsAt": []}])))
@example(("own", made.own(started_at=10**400)))
@example(("own", made.own(started_at=-1e308)))
@example(("own", made.own(title="\ud800")))
@example(("pagerduty", made.pagerduty(created_at="9999-12-31T23:59:59-23:59")))
def test_whatever_comes_is_a_message_or_a_clear_error(take: Take, delivery: tuple[str, Any]) -> None:
    name, said = delivery
    with suppress(HTTPException, BadInput):
        for one in take(name, said):
            AlertMessage.model_validate_json(one.model_dump_json())


@pytest.mark.parametrize("sender", SENDERS, ids=lambda one: one.name)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[" * 100_000,
        b'{"a":' * 900 + b"1" + b"}" * 900,
        b"NaN",
        b"1e999",
        b"\xff",
        b'"' + b"9" * 5000,
        b"9" * 5000,
        b"null",
        b"[]",
    ],
)
def test_what_is_no_json_of_a_shape_is_refused(take: Take, sender: Sender, body: bytes) -> None:
    with pytest.raises(BadInput):
        take(sender.name, body)
