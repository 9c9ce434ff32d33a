"""Invariants: over HTTP nobody is answered without a token of theirs, from another site, or in the session of somebody else."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from joserfc.jwk import ECKey
from mcp import Client
from pydantic import AnyHttpUrl
from redis import Redis

from middlewatch.frontends.mcp.over_http import mcp_http
from middlewatch.frontends.web import attempts
from middlewatch.frontends.web.attempts import FAILURES
from middlewatch.records import RequestState
from middlewatch.records.errors import Misconfigured
from tests.integration.mcp.http_site import Provider, Served, provider, served
from tests.mcp_site import ISSUER, Site, policy_text, site, token

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}
LIST = {"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}}
JSON = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}


@pytest.fixture
def there(place: Site) -> Iterator[Served]:
    with served(place) as made:
        yield made


def post(there: Served, body: Any = INITIALIZE, *, method: str = "POST", path: str = "/mcp", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    content = json.dumps(body) if method == "POST" else None
    return there.http.request(method, f"http://127.0.0.1:{there.port}{path}", content=content, headers=JSON | named)


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_the_real_client_investigates_and_decides_with_a_token_of_the_policy(there: Served, mode: str) -> None:
    request = there.site.ask()

    async def said(who: str) -> tuple[Any, list[str]]:
        seen: list[str] = []

        async def progress(progress: float, total: float | None, message: str | None) -> None:
            del progress, total
            seen.append(message or "")

        async with there.client(token(who), mode=mode) as client:
            told = await client.call_tool("investigate", {"service": "checkout", "wait_seconds": 0.5}, progress_callback=progress)
            assert told.structured_content is not None
            assert not told.structured_content["finished"]
            decision = {"request": request.id, "decision": "approve", "digest": request.digest}
            return await client.call_tool("decide_approval", decision), seen

    refused, seen = anyio.run(said, "leo")
    assert refused.is_error
    assert "investigation opened" in seen
    approved, _ = anyio.run(said, "mara")
    assert approved.structured_content["state"] == RequestState.APPROVED
    signed_in = [event.actor for event in there.site.events("principal.login")]
    assert signed_in == ["leo", "mara"], "once each, however many requests"


WRONG = {
    "none": {},
    "another scheme": {"Authorization": "Basic bGVvOmxlby10b2tlbg=="},
    "empty": {"Authorization": "Bearer"},
    "nobody's": bearer("eve-token"),
    "a digest": bearer("0" * 64),
    "too long": bearer("x" * 20_000),
    "no ASCII": {"Authorization": "Bearer t\u00f6ken"},
    "a token of no provider": bearer("a.b.c"),
}


def test_without_a_token_of_theirs_nobody_gets_in(there: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "FAILURES", 1000)
    for method in ("POST", "GET", "DELETE", "PUT", "OPTIONS"):
        for credential, given in WRONG.items():
            headers = [(name.encode(), value.encode("latin-1")) for name, value in (JSON | given).items()]
            answer = there.http.request(method, there.url, headers=headers, content=json.dumps(INITIALIZE))
            assert answer.status_code == 401, (method, credential)
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert "mcp-session-id" not in answer.headers


def test_whoever_guesses_has_to_wait_and_whoever_has_a_token_does_not(there: Served) -> None:
    assert post(there, **bearer(token("leo"))).status_code == 200
    answers = [post(there, **bearer(f"guess-{number}")).status_code for number in range(12)]
    assert answers == [401] * FAILURES + [429] * 2
    assert len(there.site.events("login.refused")) == FAILURES, "the log cannot be filled from outside"
    assert post(there, **bearer(token("leo"))).status_code == 200
    assert post(there, **bearer(token("mara"))).status_code == 429


def test_two_tokens_at_once_are_none(there: Served) -> None:
    both = [("authorization", f"Bearer {token(who)}") for who in ("leo", "mara")]
    assert there.http.post(there.url, headers=[*JSON.items(), *both], json=INITIALIZE).status_code == 401


def test_of_another_name_or_another_site_nothing_is_answered(there: Served) -> None:
    known = bearer(token("leo"))
    assert post(there, **known).status_code == 200
    for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", "169.254.169.254"):
        assert post(there, **known, Host=host).status_code == 421
    for origin in ("http://evil.example", "http://localhost:3000", "null", f"https://127.0.0.1:{there.port}"):
        assert post(there, **known, Origin=origin).status_code == 403
    assert post(there, **known, Sec_Fetch_Site="cross-site").status_code == 403
    assert post(there, **known, Origin=f"http://127.0.0.1:{there.port}").status_code == 200
    assert post(there, **known, Content_Type="text/plain").status_code == 400
    assert post(there, {"a": "x" * 2_000_000}, **known).status_code == 413


def test_nothing_else_is_answered_there(there: Served) -> None:
    for path in ("/", "/mcp/x", "/sse", "/.well-known/oauth-authorization-server"):
        assert post(there, method="GET", path=path, **bearer(token("leo"))).status_code == 404
    assert post(there, method="GET", path="/.well-known/oauth-protected-resource/mcp").status_code == 404, "nobody issues tokens"


def test_a_session_is_of_whoever_opened_it(there: Served) -> None:
    session = post(there, **bearer(token("mara"))).headers["mcp-session-id"]
    version = {"Mcp_Protocol_Version": "2025-06-18", "Mcp_Session_Id": session}
    assert post(there, LIST, **bearer(token("leo")), **version).status_code == 404
    assert post(there, method="DELETE", **bearer(token("leo")), **version).status_code == 404
    assert post(there, LIST, **version).status_code == 401
    assert post(there, LIST, **bearer(token("mara")), **version).status_code == 200
    there.site.write_policy(policy_text().replace(hashlib.sha256(token("mara").encode()).hexdigest(), "0" * 64))
    assert post(there, LIST, **bearer(token("mara")), **version).status_code == 401, "whose token was taken back is nobody at once"


def test_of_another_tenant_nothing_is_seen(server: Redis, tmp_path: Path) -> None:
    with site(server, tmp_path, tenant="other") as place, served(place) as there:

        async def said() -> list[Any]:
            async with there.client(token("leo")) as client:
                listed = await client.call_tool("list_investigations", {})
                assert listed.structured_content is not None
                assert listed.structured_content["investigations"] == []
                names = ("get_investigation", "get_report", "list_evidence", "why", "acknowledge", "evidence_chart")
                return [await client.call_tool(name, {"investigation": place.finished}) for name in names]

        assert (place.app.archive_folder / "default").exists(), "it is there, of a tenant that is not ours"
        for result in anyio.run(said):
            assert result.is_error
            assert "There is no investigation" in result.content[0].text


def test_the_owner_of_the_data_directory_has_a_token_that_only_they_can_read(there: Served) -> None:
    path = there.site.app.settings.data_dir / "local-token"
    assert path.stat().st_mode & 0o077 == 0

    async def said() -> Any:
        async with there.client(path.read_text()) as client:
            listed = await client.call_tool("list_investigations", {})
            request = there.site.ask()
            decision = {"request": request.id, "decision": "approve", "digest": request.digest}
            return listed, await client.call_tool("decide_approval", decision)

    listed, decided = anyio.run(said)
    assert len(listed.structured_content["investigations"]) == 1
    assert decided.is_error, "policy does not name the system's user"


def test_off_loopback_it_does_not_start_without_a_name_and_people(place: Site) -> None:
    app = place.app
    app.settings = app.settings.model_copy(update={"host": "0.0.0.0"})  # noqa: S104  that it is refused is the test
    with pytest.raises(Misconfigured, match="by which name"):
        mcp_http(app)
    app.settings = app.settings.model_copy(update={"public_url": AnyHttpUrl("https://mw.example.com")})
    mcp_http(app)
    assert not (app.settings.data_dir / "local-token").exists(), "that token is for loopback"
    app.settings.policy_path.unlink()
    with pytest.raises(Misconfigured, match="without a policy"):
        mcp_http(app)


# Access tokens of a provider


@pytest.fixture
def issued(server: Redis, tmp_path: Path) -> Iterator[tuple[Served, Provider]]:
    with provider() as made, site(server, tmp_path, oidc_issuer=made.issuer) as place:
        place.write_policy(policy_text().replace(ISSUER, made.issuer))
        with served(place) as there:
            yield there, made


def test_an_access_token_for_this_server_is_the_person_whom_policy_has(issued: tuple[Served, Provider]) -> None:
    there, made = issued

    async def said(client: Client) -> Any:
        return await client.call_tool("acknowledge", {"investigation": there.site.finished})

    async def run() -> Any:
        async with there.client(made.token(aud=["other", there.url])) as client:
            return await said(client)

    assert anyio.run(run).structured_content["assignee"] == "olga"
    assert made.fetched == 2, "the keys are kept"
    assert [event.actor for event in there.site.events("principal.login")] == ["olga"], "once, however many requests"


def test_a_client_without_a_token_is_told_where_to_get_one(issued: tuple[Served, Provider]) -> None:
    there, made = issued
    challenge = post(there).headers["www-authenticate"]
    address = f"http://127.0.0.1:{there.port}/.well-known/oauth-protected-resource/mcp"
    assert f'resource_metadata="{address}"' in challenge
    about = there.http.get(address).json()
    assert (about["resource"], about["authorization_servers"]) == (there.url, [made.issuer])


def test_no_other_token_gets_in(issued: tuple[Served, Provider]) -> None:
    there, made = issued
    now = int(time.time())
    other = ECKey.generate_key("P-256", {"kid": "first"}, private=True)
    unsigned = "eyJhbGciOiJub25lIn0." + made.token(aud=there.url).split(".")[1] + "."
    wrong = {
        "for nobody": made.token(),
        "for another server": made.token(aud="https://other.example.com/mcp"),
        "for no one": made.token(aud=None),
        "over": made.token(aud=there.url, exp=now - 3600),
        "without an end": made.token(aud=there.url, exp=None),
        "not yet": made.token(aud=there.url, nbf=now + 3600),
        "of another issuer": made.token(aud=there.url, iss="https://other.example.com"),
        "of nobody": made.token(aud=there.url, sub=None),
        "by another key": made.token(aud=there.url, key=other),
        "not an access token": made.token(aud=there.url, header={"typ": "logout+jwt"}),
        "unsigned": unsigned,
        "changed": made.token(aud=there.url)[:-8] + "AAAAAAAA",
    }
    assert {name: post(there, **bearer(text)).status_code for name, text in wrong.items()} == dict.fromkeys(wrong, 401)
    assert made.fetched == 2, "a wrong token does not make us ask the provider again and again"


def test_somebody_of_the_provider_whom_policy_does_not_know_is_told_so(issued: tuple[Served, Provider]) -> None:
    there, made = issued
    answer = post(there, **bearer(made.token(aud=there.url, sub='eve"\r\nX: y')))
    assert answer.status_code == 403
    assert "x" not in answer.headers
    assert "Policy does not know" in answer.json()["error_description"]


def test_keys_that_the_provider_changed_are_fetched_anew(issued: tuple[Served, Provider], monkeypatch: pytest.MonkeyPatch) -> None:
    there, made = issued
    assert post(there, **bearer(made.token(aud=there.url))).status_code == 200
    made.key = ECKey.generate_key("P-256", {"kid": "second"}, private=True)
    assert post(there, **bearer(made.token(aud=there.url))).status_code == 401, "not more often than once a minute"
    monkeypatch.setattr("middlewatch.frontends.mcp.tokens.AGAIN_SECONDS", -1.0)
    assert post(there, **bearer(made.token(aud=there.url))).status_code == 200


def test_where_the_provider_or_the_policy_is_broken_nobody_gets_in_and_that_is_said(issued: tuple[Served, Provider]) -> None:
    there, made = issued
    text = made.token(aud=there.url)
    made.issuer = "http://127.0.0.1:9/another"
    answer = post(there, **bearer(text))
    assert (answer.status_code, "cannot be fetched" in answer.text) == (503, True)
    assert post(there, **bearer(token("leo"))).status_code == 200
    there.site.write_policy("[principals]\nmistake = 1\n")
    answer = post(there, **bearer(token("leo")))
    assert (answer.status_code, "middlewatch policy check" in answer.text) == (503, True)


def test_keys_are_not_fetched_where_others_could_change_them(place: Site) -> None:
    place.app.settings = place.app.settings.model_copy(update={"oidc_issuer": AnyHttpUrl("http://login.example.com")})
    with pytest.raises(Misconfigured, match="not https"):
        mcp_http(place.app)
