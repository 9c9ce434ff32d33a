"""The audit log on pages: in words, going back, what was typed as it was typed, and how far it is signed."""

from __future__ import annotations

import re

import pytest
from starlette.testclient import TestClient

from middlewatch import auditing
from middlewatch.context_store.audit import AuditStore
from middlewatch.frontends.web.audit import NEWEST
from middlewatch.records import DEFAULT_TENANT, AuditEvent, Principal, Verdict
from tests.report_finding import finding
from tests.web_site import WebSite

NASTY = '"><script>alert(1)</script><img src=x onerror=alert(2)>\u202e{{ 7*7 }}'


@pytest.fixture(scope="module")
def mia(site: WebSite) -> TestClient:
    return site.client("mia")


def log(site: WebSite, *events: AuditEvent) -> None:
    AuditStore(site.app.store.server).append(DEFAULT_TENANT, events)


def event(name: str, obj: str, **data: str) -> AuditEvent:
    return AuditEvent(tenant=DEFAULT_TENANT, actor="leo", event=name, obj=obj, data=dict(data))


def leo(site: WebSite) -> Principal | None:
    return site.app.approvals.recognise("token:leo-token")


def test_what_people_did_is_told_in_words_with_what_they_typed(site: WebSite, mia: TestClient) -> None:
    about = site.seed(finding()).id
    site.app.handlings.give_feedback(about, Verdict.WRONG, leo(site), cause=f"line one\n{NASTY}", face="web")
    page = mia.get("/audit").text
    assert "<b>Leo Example</b> called the answer wrong" in page
    assert "line one\n&#34;&gt;&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    assert "\u202e" not in page
    assert f'href="/investigations/{about}"' in page
    assert re.search(r"<b>(\d+) of \1 events are signed</b>", page)
    log(site, event("request.viewed", "apr-later"))
    page = mia.get("/audit").text
    assert not re.search(r"<b>(\d+) of \1 events are signed</b>", page)
    assert page.index("apr-later") < page.index('class="checkpoint"') < page.index("called the answer wrong")


def test_names_that_nobody_chose_run_nothing_and_lead_nowhere(site: WebSite, mia: TestClient) -> None:
    log(site, event("odd.kind", f"inv-{NASTY}", why=NASTY), event("request.approved", "apr-1", action=NASTY, target=NASTY))
    for page in (mia.get("/audit").text, mia.get("/audit", params={"about": NASTY}).text):
        assert "<script>alert" not in page
        assert "<img" not in page
        assert "\u202e" not in page
        assert 'href="/investigations/inv-&' not in page


def test_it_goes_back_to_the_beginning_and_shows_each_event_once(site: WebSite, mia: TestClient) -> None:
    log(site, *(event("request.viewed", f"apr-{number}") for number in range(120)))
    seen: list[int] = []
    address: str | None = "/audit"
    while address:
        page = mia.get(address).text
        seen += [int(found) for found in re.findall(r'data-label="Event">(\d+)<', page)]
        older = re.search(r'href="(/audit\?before=\d+)"', page)
        address = older[1] if older else None
    assert seen == list(range(site.app.live.log_size()))[::-1]


def test_only_what_is_about_one_object(site: WebSite, mia: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    log(site, event("request.viewed", "apr-one"), *(event("request.viewed", "apr-other") for _ in range(30)))
    page = mia.get("/audit?about=apr-one").text
    assert page.count('data-label="Event"') == 1
    assert "Older" not in page
    assert "No event is about <code>apr-none</code>" in mia.get("/audit?about=apr-none").text
    monkeypatch.setattr(auditing, "LOOKED_AT", 20)
    page = mia.get("/audit?about=apr-one").text
    assert "No event among those that were looked at" in page
    older = re.search(r'href="(/audit\?before=\d+&amp;about=apr-one)"', page)
    assert older
    assert mia.get(older[1].replace("&amp;", "&")).text.count('data-label="Event"') == 1


def test_an_investigation_shows_its_own_events_and_those_of_its_requests(
    site: WebSite, mia: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    about, other = site.seed(finding()).id, site.seed(finding()).id
    request = site.propose(investigation=about)
    for one in (about, other):
        site.app.handlings.acknowledge(one, leo(site), face="web")
    page = mia.get(f"/investigations/{about}/audit").text
    assert "acknowledged it" in page
    assert f'href="/approvals/{request.id}"' in page
    assert other not in page
    assert "Later events" not in page
    monkeypatch.setattr(auditing, "NEXT", 1)
    assert "Later events about it may be missing here" in mia.get(f"/investigations/{about}/audit").text


def test_the_page_of_an_investigation_lists_what_was_done_last_and_not_who_looked(site: WebSite, mia: TestClient) -> None:
    about = site.seed(finding()).id
    request = site.propose(investigation=about)
    log(site, *(event("request.viewed", request.id) for _ in range(30)))
    log(site, *(event("investigation.assigned", about, to=f"person{number}") for number in range(NEWEST + 5)))
    log(site, event("request.viewed", request.id))
    page = mia.get(f"/investigations/{about}/audit").text
    assert page.count('data-label="Event"') == NEWEST
    assert "request.viewed" not in page
    assert f"person{NEWEST + 4}&#34;" in page
    assert re.search(r"\d+ more, older or of somebody who only looked, are not here", page)
    assert f'href="/audit?about={about}"' in page
    whole = mia.get("/audit", params={"about": about}).text
    assert f'href="/approvals/{request.id}"' in whole, "the log about it has its requests too"
    assert "was shown" in whole
