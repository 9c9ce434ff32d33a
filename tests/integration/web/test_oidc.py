"""Invariant: with a provider's word comes in whom it vouches for, to us, now, in this very browser; nobody on anything less."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey
from redis import Redis
from starlette.testclient import TestClient

from middlewatch.frontends.web.attempts import Attempts
from middlewatch.frontends.web.oidc import AT_ONCE
from middlewatch.frontends.web.oidc import Provider as Ours
from middlewatch.records.errors import Misconfigured
from middlewatch.settings import Settings
from middlewatch.telemetry.clickhouse import ClickHouse
from tests.oidc_provider import CLIENT_ID, CLIENT_SECRET, Claims, Provider, open_provider, signed_with
from tests.web_site import BASE, WebSite, open_web_site

BROWSER = httpx.Client(verify=False)  # noqa: S501  to this machine, by HTTP


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with open_provider() as made:
        yield made


@pytest.fixture(scope="module")
def site(redis: Redis, clickhouse: ClickHouse, provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebSite]:
    settings = {"oidc_issuer": provider.issuer, "oidc_client_id": CLIENT_ID, "oidc_client_secret": CLIENT_SECRET}
    with open_web_site(redis, clickhouse, tmp_path_factory.mktemp("site"), **settings) as made:
        made.policy.write_policy(f'[principals.olga]\nname = "Olga Oidc"\nrole = "lead"\noidc = ["{provider.issuer}|olga"]\n')
        yield made


@pytest.fixture(autouse=True)
def honest(site: WebSite, provider: Provider) -> None:
    """As it is meant to be, in front of a site that has asked it nothing yet."""
    site.site.state.provider = Ours.of(site.app.settings)
    site.site.state.attempts = Attempts()
    provider.answers, provider.subject, provider.sign = True, "olga", None
    provider.change_claims = provider.change_metadata = lambda _all: None


def sent_away(client: TestClient, back: str = "/") -> str:
    """Where the provider sends the browser back to, as a path."""
    answer = client.get("/sign-in/oidc", params={"next": back})
    assert answer.status_code == 303, answer.text
    returned = BROWSER.get(answer.headers["location"]).headers["location"]
    assert returned.startswith(BASE)
    return str(returned.removeprefix(BASE))


def signed_in(site: WebSite, back: str = "/") -> tuple[TestClient, Any]:
    client = site.client()
    return client, client.get(sent_away(client, back))


def test_whom_the_provider_vouches_for_and_policy_names_comes_in(site: WebSite) -> None:
    client, answer = signed_in(site, "/sessions?from=chat")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sessions?from=chat")
    assert "Olga Oidc" in client.get("/sessions").text
    assert not [name for name in client.cookies if name.endswith("flow")]


def test_whom_policy_does_not_name_is_told_what_to_ask_for(site: WebSite, provider: Provider) -> None:
    provider.subject = "mallory"
    client, answer = signed_in(site)
    assert answer.status_code == 403
    assert f"{provider.issuer}|mallory" in answer.text
    assert client.get("/sessions").status_code == 303


def of_somebody_else(claims: Claims) -> None:
    claims["aud"] = "another-client"


def of_somebody_else_by_us(claims: Claims) -> None:
    claims.update(aud="another-client", azp=CLIENT_ID)


def of_another_issuer(claims: Claims) -> None:
    claims["iss"] = "https://login.example.org"


def of_before(claims: Claims) -> None:
    claims.update(iat=int(time.time()) - 7200, exp=int(time.time()) - 3600)


def of_another_flow(claims: Claims) -> None:
    claims["nonce"] = "another"


def without_a_nonce(claims: Claims) -> None:
    del claims["nonce"]


def without_a_subject(claims: Claims) -> None:
    del claims["sub"]


def without_an_end(claims: Claims) -> None:
    del claims["exp"]


@pytest.mark.parametrize(
    "change",
    [
        of_somebody_else,
        of_somebody_else_by_us,
        of_another_issuer,
        of_before,
        of_another_flow,
        without_a_nonce,
        without_a_subject,
        without_an_end,
    ],
)
def test_a_token_that_is_not_for_this_sign_in_lets_nobody_in(
    site: WebSite, provider: Provider, change: Callable[[Claims], None]
) -> None:
    provider.change_claims = change
    client, answer = signed_in(site)
    assert answer.status_code == 403
    assert client.get("/sessions").status_code == 303


def unsigned(claims: Claims, algorithm: str, sign: Callable[[bytes], bytes]) -> str:
    """A token that the library refuses to make."""

    def part(content: bytes) -> bytes:
        return base64.urlsafe_b64encode(content).rstrip(b"=")

    head = part(json.dumps({"alg": algorithm, "kid": "one"}).encode()) + b"." + part(json.dumps(claims).encode())
    return (head + b"." + part(sign(head))).decode()


def by_another_key(_: Provider, claims: Claims) -> str:
    return signed_with(ECKey.generate_key("P-256", {"kid": "one"}, auto_kid=False), claims)


def by_a_key_that_everybody_has(provider: Provider, claims: Claims) -> str:
    key = provider.key.as_pem(private=False)
    return unsigned(claims, "HS256", lambda text: hmac.digest(key, text, "sha256"))


def by_nobody(_: Provider, claims: Claims) -> str:
    return unsigned(claims, "none", lambda _text: b"")


def not_at_all(_provider: Provider, _claims: Claims) -> None:
    return None


@pytest.mark.parametrize("sign", [by_another_key, by_a_key_that_everybody_has, by_nobody, not_at_all])
def test_a_token_that_the_provider_did_not_sign_lets_nobody_in(
    site: WebSite, provider: Provider, sign: Callable[[Provider, Claims], str | None]
) -> None:
    provider.sign = sign
    _, answer = signed_in(site)
    assert answer.status_code == 403
    assert "does not prove who you are" in answer.text


def test_a_key_that_was_changed_is_fetched_again(site: WebSite, provider: Provider) -> None:
    assert signed_in(site)[1].status_code == 303
    provider.key = ECKey.generate_key("P-256", {"kid": "two", "use": "sig"}, auto_kid=False)
    assert signed_in(site)[1].status_code == 303


def test_another_browser_cannot_finish_a_sign_in(site: WebSite, provider: Provider) -> None:
    before = len(provider.codes_shown)
    back = sent_away(site.client())
    other = site.client()
    assert other.get(back).status_code == 403
    sent_away(other)
    assert other.get(back).status_code == 403, "the state is of another flow"
    assert len(provider.codes_shown) == before


def test_a_code_is_good_once(site: WebSite) -> None:
    client = site.client()
    back = sent_away(client)
    kept = dict(client.cookies)
    assert client.get(back).status_code == 303
    again = site.client(cookies=kept)
    assert again.get(back).status_code == 403


def test_a_provider_that_refuses_is_quoted_harmlessly(site: WebSite) -> None:
    client = site.client()
    sent_away(client)
    answer = client.get("/sign-in/oidc/callback", params={"error": "<script>access_denied"})
    assert answer.status_code == 403
    assert "&lt;script&gt;access_denied" in answer.text


def impostor(metadata: Claims) -> None:
    metadata["issuer"] = "https://login.example.org"


def test_a_provider_that_does_not_answer_or_is_another_is_said(site: WebSite, provider: Provider) -> None:
    client = site.client()
    provider.answers = False
    assert client.get("/sign-in/oidc").status_code == 503
    provider.answers, provider.change_metadata = True, impostor
    assert client.get("/sign-in/oidc").status_code == 503
    provider.change_metadata = lambda _all: None
    assert client.get("/sign-in/oidc").status_code == 303, "it is asked again"


def test_a_provider_that_keeps_many_waiting_keeps_no_more_threads(site: WebSite) -> None:
    client, ours = site.client(), site.site.state.provider
    with ExitStack() as waiting:
        for _ in range(AT_ONCE):
            assert ours.places.acquire(blocking=False)
            waiting.callback(ours.places.release)
        assert client.get("/sign-in/oidc").status_code == 503
    assert client.get("/sign-in/oidc").status_code == 303


@pytest.mark.parametrize("settings", [{"oidc_issuer": "https://a.example"}, {"oidc_client_id": "x"}])
def test_half_a_provider_is_a_mistake(settings: dict[str, Any]) -> None:
    with pytest.raises(Misconfigured, match="go together"):
        Ours.of(Settings(**settings))


def test_a_provider_that_can_be_overheard_is_a_mistake() -> None:
    with pytest.raises(Misconfigured, match="https"):
        Ours.of(Settings(oidc_issuer="http://login.example.org", oidc_client_id="x"))
    assert Ours.of(Settings()) is None
