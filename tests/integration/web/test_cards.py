"""Invariants: a card says on what a request rests, fact by fact, and is no longer for it than somebody reads who decides; it does
not say that something is watched which cannot be.
"""

from __future__ import annotations

import re
from html import unescape

import pytest

from middlewatch.frontends.web.requests_view import LISTED
from middlewatch.records import Decision
from tests.report_finding import finding
from tests.web_site import WebSite


def cited(page: str) -> list[str]:
    """The lines of `Rests on`, as HTML."""
    (found,) = re.findall(r'<ul class="cited">(.*?)</ul>', page, re.DOTALL)
    return re.findall(r"<li>(.*?)</li>", found, re.DOTALL)


def test_each_fact_has_a_line_and_its_link(site: WebSite) -> None:
    found = site.seed(finding())
    facts = finding().evidence
    assert len(facts) > LISTED
    request = site.propose(investigation=found.id, evidence=tuple(fact.id for fact in facts))
    for path in (f"/approvals/{request.id}", f"/investigations/{found.id}"):
        *lines, more = cited(site.client("leo").get(path).text)
        assert len(lines) == LISTED
        for number, (fact, line) in enumerate(zip(facts, lines, strict=False), 1):
            assert f'href="/investigations/{found.id}/evidence/{fact.id}">E{number}</a>' in line
            assert fact.anomaly.service in unescape(line)
        assert re.sub("<[^>]+>", "", more) == f"and {len(facts) - LISTED} more"


def test_facts_are_in_the_order_of_the_report_whatever_the_request_has(site: WebSite) -> None:
    found = site.seed(finding())
    names = tuple(fact.id for fact in finding().evidence)
    pages = [
        cited(site.client("leo").get(f"/approvals/{site.propose(investigation=found.id, evidence=order).id}").text)
        for order in (names, names[::-1])
    ]
    assert pages[0] == pages[1]


def test_of_few_facts_none_is_left_out(site: WebSite) -> None:
    found = site.seed(finding())
    facts = finding().evidence[:2]
    request = site.propose(investigation=found.id, evidence=tuple(fact.id for fact in facts))
    assert len(cited(site.client("leo").get(f"/approvals/{request.id}").text)) == 2


def test_what_an_investigation_does_not_know_is_told_by_its_id(site: WebSite) -> None:
    request = site.propose(investigation="inv-00000000beef", evidence=("ev-deadbeef0001",))
    (line,) = cited(site.client("leo").get(f"/approvals/{request.id}").text)
    assert ">ev-deadbeef0001</a>" in line


@pytest.mark.parametrize("recorded", [True, False])
def test_nobody_watches_a_recording(site: WebSite, recorded: bool) -> None:  # noqa: FBT001  of a test
    report = finding()
    scope = report.scope.model_copy(update={"recording": "shop-slow-pages" if recorded else ""})
    found = site.seed(report.model_copy(update={"scope": scope}))
    request = site.propose(investigation=found.id)
    leo = site.app.approvals.recognise("token:leo-token")
    site.app.approvals.decide(request.id, Decision.APPROVE, leo, digest=request.digest, face="web")
    assert site.step()
    for path in (f"/approvals/{request.id}", f"/investigations/{found.id}"):
        page = site.client("leo").get(path).text
        assert ("the symptom is being watched" in page) is not recorded
        ends = "is of a recording, which ends before the action"
        assert (ends in page) is (recorded and path.startswith("/approvals"))  # on the other it is over, and one line


def test_what_is_over_is_a_line_and_what_waits_stands_whole_above_it(site: WebSite) -> None:
    found = site.seed(finding())
    mia = site.app.approvals.recognise("token:mia-token")
    over = []
    for more in range(1, 4):
        over.append(site.propose(investigation=found.id, parameters={"by": more}))
        site.app.approvals.decide(over[-1].id, Decision.DENY, mia, digest="", face="web")
    alone = site.client("leo").get(f"/investigations/{found.id}").text
    assert "Nothing waits for a decision" in alone
    assert 'class="panel remediation' not in alone
    waiting = site.propose("restart_service", investigation=found.id)
    page = site.client("leo").get(f"/investigations/{found.id}").text
    assert page.count('class="panel remediation') == 1
    assert "3 requests of before: 3 denied" in page
    lines = page[
        page.index('<details class="more" id="over-requests">') : page.index("</details>", page.index('id="over-requests"'))
    ]
    assert all(f'href="/approvals/{one.id}"' in lines for one in over)
    assert page.index('id="part-next"') < page.index(f'id="{waiting.id}"') < page.index('id="over-requests"')
