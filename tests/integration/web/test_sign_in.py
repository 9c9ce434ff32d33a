"""Invariants: only whom policy knows gets in; a session is worth what policy says of its identity at this very moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from middlewatch.auditing import entries
from middlewatch.frontends.web.attempts import FAILURES, WITHIN_SECONDS, Attempts
from middlewatch.sessions import name_of
from tests.web_site import BASE, PEOPLE, WebSite, csrf_of, sign_in, token

USER = "local:ursula"


@pytest.fixture(autouse=True)
def fresh(site: WebSite) -> None:
    """Nobody has failed yet, and the policy is the usual one."""
    site.site.state.attempts = Attempts()
    site.policy.write_policy()


def name_on(client: TestClient) -> str | None:
    """Whom the site takes a browser for."""
    page = client.get("/sessions")
    return next((one for one in PEOPLE if f"{one.title()} Example" in page.text), None) if page.status_code == 200 else None


def change_policy(site: WebSite, was: str, now: str) -> None:
    """Write the policy with something else in it."""
    path = site.app.settings.policy_path
    text = path.read_text(encoding="utf-8")
    assert was in text
    path.write_text(text.replace(was, now), encoding="utf-8")


def test_a_token_that_policy_knows_signs_in(site: WebSite) -> None:
    client = site.client()
    answer = sign_in(client, f" {token('mia')} ", next="/approvals?x=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/approvals?x=1")
    assert name_on(client) == "mia"
    (event,) = entries(site.app.store.server, site.app.settings.tenant, limit=1)
    assert (event.event, event.actor) == ("principal.login", "mia")


def test_a_token_that_policy_does_not_know_does_not(site: WebSite) -> None:
    client = site.client()
    answer = sign_in(client, "guess")
    assert answer.status_code == 403
    assert "Policy knows nobody by this token." in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert name_on(client) is None


@pytest.mark.parametrize(
    "back",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "/\tx",
        "",
        "/\u202e",
        "x",
    ],
)
def test_nobody_is_sent_elsewhere_after_signing_in(site: WebSite, back: str) -> None:
    assert sign_in(site.client(), token("mia"), next=back).headers["location"] == "/"


def test_a_session_has_a_secret_that_nobody_knew_before(site: WebSite) -> None:
    planted = site.client("mia").cookies["middlewatch"]
    client = site.client(cookies={"middlewatch": planted})
    given = sign_in(client, token("leo")).headers.get_list("set-cookie")
    assert given
    assert not any(planted in cookie for cookie in given)
    assert name_on(site.client(cookies={"middlewatch": planted})) is None, "and the one before is over"


def test_a_command_to_run_is_right_in_any_folder_and_tells_nobody_elsewhere_where_data_lies(
    site: WebSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MIDDLEWATCH_DATA_DIR", "demo")
    local = TestClient(site.beside(), base_url=BASE).get("/sign-in").text
    assert f"MIDDLEWATCH_DATA_DIR={tmp_path}/demo middlewatch sign-in" in local
    public = TestClient(site.beside(public_url="https://mw.example"), base_url="https://mw.example").get("/sign-in").text
    assert "<code>middlewatch policy token NAME</code>" in public
    assert "demo" not in public


def test_the_form_is_bound_to_the_browser(site: WebSite) -> None:
    foreign = csrf_of(site.client().get("/sign-in"))
    client = site.client()
    assert client.post("/sign-in", data={"token": token("mia"), "csrf": foreign}).status_code == 403
    client.get("/sign-in")
    for csrf in (foreign, "", "\u00e9"):
        assert client.post("/sign-in", data={"token": token("mia"), "csrf": csrf}).status_code == 403
    assert name_on(client) is None


def test_whoever_guesses_waits_and_is_let_in_again(site: WebSite) -> None:
    now = [1000.0]
    site.site.state.attempts = Attempts(lambda: now[0])
    client, program = site.client(), site.program("leo")
    assert program.get("/api/v1/investigations").status_code == 200
    for _ in range(FAILURES):
        assert sign_in(client, "guess").status_code == 403
    limited = sign_in(client, token("mia"))
    assert limited.status_code == 429, "whoever tries on learns nothing, not even that it is right"
    assert 0 < int(limited.headers["retry-after"]) <= WITHIN_SECONDS
    assert site.program("mia").get("/api/v1/investigations").status_code == 429
    assert program.get("/api/v1/investigations").status_code == 200, "what was right before is not guessed"
    now[0] += WITHIN_SECONDS
    assert sign_in(client, token("mia")).status_code == 303


def test_a_program_that_guesses_waits_as_well(site: WebSite) -> None:
    answers = [site.program("nobody").get("/api/v1/investigations").status_code for _ in range(FAILURES + 1)]
    assert answers == [401] * FAILURES + [429]


def test_the_store_has_neither_the_token_nor_the_cookie(site: WebSite) -> None:
    client = site.client("mia")
    (kept,) = (key for key in site.redis.keys("*") if "sessions" in str(key) and str(key).endswith("records"))
    stored = str(site.redis.hgetall(kept))
    assert token("mia") not in stored
    assert client.cookies["middlewatch"] not in stored


def test_who_is_taken_out_of_the_policy_is_out_at_once(site: WebSite) -> None:
    client, program = site.client("leo"), site.program("leo")
    assert name_on(client) == "leo"
    change_policy(site, '[principals.leo]\nname = "Leo Example"', '[principals.leo]\nactive = false\nname = "Leo Example"')
    assert name_on(client) is None
    assert program.get("/api/v1/investigations").status_code == 401
    site.policy.write_policy()
    assert name_on(client) == "leo"


def test_a_token_that_is_replaced_ends_its_sessions(site: WebSite) -> None:
    client = site.client("leo")
    digest = site.app.sessions.look(client.cookies["middlewatch"])
    assert digest is not None
    change_policy(site, digest.identity.removeprefix("token-sha256:"), "0" * 64)
    assert name_on(client) is None


def test_a_role_is_what_it_is_now(site: WebSite) -> None:
    client = site.client("mia")
    assert "member" in client.get("/sessions").text
    change_policy(site, 'name = "Mia Example"\nrole = "member"', 'name = "Mia Example"\nrole = "lead"')
    assert ", lead, as" in client.get("/sessions").text


def test_a_policy_with_a_mistake_lets_nobody_on_by_token_and_says_so(site: WebSite) -> None:
    client, local = site.client("mia"), linked(site)
    change_policy(site, "[principals.mia]", "[principals.mia")
    answer = client.get("/sessions")
    assert answer.status_code == 503
    assert "What to do" in answer.text
    assert local.get("/sessions").status_code == 200, "whose data it is goes on reading"
    assert sign_in(site.client(), token("mia")).status_code == 403


def test_one_ends_ones_own_sessions_and_nobody_elses(site: WebSite) -> None:
    here, there, other = (
        site.client("mia", headers={"user-agent": "<b>Here\u202e</b>".encode()}),
        site.client("mia"),
        site.client("leo"),
    )
    page = here.get("/sessions")
    assert "&lt;b&gt;Here" in page.text
    leos, mias = (name_of(client.cookies["middlewatch"]) for client in (other, there))
    assert leos not in page.text
    for name in (leos, mias):
        assert here.post("/sessions/end", data={"name": name, "csrf": csrf_of(page)}).headers["location"] == "/sessions"
    assert [name_on(client) for client in (here, there, other)] == ["mia", None, "leo"]
    also = site.client("mia")
    assert here.post("/sessions/end-all", data={"csrf": csrf_of(page)}).headers["location"] == "/sign-in"
    assert [name_on(client) for client in (here, also, other)] == [None, None, "leo"]


def test_signing_out_ends_the_session_itself(site: WebSite) -> None:
    client = site.client("mia")
    secret = client.cookies["middlewatch"]
    assert client.post("/sign-out", data={"csrf": csrf_of(client.get("/sessions"))}).status_code == 303
    assert "middlewatch" not in client.cookies
    assert site.app.sessions.look(secret) is None


def test_cookies_are_as_strict_as_the_address_allows(site: WebSite) -> None:
    plain = sign_in(site.client(), token("mia")).headers.get_list("set-cookie")
    assert any(one.startswith("middlewatch=") for one in plain)
    assert all("HttpOnly" in one and "SameSite=lax" in one and "Path=/" in one and "Domain" not in one for one in plain)
    secure = site.beside(public_url="https://mw.example")
    client = TestClient(secure, base_url="https://mw.example", follow_redirects=False, headers={"sec-fetch-site": "same-origin"})
    cookies = sign_in(client, token("mia")).headers.get_list("set-cookie")
    assert any(one.startswith("__Host-middlewatch=") for one in cookies)
    assert all(one.startswith("__Host-") and "Secure" in one and "HttpOnly" in one for one in cookies)


# The one-time link


def linked(site: WebSite, **options: Any) -> TestClient:
    """A browser that followed a link."""
    client = site.client(**options)
    answer = client.get("/sign-in/link", params={"key": site.app.sessions.offer_link(USER)})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    return client


def test_a_link_signs_in_once(site: WebSite) -> None:
    key = site.app.sessions.offer_link(USER)
    first, second = site.client(), site.client()
    assert first.get("/sign-in/link", params={"key": key}).status_code == 303
    assert second.get("/sign-in/link", params={"key": key}).status_code == 403
    page = first.get("/sessions").text
    assert "ursula" in page
    assert "decide nothing" in page


def test_a_browser_that_looks_ahead_does_not_use_a_link_up(site: WebSite) -> None:
    params, client = {"key": site.app.sessions.offer_link(USER)}, site.client()
    assert client.get("/sign-in/link", params=params, headers={"sec-purpose": "prefetch;prerender"}).status_code == 403
    assert client.head("/sign-in/link", params=params).status_code == 405
    assert client.get("/sign-in/link", params=params).status_code == 303


def test_whom_policy_names_by_their_user_is_that_principal(site: WebSite) -> None:
    site.policy.write_policy('[principals.ursula]\nname = "Ursula"\nrole = "manager"\nlocal = ["ursula"]\n')
    assert ", manager, as" in linked(site).get("/sessions").text


def test_without_a_policy_the_user_reads_and_is_told_how_to_make_one(site: WebSite) -> None:
    site.app.settings.policy_path.unlink()
    page = linked(site).get("/sessions")
    assert page.status_code == 200
    assert "middlewatch policy init" in page.text
    form = site.client().get("/sign-in").text
    assert "middlewatch policy init" in form
    assert 'name="token"' not in form


def test_links_and_their_sessions_are_for_loopback_alone(site: WebSite) -> None:
    local = linked(site)
    exposed = site.beside(host="0.0.0.0", public_url="http://localhost:8321")  # noqa: S104  of a test
    everybody = TestClient(exposed, base_url=BASE, follow_redirects=False, cookies=dict(local.cookies))
    assert everybody.get("/sessions").status_code == 303
    assert everybody.get("/sign-in/link", params={"key": site.app.sessions.offer_link(USER)}).status_code == 403
