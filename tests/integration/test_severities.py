"""Invariants: what nobody acknowledged in time is said once, and again where whoever had it gives it up, however late."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from middlewatch import ratings
from middlewatch.auditing import entries
from middlewatch.opening import SOURCE
from middlewatch.ratings import Ratings
from middlewatch.records import AlertStatus, Handling, Rating, Severity
from tests.alert_data import make_message
from tests.paging_site import Site, redis, site, there

__all__ = ["redis", "site", "there"]


@pytest.fixture
def set_and_late(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person set the severity, so that nothing is rated again, and whoever had to answer had to long ago."""
    site.rate("critical")
    site.set("inv-1")
    monkeypatch.setattr(Rating, "respond_by", property(lambda one: one.since - timedelta(minutes=1)))


def escalated(site: Site) -> bool:
    site.look()
    rating = site.ratings.of("inv-1")
    return rating is not None and rating.escalated_at is not None


@pytest.mark.usefixtures("set_and_late")
@pytest.mark.parametrize("said", [[AlertStatus.UNACKNOWLEDGED], [AlertStatus.RESOLVED, AlertStatus.FIRING]])
def test_what_nobody_has_any_more_is_escalated_however_late_that_is_said(
    site: Site, said: list[AlertStatus], monkeypatch: pytest.MonkeyPatch
) -> None:
    site.fire(status=AlertStatus.ACKNOWLEDGED)
    assert [escalated(site), escalated(site)] == [False, False]
    monkeypatch.setattr(ratings, "RATED_FOR", timedelta(0))
    *before, last = said
    for status in before:
        site.fire(status=status, ended_at=make_message(status=status).ended_at)
        assert not escalated(site)
    site.fire(status=last, started_at=make_message().started_at + timedelta(minutes=2))
    assert escalated(site)


