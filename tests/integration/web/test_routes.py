"""Invariant: who may ask for what is decided for every route; whatever is not decided is not served.

The table is `OPEN`, `OWN`, `READ` and `ACT` below; the tests hold every route of the site against it, for every credential.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.testclient import TestClient

from middlewatch.frontends.serving import Faces, assembled
from middlewatch.frontends.web.attempts import Attempts
from middlewatch.records import ORCHESTRATOR, Investigation, InvestigationState, Remediation, Scope, Task, TaskKind
from middlewatch.sessions import Sessions
from tests.acceptance.approvals_site import TARGET
from tests.report_finding import finding
from tests.web_site import BASE, WebSite

OPEN = {
    "GET /healthz",
    "GET /static/{}",
    "HEAD /static/{}",
    "GET /sign-in",
    "GET /sign-in/link",
    "GET /sign-in/oidc",
    "GET /sign-in/oidc/callback",
    "POST /sign-in",
}
"""For everybody. What is posted to `/sign-in` is held against the form's own cookie."""
OWN = {"GET /metrics", "POST /intake/alerts/{}", "POST /intake/changes/{}"}
"""For programs with a proof of its own: `/metrics` (test_nights.py), and senders of intake.toml (test_alert_intake.py,
test_change_intake.py)."""
READ = {
    "GET /",
    "GET /alerts",
    "GET /alerts/{}",
    "GET /approvals",
    "GET /approvals/list",
    "GET /approvals/{}",
    "GET /approvals/{}/break-glass",
    "GET /approvals/{}/card",
    "GET /approvals/{}/confirm",
    "GET /approvals/{}/edit",
    "GET /approvals/{}/reconcile",
    "GET /approvals/{}/review",
    "GET /audit",
    "GET /halt",
    "GET /health",
    "GET /investigate",
    "GET /investigations/{}",
    "GET /investigations/{}/alerts",
    "GET /investigations/{}/audit",
    "GET /investigations/{}/evidence/{}",
    "GET /investigations/{}/feedback",
    "GET /investigations/{}/handling",
    "GET /investigations/{}/parts",
    "GET /investigations/{}/parts/{}",
    "GET /investigations/{}/post-mortem.md",
    "GET /investigations/{}/propose",
    "GET /investigations/{}/report.json",
    "GET /investigations/{}/requests",
    "GET /models/costs",
    "GET /parts/inbox",
    "GET /report",
    "GET /sessions",
}
"""For whoever is signed in."""
STREAM = {
    "GET /investigations/{}/stream",
    "GET /stream",
}
"""Likewise, and it does not end."""
ACT = {
    "POST /alerts/{}/investigate",
    "POST /approvals/{}/again",
    "POST /approvals/{}/break-glass",
    "POST /approvals/{}/decision",
    "POST /approvals/{}/edit",
    "POST /approvals/{}/reconcile",
    "POST /approvals/{}/review",
    "POST /approvals/{}/undo",
    "POST /halt",
    "POST /halt/lift",
    "POST /investigate",
    "POST /investigations/{}/acknowledge",
    "POST /investigations/{}/again",
    "POST /investigations/{}/assign",
    "POST /investigations/{}/cancel",
    "POST /investigations/{}/feedback",
    "POST /investigations/{}/propose",
    "POST /investigations/{}/severity",
    "POST /sessions/end",
    "POST /sessions/end-all",
    "POST /sign-out",
}
"""For whoever is signed in, with the token of that very session. What they may do, the gateway says."""
COOKIE = "middlewatch"
PLACE = re.compile(r"\{[^}]*\}")
API = "/api/v1/"
"""A program reads with GET and acts with anything else, by its own token or by a session's."""
ANOTHER = "another-tenant"
GHOST = "inv-ffffffffffff"
"""In place of every name in a path: there is nothing of this name, and whoever may not ask does not learn that."""


def routes(site: WebSite) -> list[str]:
    return routes_of(site.site)


def routes_of(site: FastAPI) -> list[str]:
    """Every route, as `METHOD /path`; what stands for a name in it is called nothing."""
    found = iter_route_contexts(site.routes)
    return sorted({f"{method} {PLACE.sub('{}', one.path or '')}" for one in found for method in one.methods or {"GET", "POST"}})


