"""Invariants: only whom policy knows gets in; a session is worth what policy says of its identity at this very moment."""

from __future__ import annotations

from tests.report_finding import finding
from tests.web_site import WebSite, sign_in, token


def test_a_token_that_policy_knows_signs_in(site: WebSite) -> None:
    client = site.client()
    answer = sign_in(client, token("mia"), next="/approvals?x=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/approvals?x=1")


def test_seeds(site: WebSite) -> None:
    found = site.seed(finding())
    assert found.headline is not None
    assert site.propose().state == "pending"