@pytest.mark.usefixtures("set_and_late")
def test_what_somebody_has_for_good_is_not_watched_for_ever(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.fire(status=AlertStatus.ACKNOWLEDGED)
    site.fire(status=AlertStatus.RESOLVED, ended_at=make_message(status=AlertStatus.RESOLVED).ended_at)
    assert not escalated(site)
    assert site.ratings._watched() == ("inv-1",), "it may flap"
    monkeypatch.setattr(ratings, "FLAP_SECONDS", -1.0)
    assert not escalated(site)
    assert site.ratings._watched() == ()


def test_what_flaps_after_its_investigation_was_closed_is_somebodys_to_answer_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.rate("critical")
    site.close()
    site.fire(status=AlertStatus.ACKNOWLEDGED)
    site.fire(status=AlertStatus.RESOLVED, ended_at=make_message(status=AlertStatus.RESOLVED).ended_at)
    assert not escalated(site)
    site.fire(started_at=make_message().started_at + timedelta(minutes=2))
    monkeypatch.setattr(Rating, "respond_by", property(lambda one: one.since - timedelta(minutes=1)))
    assert escalated(site)


@pytest.mark.usefixtures("set_and_late")
def test_what_somebody_has_here_need_not_be_watched(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.fire(status=AlertStatus.ACKNOWLEDGED)
    monkeypatch.setattr(site.app.handlings, "of_all", lambda names: dict.fromkeys(names, Handling(acknowledged_by="leo")))
    assert not escalated(site)
    assert site.ratings._watched() == ()


@pytest.mark.usefixtures("set_and_late")
def test_whoever_had_it_before_does_not_have_what_fires_anew(site: Site) -> None:
    site.fire(status=AlertStatus.ACKNOWLEDGED)
    (one,) = site.app.occurrences.of("inv-1")
    anew = one.model_copy(update={"id": "occ-anew", "before": one.id, "acknowledged_at": None})
    assert site.ratings.answered(site.opened, [one])
    assert not site.ratings.answered(site.opened, [one, anew])


@pytest.mark.usefixtures("set_and_late")
def test_nobody_is_called_for_alerts_that_are_forgotten(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    alert = site.opened.alert.model_copy(update={"source": SOURCE, "source_id": "occ-gone"})
    found = site.opened.model_copy(update={"alert": alert})
    monkeypatch.setattr(site.app, "investigation", lambda _: found)
    assert not escalated(site)
    assert site.ratings._watched() == ()


def escalations(site: Site) -> int:
    """How often it was said so far, after a look."""
    site.look()
    return [one.event for one in entries(site.app.store.server, "default", limit=50, request="inv-1")].count("severity.escalated")


@pytest.mark.usefixtures("set_and_late")
@pytest.mark.parametrize("said", [[AlertStatus.UNACKNOWLEDGED], [AlertStatus.RESOLVED, AlertStatus.FIRING]])
def test_what_was_escalated_is_so_once_more_when_whoever_took_it_then_gives_it_up(site: Site, said: list[AlertStatus]) -> None:
    site.fire()
    assert [escalations(site), escalations(site)] == [1, 1]
    for _ in range(2):
        site.fire(status=AlertStatus.ACKNOWLEDGED)
        before = escalations(site)
        for status in said:
            ended = make_message(status=status).ended_at
            site.fire(status=status, ended_at=ended, started_at=make_message().started_at + timedelta(minutes=before))
        assert [escalations(site), escalations(site)] == [before + 1, before + 1]
    site.fire(status=AlertStatus.ACKNOWLEDGED)
    site.fire(status=AlertStatus.UNACKNOWLEDGED)
    assert escalations(site) == 4, "also where nobody looked between the two"


@pytest.mark.usefixtures("set_and_late")
def test_what_was_escalated_is_watched_as_long_as_somebody_may_take_it_and_give_it_up(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.fire()
    assert escalated(site)
    assert site.ratings._watched() == ("inv-1",)
    site.fire(status=AlertStatus.RESOLVED, ended_at=make_message(status=AlertStatus.RESOLVED).ended_at)
    monkeypatch.setattr(ratings, "FLAP_SECONDS", -1.0)
    site.look()
    assert site.ratings._watched() == ()


@pytest.mark.usefixtures("set_and_late")
def test_what_somebody_says_is_less_severe_meanwhile_is_not_escalated(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    looks, written = site.ratings, Ratings._write
    soon = property(lambda one: one.since + timedelta(hours=1 if one.severity is Severity.SEV_4 else -1))
    monkeypatch.setattr(Rating, "respond_by", soon)

    def downgraded(self: Ratings, investigation: str, actor: str, change: Any, **other: Any) -> Rating:
        before = looks.of("inv-1")
        assert before is not None
        written(self, "inv-1", "leo", lambda was, _now: (was or before).model_copy(update={"severity": Severity.SEV_4}))
        return written(self, investigation, actor, change, **other)

    monkeypatch.setattr(Ratings, "_write", downgraded)
    looks.tend()
    rating = looks.of("inv-1")
    assert rating is not None
    assert (rating.severity, rating.escalated_at) == (Severity.SEV_4, None)


def test_an_alert_that_joins_while_it_is_let_go_of_has_it_looked_after(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.rate("info")
    site.close()
    acknowledged = Handling(acknowledged_by="leo")
    monkeypatch.setattr(site.app.handlings, "of_all", lambda names: dict.fromkeys(names, acknowledged))
    shown, word = site.app.occurrences.of_all, "critical"

    def joined(names: Any) -> Any:
        found = shown(names)
        if not any(found.values()):  # after the first look, before it is let go of
            site.word = word
            site.fire()
            site.ratings.begin("inv-1")
        return found

    monkeypatch.setattr(site.app.occurrences, "of_all", joined)
    monkeypatch.setattr(ratings, "AGAIN", timedelta(0))
    site.look()
    assert site.ratings._watched() == ("inv-1",)
    rating = site.ratings.of("inv-1")
    assert rating is not None
    assert rating.severity is Severity.SEV_1