def decision(route: str) -> str:
    """The column of the table that a route stands in."""
    for name, column in {"open": OPEN, "own": OWN, "read": READ, "stream": STREAM, "act": ACT}.items():
        if route in column:
            return name
    method, _, path = route.partition(" ")
    if path.startswith(API):
        return "stream" if path.endswith(("/stream", "/events")) else "read" if method in {"GET", "HEAD"} else "act"
    raise AssertionError(f"nobody decided who may ask for {route}: put it into the table")


def ask(client: TestClient, route: str, **headers: str | bytes) -> Any:
    method, _, path = route.partition(" ")
    return client.request(method, path.replace("{}", GHOST), headers=cast("Any", headers))


def is_turned_away(answer: Any) -> bool:
    """Sent to sign in, or told to."""
    return bool(answer.status_code == 401 or (answer.status_code == 303 and answer.headers["location"].startswith("/sign-in")))


@pytest.fixture
def closed(site: WebSite) -> list[str]:
    """Routes for whom policy knows."""
    return [route for route in routes(site) if decision(route) not in {"open", "own"}]


def test_every_route_is_decided(site: WebSite) -> None:
    assert {decision(route) for route in routes(site)} >= {"open", "read", "act"}


def strangers(site: WebSite) -> Iterator[tuple[str, TestClient]]:
    """Everybody who is nobody."""
    sessions = site.app.sessions
    mia = site.client("mia").cookies[COOKIE]
    yield "nobody", site.client()
    yield "a made-up cookie", site.client(cookies={COOKIE: "x" * 43})
    yield "a cookie of another name", site.client(cookies={f"__Host-{COOKIE}": mia})
    yield "a wrong token", site.program("nobody")
    yield "a wrong token beside a session", site.client(cookies={COOKIE: mia}, headers={"authorization": "Bearer nobody"})
    ended = site.client("mia")
    sessions.end(ended.cookies[COOKIE])
    yield "a session that was ended", ended
    elsewhere = Sessions(site.app.store.server, ANOTHER, hours=1)
    yield "a session of another tenant", site.client(cookies={COOKIE: elsewhere.open("token:mia-token")[0]})
    yield "a session of an identity that policy does not have", site.client(cookies={COOKIE: sessions.open("oidc:x|y")[0]})


def test_strangers_are_turned_away_from_every_route(site: WebSite, closed: list[str]) -> None:
    let_in = []
    for name, client in strangers(site):
        for route in closed:
            site.site.state.attempts = Attempts()  # a wrong token is tried more often here than anybody may
            if not is_turned_away(answer := ask(client, route)):
                let_in.append((name, route, answer.status_code))
    assert let_in == []


def test_whom_policy_names_is_let_through_and_nothing_breaks(site: WebSite, closed: list[str]) -> None:
    client, program = site.client("mara"), site.program("mara")
    token = site.app.sessions.look(client.cookies[COOKIE])
    assert token is not None
    wrong = []
    for route in closed:
        if decision(route) == "stream" or route in {"POST /sign-out", "POST /sessions/end-all"}:
            continue
        for name, asking in (("browser", client), ("program", program)):
            answer = ask(asking, route, **{"x-csrf-token": token.csrf})
            if is_turned_away(answer) or answer.status_code in {403, 421} or answer.status_code >= 500:
                wrong.append((name, route, answer.status_code))
    assert wrong == []


def test_a_change_takes_the_token_of_that_very_session(site: WebSite, closed: list[str]) -> None:
    client, other = site.client("mara"), site.app.sessions.look(site.client("mara").cookies[COOKIE])
    assert other is not None
    done = []
    for route in closed:
        if decision(route) != "act":
            continue
        for name, given in {"none": b"", "another session's": other.csrf.encode(), "odd": b"\xe9"}.items():
            answer = ask(client, route, **{"x-csrf-token": given})
            if answer.status_code != 403:
                done.append((name, route, answer.status_code))
    assert done == []
    assert client.get("/sessions").status_code == 200


