"""Invariant: no request leaves for a host that is not listed, whatever a URL, a server or the environment says."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import anthropic
import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.agents.language_model.allowed_hosts import AllowedHosts, GuardedTransport, HostRefused, guarded_client
from middlewatch.records.errors import Misconfigured

SOON = httpx2.Timeout(5.0)
LISTED = AllowedHosts.of(["api.example.com", "127.0.0.1", "http://gpu-box", "::1"])


class End(BaseHTTPRequestHandler):
    """A server that sends everybody elsewhere, and remembers who came."""

    came: ClassVar[list[str]]
    to: ClassVar[str] = ""

    def do_POST(self) -> None:
        self.came.append(f"{self.headers['Host']}{self.path}")
        self.send_response(307)
        self.send_header("Location", self.to)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def end() -> Iterator[tuple[str, list[str], type[End]]]:
    class Fresh(End):
        came: ClassVar[list[str]] = []

    handler = Fresh
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}", handler.came, handler
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://api.example.com/v1", "api.example.com"),
        ("https://API.Example.COM:8443", "api.example.com"),
        ("http://127.0.0.1:9/v1", "127.0.0.1"),
        ("http://[::1]:9", "::1"),
        ("http://gpu-box:8000/v1", "gpu-box"),
        ("https://gpu-box", "gpu-box"),
    ],
)
def test_what_is_listed_may_be_used(url: str, host: str) -> None:
    assert LISTED.host_of(url) == host


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example",
        "https://api.example.com.evil.example/v1",
        "https://evil-api.example.com",
        "https://api.example.com.",
        "https://api.example.com@evil.example/v1",
        "https://user:key@api.example.com/v1",
        "https://api.example.com/v1?to=evil.example",
        "https://api.example.com/#x",
        "https://\u0430pi.example.com",
        "https://api\uff0eexample\uff0ecom.evil.example",
        "https://api.example.com\\@evil.example",
        "http://api.example.com/v1",
        "http://127.0.0.1.nip.example",
        "http://0x7f000001",
        "ftp://api.example.com",
        "file:///etc/passwd",
        "//api.example.com",
        "api.example.com",
        "https://",
        "https://api.example.com\n.evil.example",
        "",
    ],
)
def test_what_is_not_listed_is_refused_with_what_to_do(url: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        LISTED.host_of(url)
    assert refused.value.remedy
    assert "key" not in refused.value.message


@given(st.text(min_size=1, max_size=30))
def test_no_text_is_taken_for_a_listed_host(text: str) -> None:
    try:
        host = LISTED.host_of(f"https://{text}")
    except Misconfigured:
        return
    assert host in {"api.example.com", "127.0.0.1", "gpu-box", "::1"}


@pytest.mark.parametrize("name", ["", "*", "*.example.com", "https://a", "a/b", "a:80", "a b", "\u0430", "-a", "a..b", "a" * 254])
def test_a_list_has_plain_names_only(name: str) -> None:
    with pytest.raises(Misconfigured, match="no host"):
        AllowedHosts.of([name])


def test_an_empty_list_allows_nothing() -> None:
    with pytest.raises(HostRefused, match="not on the list"):
        AllowedHosts.of([]).host_of("https://api.example.com")


def test_a_request_elsewhere_never_reaches_what_sends() -> None:
    sent: list[str] = []

    def send(request: httpx2.Request) -> httpx2.Response:
        sent.append(str(request.url))
        return httpx2.Response(200)

    async def post() -> None:
        async with guarded_client(LISTED, timeout=SOON, inner=httpx2.MockTransport(send)) as client:
            await client.post("https://api.example.com/v1")
            for url in ("https://evil.example/v1", "http://api.example.com/v1", "https://127.0.0.2/"):
                with pytest.raises(HostRefused):
                    await client.post(url)

    asyncio.run(post())
    assert sent == ["https://api.example.com/v1"]


@pytest.mark.parametrize("to", ["http://localhost:{port}/other", "/elsewhere", "https://evil.example/"])
def test_a_redirect_is_refused_by_whoever_follows_them(end: tuple[str, list[str], type[End]], to: str) -> None:
    address, came, handler = end
    handler.to = to.format(port=address.rpartition(":")[2])

    async def post() -> None:
        async with httpx2.AsyncClient(transport=GuardedTransport(LISTED), follow_redirects=True) as eager:
            with pytest.raises(HostRefused):
                await eager.post(f"http://{address}/v1")

    asyncio.run(post())
    assert came == [f"{address}/v1"]


def test_without_the_guard_a_redirect_takes_the_text_elsewhere(end: tuple[str, list[str], type[End]]) -> None:
    address, came, handler = end
    handler.to = "/elsewhere"
    with httpx2.Client(follow_redirects=True, max_redirects=1) as client, pytest.raises(httpx2.TooManyRedirects):
        client.post(f"http://{address}/v1")
    assert came == [f"{address}/v1", f"{address}/elsewhere"]


def test_the_providers_packages_send_nothing_elsewhere(
    end: tuple[str, list[str], type[End]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They follow redirects, and read base URLs and proxies from the environment, unless a client tells them not to."""
    address, came, handler = end
    handler.to = "/elsewhere"
    for name in ("ANTHROPIC_BASE_URL", "OPENAI_BASE_URL", "HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://{address}")
    only = AllowedHosts.of(["api.example.com"])

    async def post() -> None:
        async with guarded_client(only, timeout=SOON) as client:
            theirs = anthropic.AsyncAnthropic(api_key="k", http_client=client, max_retries=0)
            with pytest.raises(anthropic.APIConnectionError) as one:
                await theirs.messages.create(model="m", max_tokens=1, messages=[{"role": "user", "content": "x"}])
            assert isinstance(one.value.__cause__, HostRefused)
            ours = openai.AsyncOpenAI(api_key="k", http_client=client, max_retries=0)
            with pytest.raises(HostRefused):
                await ours.responses.create(model="m", input="x", store=False)

    asyncio.run(post())
    assert came == []
