"""Invariants: every answer says what a browser may do with it; nothing too large, too slow or of the inside goes through."""

from __future__ import annotations

import asyncio
import gzip
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from fastapi import Request
from fastapi.responses import PlainTextResponse, StreamingResponse
from redis import Redis
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from middlewatch.frontends.web import guards
from middlewatch.frontends.web.guards import BODY_BYTES, HEADERS, Guard
from middlewatch.frontends.web.static_files import FOREVER, address, assets
from middlewatch.records.errors import StoreUnavailable
from middlewatch.settings import Settings
from middlewatch.telemetry.clickhouse import ClickHouse
from tests.web_site import WebSite, open_web_site


@pytest.fixture(scope="module")
def site(redis: Redis, clickhouse: ClickHouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebSite]:
    """With a few routes that misbehave."""
    with open_web_site(redis, clickhouse, tmp_path_factory.mktemp("site")) as made:

        @made.site.get("/broken")
        def broken() -> None:
            raise KeyError("a secret of the inside")

        @made.site.get("/api/v1/broken")
        def broken_api() -> None:
            raise KeyError("a secret of the inside")

        @made.site.get("/long")
        def long() -> PlainTextResponse:
            return PlainTextResponse("long " * 1000)

        @made.site.post("/echo")
        async def echo(request: Request) -> PlainTextResponse:
            return PlainTextResponse(str(len(await request.body())))

        @made.site.get("/events")
        async def events() -> StreamingResponse:
            async def ticks() -> AsyncIterator[str]:
                for _ in range(100):
                    yield "data: tick tick tick tick\n\n"

            return StreamingResponse(ticks(), media_type="text/event-stream")

        yield made


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/sign-in", {}, 200),
        ("GET", "/sessions", {}, 303),
        ("GET", "/nothing", {}, 404),
        ("GET", address("style.css"), {}, 200),
        ("GET", "/static/nothing", {}, 404),
        ("GET", "/broken", {}, 500),
        ("GET", "/api/v1/broken", {}, 500),
        ("GET", "/api/v1/investigations", {}, 401),
        ("GET", "/sign-in", {"host": "evil.example"}, 421),
        ("POST", "/sign-in", {"sec-fetch-site": "cross-site"}, 403),
        ("POST", "/sign-in", {"content-length": "1048577"}, 413),
        ("POST", "/sign-in", {"content-type": "Multipart/form-data; boundary=B; charset=unicode_escape"}, 415),
        ("DELETE", "/sign-in", {}, 405),
        ("GET", "/healthz", {}, 200),
    ],
)
def test_every_answer_says_what_a_browser_may_do_with_it(
    site: WebSite, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    answer = site.client().request(method, path, headers=headers)
    assert answer.status_code == status
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert answer.headers["cache-control"] == (FOREVER if "?v=" in path else "no-store")
    assert "strict-transport-security" not in answer.headers
    assert "server" not in answer.headers


def test_the_policy_lets_nothing_run_that_is_not_ours() -> None:
    policy = dict(part.strip().split(" ", 1) for part in HEADERS["Content-Security-Policy"].split(";"))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
    }


def test_by_https_it_is_https_for_good(site: WebSite) -> None:
    client = TestClient(site.beside(public_url="https://mw.example"), base_url="https://mw.example")
    assert client.get("/sign-in").headers["strict-transport-security"] == "max-age=31536000"


def test_behind_a_proxy_the_public_origin_is_the_own_one(site: WebSite) -> None:
    client = TestClient(site.beside(public_url="https://mw.example"), base_url="http://mw.example", follow_redirects=False)
    client.get("/sign-in")
    assert client.post("/sign-in", headers={"origin": "https://mw.example", "cookie": "x=y"}).text.count("too old") == 1
    assert "another site" in client.post("/sign-in", headers={"origin": "https://mw.example:444", "cookie": "x=y"}).text


