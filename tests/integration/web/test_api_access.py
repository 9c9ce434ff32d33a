"""Invariant: what the API answers follows from the route, the credential and policy as it is at that moment.

That strangers, other tenants, other hosts and other sites reach no route at all is in test_routes.py, for pages and the API.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from starlette.testclient import TestClient

from middlewatch.frontends.web.api.description import EXAMPLES, description
from middlewatch.sessions import name_of
from tests.acceptance.approvals_site import sha256
from tests.report_finding import finding
from tests.web_site import WebSite, token

API = "/api/v1"
GHOST = "inv-ffffffffffff"
ROLES = ("mia", "leo", "mara")
"""A member, a lead and a manager."""
PARAMETERS: dict[str, dict[str, Any]] = {"scale_up": {"by": 2}, "rollback_deploy": {}, "drain_traffic": {"percent": 50}}


def operations() -> list[tuple[str, str]]:
    """Method and path of all there are."""
    return [(method.upper(), path) for path, found in description()["paths"].items() for method in found]


def body_of(method: str, path: str) -> Any:
    """An example of what the operation is given; None where it is given nothing."""
    body = description()["paths"][path][method.lower()].get("requestBody")
    if body is None:
        return None
    name = body["content"]["application/json"]["schema"].get("$ref", "").rpartition("/")[2]
    return EXAMPLES.get(name, {})


def ask(client: TestClient, method: str, path: str, **headers: str) -> Any:
    return client.request(method, re.sub(r"\{[^}]*\}", GHOST, path), json=body_of(method, path), headers=headers)


def is_problem(answer: Any) -> bool:
    return bool(answer.headers["content-type"] == "application/problem+json" and answer.json()["status"] == answer.status_code)


@contextmanager
def policy(site: WebSite, change: tuple[str, str] | None) -> Iterator[None]:
    """A policy with something else in it, or without any."""
    file = site.policy.data / "policy.toml"
    text = file.read_text(encoding="utf-8")
    if change is None:
        file.unlink()
    else:
        assert change[0] in text
        file.write_text(text.replace(*change), encoding="utf-8")
    try:
        yield
    finally:
        file.write_text(text, encoding="utf-8")


@pytest.fixture(autouse=True)
def nobody_failed_before(site: WebSite) -> None:
    site.site.state.attempts.__init__()


def credentials(site: WebSite, person: str) -> list[TestClient]:
    """Somebody as a program and as a browser that shows its CSRF token."""
    browser = site.client(person)
    session = site.app.sessions.look(browser.cookies["middlewatch"])
    assert session is not None
    browser.headers["x-csrf-token"] = session.csrf
    return [site.program(person), browser]


@pytest.mark.parametrize(
    "dropped",
    [
        ("[principals.lea]", "[principals.lea]\nactive = false"),
        (sha256(token("lea")), "0" * 64),
    ],
    ids=["deactivated", "another token"],
)
def test_whom_policy_drops_is_nobody_on_every_route_at_once(site: WebSite, dropped: tuple[str, str]) -> None:
    clients = credentials(site, "lea")
    assert [client.get(f"{API}/me").status_code for client in clients] == [200, 200]
    wrong = []
    with policy(site, dropped):
        for method, path in operations():
            site.site.state.attempts.__init__()
            for client in clients:
                answer = ask(client, method, path)
                if answer.status_code != 401 or not is_problem(answer):
                    wrong.append((method, path, answer.status_code))
    assert wrong == []


def test_a_session_that_ended_or_was_ended_is_nobody(site: WebSite) -> None:
    browser, other = site.client("mia"), site.client("mia")
    secret = browser.cookies["middlewatch"]
    (ends,) = site.redis.keys("*sessions*:ends")
    site.redis.zadd(str(ends), {name_of(secret): 1}, xx=True)  # its time is over
    site.app.sessions.end(other.cookies["middlewatch"])
    for client in (browser, other):
        answer = client.get(f"{API}/me")
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="middlewatch"')


def test_a_session_shows_its_csrf_token_in_the_header_and_nowhere_else(site: WebSite) -> None:
    browser = site.client("mia")
    session = site.app.sessions.look(browser.cookies["middlewatch"])
    assert session is not None
    path = f"{API}/investigations/{GHOST}/cancel"
    for answer in (
        browser.post(path, data={"csrf": session.csrf}),
        browser.post(path, data={"csrf": session.csrf}, headers={"x-csrf-token": ""}),
        browser.post(path, headers={"x-csrf-token": "wrong"}),
    ):
        assert (answer.status_code, answer.json()["type"]) == (403, "urn:middlewatch:problem:refused")
    assert browser.post(path, headers={"x-csrf-token": session.csrf}).status_code == 404


def test_without_a_policy_whoever_runs_it_reads_and_nobody_acts(site: WebSite) -> None:
    """The system's user on loopback; tokens are nobody's then."""
    secret, session = site.app.sessions.open(site.app.approvals.unix_identity())
    browser = site.client(cookies={"middlewatch": secret})
    browser.headers["x-csrf-token"] = session.csrf
    about = site.seed(finding(), "inv-no-policy").id
    with policy(site, None):
        assert browser.get(f"{API}/me").json()["principal"] is None
        assert browser.get(f"{API}/investigations/{about}/report").status_code == 200
        assert browser.get(f"{API}/approvals").status_code == 200
        refused = browser.post(f"{API}/investigations/{about}/acknowledge")
        assert (refused.status_code, refused.json()["type"]) == (403, "urn:middlewatch:problem:refused")
        assert "policy" in refused.json()["remedy"]
        assert browser.post(f"{API}/halt", json={}).status_code == 403
        assert site.program("mara").get(f"{API}/me").status_code == 401


def test_with_a_broken_policy_programs_are_told_and_learn_nothing_of_it(site: WebSite) -> None:
    with policy(site, ("[principals.mia]", "[principals.mia]\nnonsense = 1")):
        answer = site.program("mara").get(f"{API}/me")
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:middlewatch:problem:misconfigured")
    assert "nonsense" not in answer.text
    assert str(site.policy.data) not in answer.text


@pytest.mark.parametrize(
    ("action", "tier", "allowed"),
    [
        ("scale_up", "low", {"mia", "leo", "mara"}),
        ("rollback_deploy", "medium", {"leo", "mara"}),
        ("drain_traffic", "high", {"mara"}),
    ],
)
def test_a_role_decides_on_its_tiers_over_the_api_as_anywhere(site: WebSite, action: str, tier: str, allowed: set[str]) -> None:
    for person in ROLES:
        for client in credentials(site, person):
            assert (tier in client.get(f"{API}/me").json()["tiers"]) == (person in allowed)
        with policy(site, ('"rollback_deploy"]', '"rollback_deploy", "drain_traffic"]')):
            request = site.propose(action, parameters=PARAMETERS[action], investigation=f"inv-{person}")
            body = {"decision": "approve", "digest": request.digest}
            answer = site.program(person).post(f"{API}/approvals/{request.id}/decision", json=body)
        assert answer.status_code == (200 if person in allowed else 403), answer.text


@pytest.mark.parametrize("person", ROLES)
def test_only_a_manager_resumes(site: WebSite, person: str) -> None:
    assert site.program(person).post(f"{API}/halt", json={"reason": "drill"}).status_code == 200
    assert site.program(person).post(f"{API}/resume", json={}).status_code == (200 if person == "mara" else 403)
    assert site.program("mara").post(f"{API}/resume", json={}).status_code == 200


def test_a_wrong_token_is_tried_ten_times_in_a_minute(site: WebSite) -> None:
    wrong = site.program("nobody")
    assert [wrong.get(f"{API}/me").status_code for _ in range(11)] == [401] * 10 + [429]
    answer = wrong.get(f"{API}/me")
    assert is_problem(answer)
    assert 0 < int(answer.headers["retry-after"]) <= 60


@pytest.mark.parametrize(
    ("method", "path", "status", "name"),
    [
        ("GET", "/nothing", 404, "not-found"),
        ("GET", "/api/v2/me", 404, "not-found"),
        ("GET", "/api", 404, "not-found"),
        ("DELETE", f"{API}/me", 405, "method-not-allowed"),
        ("PUT", f"{API}/investigations", 405, "method-not-allowed"),
        ("POST", f"{API}/me", 405, "method-not-allowed"),
    ],
)
def test_what_is_not_there_is_told_as_a_problem(site: WebSite, method: str, path: str, status: int, name: str) -> None:
    path = path if path.startswith("/api") else API + path
    answer = site.program("mia").request(method, path)
    assert answer.status_code == status
    assert answer.json()["type"] == f"urn:middlewatch:problem:{name}"
    assert is_problem(answer)


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"{", {}, 422),
        (b"\xff\xfe", {}, 422),
        (b'{"service": "\\ud800"}', {}, 422),
        (b'{"service": NaN}', {}, 422),
        (b"[" * 100_000, {}, 400),
        (b'{"a":' * 50_000, {}, 400),
        (b"1" * 10_000, {}, 400),
        (b'{"service": "' + b"x" * 2**20 + b'"}', {}, 413),
        (b'{"service": "a"}', {"content-type": "text/plain"}, 422),
        (b"service=a", {"content-type": "application/x-www-form-urlencoded"}, 422),
        (b'{"service": "a"}', {"content-type": "application/json; charset=utf-7"}, 202),
        (b'{"service": "a"}', {"content-length": "-1"}, 413),
        (b'{"service": "a"}', {"idempotency-key": ""}, 422),
        (b'{"service": "a"}', {"idempotency-key": "a b"}, 422),
        (b'{"service": "a"}', {"idempotency-key": "k" * 256}, 422),
    ],
    ids=range(15),
)
def test_a_body_that_cannot_be_read_is_a_problem(site: WebSite, content: bytes, headers: dict[str, str], status: int) -> None:
    mia = site.program("mia")
    answer = mia.post(f"{API}/investigations", content=content, headers={"content-type": "application/json"} | headers)
    assert answer.status_code == status, answer.text
    if status == 202:
        site.app.kept.cancel(answer.json()["id"])
    else:
        assert is_problem(answer)
        assert len(answer.content) < 5000


def test_a_fault_of_ours_is_told_without_its_details(
    site: WebSite, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the secret inside")

    monkeypatch.setattr(site.app, "investigations", fail)
    answer = site.program("mia").get(f"{API}/investigations")
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:middlewatch:problem:unexpected")
    assert "secret" not in answer.text
    assert "the secret inside" in caplog.text


def test_what_is_wrong_never_repeats_what_was_sent(site: WebSite) -> None:
    """It may be a credential."""
    answer = site.program("mia").post(
        f"{API}/approvals/apr-1/break-glass", content=json.dumps({"credential": {"hunter2": "hunter2"}, "reason": "hunter2" * 400})
    )
    assert answer.status_code == 422
    assert "hunter2" not in answer.text
