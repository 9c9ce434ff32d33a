"""Invariants: sections come together as they would one by one; what is made once for all names nobody, and is never behind."""

from __future__ import annotations

import re
from itertools import count

import pytest
from starlette.testclient import TestClient

from middlewatch.frontends.web import parts
from middlewatch.frontends.web.investigation import PARTS
from middlewatch.records import Investigation
from middlewatch.records.errors import Unavailable
from tests.markup import seen
from tests.report_finding import finding
from tests.web_site import WebSite, csrf_of

ALL = (*PARTS, parts.AUDIT, *parts.OWN)
_SECTION = re.compile(r'<hx-partial hx-target="#part-([a-z]+)" hx-swap="innerMorph">(.*?)</hx-partial>\n', re.DOTALL)


@pytest.fixture(scope="module")
def about(site: WebSite) -> Investigation:
    found = site.seed(finding())
    site.propose(investigation=found.id)
    return found


def reading(site: WebSite, about: Investigation, person: str) -> TestClient:
    """Somebody who was shown the card already: that they were is an event."""
    client = site.client(person)
    assert client.get(f"/investigations/{about.id}").status_code == 200
    return client


def test_several_come_as_they_would_one_by_one(site: WebSite, about: Investigation) -> None:
    client = reading(site, about, "leo")
    address = f"/investigations/{about.id}/parts"
    whole = client.get(address, params={"names": ",".join((*ALL, ALL[0]))})
    assert whole.status_code == 200
    found = _SECTION.findall(whole.text)
    assert [name for name, _ in found] == list(ALL)
    assert "".join(f"{text}" for _, text in found).count("<hx-") == 0
    for name, text in found:
        again = re.sub(r'datetime="[^"]+"|\d+ (s|min)\b', "", client.get(f"{address}/{name}").text)
        assert re.sub(r'datetime="[^"]+"|\d+ (s|min)\b', "", text) == again, name
    for names in ("everything", "answer,,chart", "", "answer,<script>"):
        answer = client.get(address, params={"names": names})
        assert answer.status_code == 422
        assert "<script>" not in answer.text
    assert client.get(address).status_code == 422


def test_the_page_asks_for_nothing_that_is_no_part(site: WebSite, about: Investigation) -> None:
    page = seen(site.client("leo").get(f"/investigations/{about.id}").text)
    given = {given["id"]: given["data-part"] for _, given in page.tags if "data-part" in given}
    assert set(given) == {f"part-{name}" for name in ALL}
    assert all(address.endswith(f"/{name.removeprefix('part-')}") for name, address in given.items())


def test_one_that_cannot_be_made_keeps_no_other_away(
    site: WebSite, about: Investigation, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client, address = reading(site, about, "leo"), f"/investigations/{about.id}/parts"
    for error, status in ((Unavailable("the telemetry does not answer"), 503), (ZeroDivisionError("a mistake"), 500)):

        def fail(*_: object, error: Exception = error, **__: object) -> None:
            raise error

        monkeypatch.setattr(site.app.toolbox, "trace_of", fail)
        site.site.state.shared = parts.SharedParts()
        answer = client.get(address, params={"names": "answer,request,handling,requests"})
        assert answer.status_code == 200
        assert [name for name, _ in _SECTION.findall(answer.text)] == ["answer", "handling", "requests"]
        assert f"request of {about.id}: {error}" in caplog.text
        assert client.get(address, params={"names": "request"}).status_code == status, "nothing is not an answer"
        assert client.get(address, params={"names": "request,everything"}).status_code == 422
    assert client.get("/investigations/inv-ffffffffffff/parts", params={"names": "answer,audit"}).status_code == 404


def test_many_who_watch_share_what_is_the_same_and_no_form(
    site: WebSite, about: Investigation, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients = [reading(site, about, person) for person in ("mia", "leo", "lea")]
    made, real = count(), site.app.toolbox.chart_of
    monkeypatch.setattr(site.app.toolbox, "chart_of", lambda *words: (next(made), real(*words))[1])
    site.site.state.shared = parts.SharedParts()
    texts = [client.get(f"/investigations/{about.id}/parts", params={"names": ",".join(ALL)}).text for client in clients]
    assert next(made) == 1, "the chart was drawn once"
    forms = [set(re.findall(r'name="csrf" value="([^"]+)"', text)) for text in texts]
    assert forms == [{csrf_of(client.get(f"/investigations/{about.id}/handling"))} for client in clients]


def test_whoever_heard_of_it_sees_it(site: WebSite, about: Investigation) -> None:
    """Also right after somebody was shown how it stood before."""
    client, leo = site.client("leo"), site.app.approvals.recognise("token:leo-token")
    for number in range(3):
        assert f"note {number}" not in client.get(f"/investigations/{about.id}/parts/audit").text
        site.app.handlings.assign(about.id, "mia" if number % 2 else "leo", leo, note=f"note {number}", face="web")
        assert f"note {number}" in client.get(f"/investigations/{about.id}/parts/audit").text
