"""Invariants: an alert is acknowledged when it is kept, and not before; what cannot be taken is refused with a reason."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis
from starlette.testclient import TestClient

from middlewatch.occurrences import Occurrences
from middlewatch.records.errors import Conflict, StoreFull, StoreUnavailable
from middlewatch.telemetry.clickhouse import ClickHouse
from tests import alert_senders as made
from tests.alert_senders import BEARER, SENDERS, Sender
from tests.store_fixtures import redis
from tests.web_site import BASE, WebSite, open_web_site

__all__ = ["redis"]


@pytest.fixture(scope="module")
def site(redis: Redis, clickhouse: ClickHouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebSite]:
    with open_web_site(redis, clickhouse, tmp_path_factory.mktemp("site")) as opened:
        made.write_intake(opened.app.settings.data_dir)
        yield opened


@pytest.fixture
def client(site: WebSite) -> TestClient:
    """A server: no cookies, no origin."""
    return TestClient(site.site, base_url=BASE, follow_redirects=False, raise_server_exceptions=False)


def problem(answer: Any, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return str(answer.json()["detail"])


@pytest.mark.parametrize("sender", SENDERS, ids=lambda one: one.name)
def test_what_is_acknowledged_is_kept(site: WebSite, client: TestClient, sender: Sender) -> None:
    answer = client.post(f"/intake/alerts/{sender.name}", content=sender.body, headers=sender.shows(sender.body))
    assert answer.status_code == 200, answer.text
    (name,) = answer.json()["kept"]
    one = site.app.occurrences.occurrence(name)
    assert (one.message.sender, one.message.title.endswith("checkout fails")) == (sender.name, True)


def test_what_is_refused_says_why(client: TestClient) -> None:
    body = SENDERS[0].body
    assert "known" in problem(client.post("/intake/alerts/prometheus", content=body), 401)
    assert "known" in problem(client.post("/intake/alerts/nobody", content=body, headers=BEARER), 401)
    assert "not JSON" in problem(client.post("/intake/alerts/prometheus", content=b"{", headers=BEARER), 422)
    assert "alerts" in problem(client.post("/intake/alerts/prometheus", content=b"{}", headers=BEARER), 422)
    assert "bytes" in problem(client.post("/intake/alerts/prometheus", content=b" " * (1024 * 1024 + 1), headers=BEARER), 413)
    packed = {**BEARER, "content-encoding": "gzip"}
    assert "packed" in problem(client.post("/intake/alerts/prometheus", content=body, headers=packed), 415)
    problem(client.get("/intake/alerts/prometheus"), 405)


@pytest.mark.parametrize(
    "header",
    [
        {"origin": BASE},
        {"origin": "https://evil.example"},
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
        {"cookie": "a=b"},
    ],
)
def test_no_browser_can_send_one(client: TestClient, header: dict[str, str]) -> None:
    answer = client.post("/intake/alerts/prometheus", content=SENDERS[0].body, headers={**BEARER, **header})
    assert "page" in problem(answer, 403) or "another site" in answer.text


@pytest.mark.parametrize(("error", "seconds"), [(StoreFull(), "60"), (StoreUnavailable(), "5"), (Conflict(), "1")])
def test_a_store_that_cannot_keep_it_asks_to_come_again(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, error: Exception, seconds: str
) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(Occurrences, "receive", fails)
    answer = client.post("/intake/alerts/prometheus", content=SENDERS[0].body, headers=BEARER)
    problem(answer, 503)
    assert answer.headers["retry-after"] == seconds


def test_a_mistake_in_the_file_is_not_told_to_whoever_sends(site: WebSite, client: TestClient) -> None:
    path = site.app.settings.intake_path
    path.write_text("[senders.prometheus]\nkind = 3\n")
    try:
        detail = problem(client.post("/intake/alerts/prometheus", content=json.dumps({}), headers=BEARER), 503)
    finally:
        made.write_intake(site.app.settings.data_dir)
    assert "kind" not in detail
    assert str(path) not in detail
