"""Invariants: who is to be paged is paged once, whoever dies in between; it ends when the incident does; what fails is said."""

from __future__ import annotations

from datetime import timedelta

import pytest

from middlewatch import paging
from middlewatch.auditing import entries
from middlewatch.opening import BY_HAND
from middlewatch.records import AlertStatus, Investigation, Rating, Scope
from middlewatch.service_catalogue import check_services
from tests.alert_ends import End
from tests.paging_site import KEY, Site, redis, site, there
from tests.store_data import make_alert, make_task

__all__ = ["redis", "site", "there"]


def said(there: tuple[type[End], str]) -> list[str]:
    events = [body for _, path, body in there[0].calls if path == "/v2/enqueue"]
    assert {body["dedup_key"] for body in events} <= {KEY}, "one investigation is one page"
    return [body["event_action"] for body in events]


def test_whoever_is_on_call_is_paged_once_and_told_what_becomes_of_it(site: Site, there: tuple[type[End], str]) -> None:
    message = site.fire()
    site.rate("critical")
    assert [site.tend(), site.tend()] == [1, 0]
    ((_, _, body),) = there[0].calls
    assert (body["payload"]["severity"], body["payload"]["source"]) == ("critical", "checkout")
    assert body["payload"]["summary"] == "SEV-1: checkout fails"
    assert body["client_url"] == "https://mw.example.com/investigations/inv-1"
    site.fire(status=AlertStatus.ACKNOWLEDGED)
    assert [site.tend(), site.tend()] == [1, 0]
    site.app.kept.cancel("inv-1")
    site.app.occurrences.receive(
        [message.model_copy(update={"status": AlertStatus.RESOLVED, "ended_at": message.started_at + timedelta(hours=1)})]
    )
    assert [site.tend(), site.tend()] == [1, 0]
    assert said(there) == ["trigger", "acknowledge", "resolve"]
    events = [one for one in entries(site.app.store.server, "default", limit=20, request="inv-1") if one.event == "severity.paged"]
    assert [one.data["said"] for one in events] == ["trigger", "acknowledge", "resolve"]