@pytest.mark.parametrize("path", ["/broken", "/api/v1/broken"])
def test_nobody_is_told_of_the_inside(site: WebSite, path: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        answer = site.client().get(path)
    assert answer.status_code == 500
    assert "secret of the inside" not in answer.text
    assert "Traceback" not in answer.text
    assert "log has the details" in answer.text
    assert "secret of the inside" in caplog.text


def test_errors_are_pages_for_people_and_problems_for_programs(site: WebSite) -> None:
    page = site.client().get("/nothing")
    assert page.headers["content-type"].startswith("text/html")
    assert "What to do" in page.text
    problem = site.program("mia").get("/api/v1/nothing")
    assert problem.headers["content-type"] == "application/problem+json"
    assert problem.json()["status"] == 404


def test_a_store_that_is_away_is_said_without_asking_it(site: WebSite, monkeypatch: pytest.MonkeyPatch) -> None:
    client = site.client("mia")

    def away(*_: object) -> None:
        raise StoreUnavailable("Redis does not answer.", remedy="Start it.")

    monkeypatch.setattr(site.app.sessions, "look", away)
    monkeypatch.setattr(site.app.approvals, "now", away)
    answer = client.get("/sessions")
    assert answer.status_code == 503
    assert "Start it." in answer.text
    assert int(answer.headers["retry-after"]) > 0
    probe = client.get("/healthz")
    assert (probe.status_code, probe.text) == (503, "not ok\n")


def test_the_probe_answers_under_any_name(site: WebSite) -> None:
    answer = site.client().get("/healthz", headers={"host": "10.0.0.7:8321"})
    assert (answer.status_code, answer.text) == (200, "ok\n")


def test_a_body_that_is_too_long_is_not_read(site: WebSite) -> None:
    client = site.client()

    def pieces() -> Iterator[bytes]:
        for _ in range(20):
            yield b"x" * (BODY_BYTES // 10)

    assert client.post("/echo", content=b"x" * BODY_BYTES).text == str(BODY_BYTES)
    assert client.post("/echo", content=b"x" * (BODY_BYTES + 1)).status_code == 413
    assert client.post("/echo", content=pieces()).status_code == 413, "also where its length is not said"
    assert client.post("/echo", headers={"content-length": "-1"}).status_code == 413


def test_what_is_long_is_packed_and_streams_are_not(site: WebSite) -> None:
    client = site.client(headers={"accept-encoding": "gzip"})
    assert client.get("/long").headers["content-encoding"] == "gzip"
    assert client.get(address("style.css")).headers["content-encoding"] == "gzip"
    events = client.get("/events")
    assert "content-encoding" not in events.headers
    assert events.text.count("data:") == 100


def test_a_file_has_an_address_of_its_content(site: WebSite) -> None:
    client = site.client(headers={"accept-encoding": "identity"})
    content = assets()["style.css"].content
    answer = client.get(address("style.css"))
    assert (answer.content, answer.headers["content-type"]) == (content, "text/css; charset=utf-8")
    stale = client.get("/static/style.css?v=0000000000000000")
    assert (stale.content, stale.headers["cache-control"]) == (content, "no-cache")
    assert client.get(address("style.css"), headers={"if-none-match": answer.headers["etag"]}).status_code == 304
    assert gzip.decompress(assets()["style.css"].packed) == content
    for path in ("../site.py", "..%2fsite.py", "/etc/passwd", "vendor"):
        assert client.get(f"/static/{path}").status_code == 404


def test_pages_have_no_script_and_no_style_of_their_own(site: WebSite) -> None:
    for page in (site.client().get("/sign-in").text, site.client("mia").get("/sessions").text, site.client().get("/nothing").text):
        assert "<script>" not in page
        assert "<style" not in page
        assert " style=" not in page
        assert " onclick" not in page


# Over ASGI itself


def settled(receive: list[Message], *, scope: dict[str, Any] | None = None) -> list[Message]:
    """What the guard sends, before an application that reads the whole body."""
    sent: list[Message] = []

    async def app(_: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        await PlainTextResponse("read")({"type": "http", "method": "POST"}, receive, send)

    async def received() -> Message:
        if not receive:
            await asyncio.sleep(3600)
        return receive.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    base: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "query_string": b"",
        "scheme": "http",
        "headers": [(b"host", b"localhost")],
    }
    asyncio.run(Guard(app, Settings())(base | (scope or {}), received, send))
    return sent


def test_a_body_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "BODY_SECONDS", 0.01)
    with pytest.raises(Exception, match="did not arrive in time"):
        settled([{"type": "http.request", "body": b"x", "more_body": True}])


def test_two_names_are_none() -> None:
    sent = settled([], scope={"headers": [(b"host", b"localhost"), (b"host", b"evil.example")]})
    assert sent[0]["status"] == 421


def test_nothing_here_speaks_websocket() -> None:
    assert settled([], scope={"type": "websocket"}) == [{"type": "websocket.close", "code": 1008}]
