"""Invariant: nothing that is sent to the web is answered with a fault, or shown as it was sent. `make chaos-web` sends 100,000."""

from __future__ import annotations

import random

import pytest

from tests.chaos.odd_requests import STORED, anywhere, credentials
from tests.chaos.request_described import call_described
from tests.chaos.request_fuzz import Fuzz
from tests.chaos.request_targets import target_of
from tests.chaos.request_wire import Judge, send
from tests.hostile_reports import filled
from tests.report_finding import finding
from tests.web_fixtures import redis, site
from tests.web_server import served
from tests.web_site import WebSite

__all__ = ["redis", "site"]


def test_whatever_is_sent_is_answered_without_a_fault(site: WebSite, caplog: pytest.LogCaptureFixture) -> None:
    ids = [site.seed(finding()).id, site.seed(filled(finding(), STORED)).id, site.propose().id, site.propose().id]
    judge, source = Judge(), random.Random(5)
    with served(site.site) as url:
        fuzz, known = Fuzz(target_of(site.site, ids), 5), credentials(url)
        for _ in range(300):
            request = fuzz.attack(known)
            judge.judge(request, send(url, request, source=anywhere(source), patience_seconds=0.05))
        call_described(url, 30, source, judge, operations_at_most=10)
    assert judge.wrong == []
    assert {"200", "400", "404", "422"} <= set(judge.statuses)
    assert [record for record in caplog.records if record.exc_info] == []


def test_the_judge_notices_what_may_not_be() -> None:
    """The guard of the test above."""
    judge = Judge()
    for answer in (
        b"HTTP/1.1 500 Internal Server Error\r\n\r\n",
        b"HTTP/1.1 503 Service Unavailable\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n<p><mark-x>",
        b"HTTP/1.1 303 See Other\r\nx-evil: 1\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\ncontent-type: application/problem+json\r\n\r\n{",
        b"nonsense",
    ):
        judge.judge(b"", answer)
    assert len(judge.wrong) == 6