def test_what_nobody_answers_in_time_is_said_again_and_so_is_what_gets_worse(
    site: Site, there: tuple[type[End], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    site.fire()
    site.rate("high")
    site.tend()
    site.rate("critical")
    site.tend()
    site.rate("high")
    assert site.tend() == 0, "what gets better pages nobody"
    site.rate("critical")
    with monkeypatch.context() as patch:
        patch.setattr(Rating, "respond_by", property(lambda one: one.since - timedelta(minutes=1)))
        site.ratings.tend()
        assert [site.tend(), site.tend()] == [1, 0]
    assert said(there) == ["trigger"] * 3
    summaries = [body["payload"]["summary"] for _, _, body in there[0].calls]
    assert summaries == [
        "SEV-2: checkout fails",
        "SEV-1: checkout fails",
        "SEV-1: nobody has acknowledged it: checkout fails",
    ]


@pytest.mark.parametrize("how", ["lives", "dies"])
def test_an_open_page_is_resolved_however_many_investigations_came_since_and_whoever_died(
    site: Site, there: tuple[type[End], str], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    site.fire()
    site.rate("critical")
    if how == "dies":  # before what was said is noted
        with monkeypatch.context() as patch:
            patch.setattr(site.app.paging, "_keep", lambda *_: None)
            site.tend()
    else:
        site.tend()
    monkeypatch.setattr(paging, "MOST", 1)
    other = site.opened.alert.model_copy(update={"source_id": "another"})
    newer = site.opened.model_copy(update={"id": "inv-2", "alert": other})
    site.app.store.open(newer, make_task("plan", investigation=newer))
    assert [one.id for one in site.app.store.investigations("default", limit=1)] == ["inv-2"]
    site.app.kept.cancel("inv-1")
    assert [site.tend(), site.tend()] == [1, 0]
    assert said(there) == ["trigger", "resolve"]
    assert site.app.approvals.desk.store.note("default", paging.OPEN_NOTE) == "[]"


def test_nobody_is_paged_for_what_is_not_so_severe(site: Site, there: tuple[type[End], str]) -> None:
    site.fire()
    site.rate("warning")
    assert site.tend() == 0
    assert said(there) == []


def test_pagerduty_is_not_told_of_its_own_alerts(site: Site, there: tuple[type[End], str]) -> None:
    site.fire(kind="pagerduty", sender="pagerduty")
    site.rate("critical")
    assert site.tend() == 0
    assert said(there) == []


def test_what_is_acknowledged_already_pages_nobody(site: Site, there: tuple[type[End], str]) -> None:
    site.fire(status=AlertStatus.FIRING)
    site.fire(status=AlertStatus.ACKNOWLEDGED)
    site.rate("critical")
    assert site.tend() == 0
    assert said(there) == []


def test_who_gives_it_up_is_paged_anew_and_under_no_page_that_is_acknowledged(
    site: Site, there: tuple[type[End], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    site.fire()
    site.rate("critical")
    monkeypatch.setattr(Rating, "respond_by", property(lambda one: one.since - timedelta(minutes=1)))
    site.look()
    site.tend()
    site.fire(status=AlertStatus.ACKNOWLEDGED)
    site.tend()
    assert said(there) == ["trigger", "acknowledge"]
    monkeypatch.setattr(paging, "NEW", timedelta(0))  # however long ago it began
    site.fire(status=AlertStatus.UNACKNOWLEDGED)
    there[0].broken = True
    assert site.tend() == 1
    there[0].broken = False
    assert [site.tend(), site.tend(), site.tend()] == [1, 1, 0]
    assert said(there)[-2:] == ["resolve", "trigger"], "what is acknowledged there calls nobody"
    assert there[0].calls[-1][2]["payload"]["summary"] == "SEV-1: nobody has acknowledged it: checkout fails"
    site.look()
    assert site.tend() == 0, "it was said"
    assert site.app.paging.of(["inv-1"])["inv-1"].open


def test_what_is_over_after_somebody_gave_it_up_is_a_new_page_no_more(site: Site, there: tuple[type[End], str]) -> None:
    site.fire()
    site.rate("critical")
    for status in (AlertStatus.FIRING, AlertStatus.ACKNOWLEDGED, AlertStatus.UNACKNOWLEDGED):
        site.fire(status=status)
        assert site.tend() == 1
    site.app.kept.cancel("inv-1")
    assert [site.tend(), site.tend()] == [1, 0]
    assert said(there) == ["trigger", "acknowledge", "resolve", "resolve"]
    assert site.app.approvals.desk.store.note("default", paging.OPEN_NOTE) == "[]"


def again(site: Site) -> None:
    """It is run again by hand, as inv-2."""
    alert = site.opened.alert.model_copy(update={"source": BY_HAND, "source_id": "again", "follows": "inv-1"})
    opened = site.opened.model_copy(update={"id": "inv-2", "alert": alert})
    site.app.store.open(opened, make_task("plan", investigation=opened))
    site.ratings.begin("inv-2")
    site.ratings.rate(opened)


def test_what_is_run_again_after_it_was_cancelled_is_somebodys_to_answer(
    site: Site, there: tuple[type[End], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    site.fire()
    site.rate("critical")
    site.tend()
    site.app.kept.cancel("inv-1")
    assert site.tend() == 1
    again(site)
    assert [site.tend(), site.tend()] == [1, 0], "the one before is waited for no more"
    monkeypatch.setattr(Rating, "respond_by", property(lambda one: one.since - timedelta(minutes=1)))
    site.look()
    assert [site.tend(), site.tend()] == [1, 0]
    called = [(body["dedup_key"][-5:], body["event_action"]) for _, _, body in there[0].calls]
    assert called == [("inv-1", "trigger"), ("inv-1", "resolve"), ("inv-2", "trigger"), ("inv-2", "trigger")]


def test_nobody_is_paged_again_for_what_is_run_again_by_hand(
    site: Site, there: tuple[type[End], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    site.fire()
    site.rate("critical")
    assert site.tend() == 1
    again(site)
    assert site.tend() == 0, "nobody acknowledged the first one, and nobody is paged for it twice"
    with monkeypatch.context() as patch:
        patch.setattr(Rating, "respond_by", property(lambda one: one.since - timedelta(minutes=1)))
        site.ratings.tend()
    rated = site.ratings.of_all(["inv-1", "inv-2"])
    assert [one is not None and one.escalated_at is not None for one in rated.values()] == [True, False]
    assert [site.tend(), site.tend()] == [1, 0]
    assert said(there) == ["trigger", "trigger"], "both of the first one"
    site.set("inv-2")
    assert site.tend() == 1, "a person says that it is so severe"
    assert there[0].calls[-1][2]["dedup_key"] == "middlewatch:default:inv-2"


def test_whoever_configures_it_is_not_paged_for_all_that_was(
    site: Site, there: tuple[type[End], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    site.fire()
    site.rate("critical")
    monkeypatch.setattr(paging, "NEW", timedelta(0))
    assert site.tend() == 0
    assert said(there) == []


def test_what_fails_is_said_and_tried_again(site: Site, there: tuple[type[End], str]) -> None:
    site.fire()
    site.rate("critical")
    there[0].broken = True
    assert [site.tend(), site.tend()] == [1, 1]
    (failing,) = site.app.paging.failing().values()
    assert (failing.attempts, failing.problem) == (2, "It was answered 503.")
    there[0].broken = False
    site.tend()
    assert site.app.paging.failing() == {}
    assert site.tend() == 0


def test_a_key_that_is_not_believed_says_what_to_do(site: Site, there: tuple[type[End], str]) -> None:
    (site.app.settings.intake_secrets_path / "events").write_text("wrong")
    site.fire()
    site.rate("critical")
    site.tend()
    (failing,) = site.app.paging.failing().values()
    assert failing.problem.startswith("It was answered 400.")
    assert "integration key" in failing.problem
    assert "wrong" not in failing.problem
    assert said(there) == ["trigger"]


def test_a_severity_that_pages_needs_somebody_to_page(site: Site) -> None:
    path = site.app.settings.services_path
    assert check_services(site.app.settings, None)[2] == ()
    (site.app.settings.intake_secrets_path / "events").unlink()
    path.write_text(path.read_text() + '[severity.SEV-3]\ntell = ["slack"]\n')
    assert [one.key for one in check_services(site.app.settings, None)[2]] == ["pagerduty.routing_key"]
    path.write_text(path.read_text().replace("[pagerduty]", "[services.pagerduty]").split("routing_key")[0])
    found = check_services(site.app.settings, None)[2]
    assert {one.key for one in found} == {"severity.SEV-1.tell", "severity.SEV-2.tell"}
    assert site.tend() == 0


def test_whoever_is_told_to_stop_pages_for_nothing_further(site: Site, there: tuple[type[End], str]) -> None:
    alert = make_alert("default", "alert-2").model_copy(update={"title": "cart fails"})
    other = Investigation(tenant="default", id="inv-2", scope=Scope(tenant="default"), alert=alert)
    site.app.store.open(other, make_task("plan", investigation=other))
    site.ratings.begin("inv-2")
    for one in (site.opened, other):
        site.ratings.rate(site.app.investigation(one.id))
    assert site.app.paging.tend(lambda: bool(there[0].calls)) == 1, "told in the middle of a round"
    site.app.paging._lease.end()
    assert site.tend() == 1, "the other one"