def test_what_is_of_another_tenant_is_not_there_on_any_route(site: WebSite, closed: list[str]) -> None:
    """Whoever knows its ids learns nothing of it, and changes nothing; not even that it is there."""
    report, other = finding(), site.app_beside(tenant=ANOTHER)
    alert = report.alert.model_copy(update={"tenant": ANOTHER, "title": "a secret of theirs"})
    investigation = Investigation(tenant=ANOTHER, id="inv-another00001", scope=Scope(tenant=ANOTHER), alert=alert)
    first = Task(tenant=ANOTHER, investigation=investigation.id, id="r1-plan", kind=TaskKind.PLAN)
    site.app.store.open(investigation, first)
    wanted = Remediation(
        tenant=ANOTHER,
        investigation=investigation.id,
        action="scale_up",
        target=TARGET,
        parameters={"by": 2},
        proposed_by=ORCHESTRATOR,
        confidence=0.8,
    )
    request = other.approvals.gateway.submit(wanted)
    client, program = site.client("mara"), site.program("mara")
    session = site.app.sessions.look(client.cookies[COOKIE])
    assert session is not None
    found = []
    for route in closed:
        if "{}" not in route or (decision(route) == "stream" and not route.startswith(f"GET {API}")):
            continue
        theirs = route.replace("approvals/{}", f"approvals/{request.id}").replace(
            "investigations/{}", f"investigations/{investigation.id}"
        )
        for name, asking in (("browser", client), ("program", program)):
            answer, nothing = (ask(asking, one, **{"x-csrf-token": session.csrf}) for one in (theirs, route))
            same = answer.status_code == nothing.status_code
            if answer.status_code < 400 or not same or "secret of theirs" in answer.text:
                found.append((name, theirs, answer.status_code, nothing.status_code))
    assert found == []
    assert other.investigation(investigation.id).state is InvestigationState.OPEN
    assert other.approvals.desk.store.look(ANOTHER, request.id).request == request


NAMES = ("evil.example", "localhost.evil.example", "127.0.0.1.nip.io:8321", "", "localhost:8321@evil.example")
ELSEWHERE: tuple[dict[str, str], ...] = (
    {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
    {"origin": "http://localhost:9999", "sec-fetch-site": "same-site"},
    {"origin": "http://localhost:9999"},
    {"origin": "null"},
    {"origin": "https://localhost:8321"},
    {"sec-fetch-site": "cross-site"},
    {},
)


def test_another_name_reaches_no_route(site: WebSite) -> None:
    client, first = site.client("mara"), NAMES[0]
    asked = [(route, first) for route in routes(site) if route != "GET /healthz"] + [("GET /sessions", name) for name in NAMES]
    assert [one for one in asked if ask(client, one[0], host=one[1]).status_code != 421] == []


def test_no_other_site_can_change_anything(site: WebSite) -> None:
    """Not with the cookies of somebody who is signed in, and not by a sign-in either: it would be somebody else's."""
    client = site.client("mara")
    session = site.app.sessions.look(client.cookies[COOKIE])
    assert session is not None
    del client.headers["sec-fetch-site"]
    changing = [route for route in routes(site) if route.split(" ")[0] not in {"GET", "HEAD"}]
    asked = [(route, ELSEWHERE[0]) for route in changing] + [
        (route, origin) for route in ("POST /sign-out", "POST /sign-in") for origin in ELSEWHERE
    ]
    done = [one for one in asked if ask(client, one[0], **{"x-csrf-token": session.csrf}, **one[1]).status_code != 403]
    assert done == []
    assert client.get("/sessions").status_code == 200, "and signed out they are not"


BESIDE = {
    "POST /slack/events": 401,
    "POST /mcp": 401,
    "POST /mcp/": 401,
    "GET /mcp": 401,
    "GET /mcp/": 401,
    "POST /.well-known/oauth-protected-resource": 405,
    "POST /.well-known/oauth-protected-resource/mcp": 405,
    "GET /.well-known/oauth-protected-resource": 404,
    "GET /.well-known/oauth-protected-resource/mcp": 404,
}
"""What `serve` puts beside the site, and what a stranger is answered: without a signature of Slack's or a token, nothing. Where
programs can sign in is said to everybody, where there is such a place."""


def test_what_is_served_beside_the_site_is_decided_as_well(site: WebSite) -> None:
    app = site.app_beside(slack_bot_token="xoxb-1", slack_signing_secret="x", slack_team="T01", slack_channel="C01")  # noqa: S106
    whole = assembled(app, Faces())
    answers = {}
    with TestClient(whole.site, base_url=BASE) as client:
        for route in {*routes_of(whole.site)} - {*routes(site)}:
            answers[route] = ask(client, route).status_code
            assert ask(client, route, host="evil.example").status_code == 421
            assert route.startswith("GET") or ask(client, route, origin="https://evil.example").status_code == 403
    assert answers == BESIDE


def test_a_program_needs_no_origin(site: WebSite) -> None:
    answer = site.program("mara").post("/api/v1/investigations", json={})
    assert answer.status_code == 422
    assert site.program("mara").post("/api/v1/investigations", json={}, headers={"origin": BASE}).status_code == 422
