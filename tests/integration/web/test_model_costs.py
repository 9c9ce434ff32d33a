"""Invariant: what language models cost is the same on the page, over the API and for Prometheus."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from tests.model_calls import CALLS, reasoned
from tests.web_site import BASE, WebSite

HERE = ("127.0.0.1", 50000)


@pytest.fixture(scope="module")
def investigation(site: WebSite) -> str:
    """Of calls that were made just now, by the store's clock."""
    now = site.app.approvals.now()
    made = reasoned(tuple(call.model_copy(update={"started_at": now}) for call in CALLS))
    return site.seed(made).id


def test_the_page_and_the_api_say_the_same(site: WebSite, investigation: str) -> None:
    told = site.program("mia").get("/api/v1/models/costs", params={"days": 2}).json()
    assert (told["format"], told["whole"]["calls"], told["whole"]["dollars"]) == ("middlewatch.model-costs/v1", 3, 0.02)
    assert [part["name"] for part in told["dearest"]] == [investigation]
    page = site.client("mia").get("/models/costs", params={"days": 2})
    assert page.status_code == 200
    assert "3 calls (1 unanswered), 1 not made for want of budget" in page.text
    assert f'href="/investigations/{investigation}"' in page.text
    assert "\x1b" not in page.text
    assert site.client("mia").get("/models/costs", params={"days": 0}).status_code == 422


def test_the_page_of_an_investigation_has_its_own(site: WebSite, investigation: str) -> None:
    page = site.client("mia").get(f"/investigations/{investigation}")
    assert "What language models did" in page.text
    assert "3 calls (1 unanswered)" in page.text


def test_prometheus_reads_them_by_agent(site: WebSite, investigation: str) -> None:
    assert investigation
    text = TestClient(site.site, base_url=BASE, client=HERE).get("/metrics").text
    assert 'middlewatch_models_calls{agent="metrics"} 2.0\n' in text
    assert 'middlewatch_models_calls_not_made{agent="writer"} 1.0\n' in text
    assert 'middlewatch_models_dollars_by_model{model="anthropic/model-m"} 0.02\n' in text
