"""Invariants: nothing listens where everybody could come in unknown; what is open does not keep a server from its end."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import threading
import time
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from middlewatch.frontends import listening
from middlewatch.frontends.listening import Listener, address_of, listen, refuse_exposure
from middlewatch.records.errors import BadInput, Misconfigured
from middlewatch.settings import Settings

EVERYWHERE = "0.0.0.0"  # noqa: S104  of a test


def test_off_loopback_there_is_a_name_and_a_policy(tmp_path: Path) -> None:
    refuse_exposure(Settings(data_dir=tmp_path))
    with pytest.raises(Misconfigured, match="which name") as error:
        refuse_exposure(Settings(data_dir=tmp_path, host=EVERYWHERE))
    assert "MIDDLEWATCH_PUBLIC_URL" in error.value.remedy
    public = Settings.model_validate({"data_dir": tmp_path, "host": EVERYWHERE, "public_url": "https://mw.example"})
    with pytest.raises(Misconfigured, match="without a policy"):
        refuse_exposure(public)
    public.policy_path.touch()
    refuse_exposure(public)


def test_a_port_that_is_taken_is_an_error_with_a_remedy() -> None:
    taken, settings = listen(Settings(port=0))
    with taken, pytest.raises(BadInput, match=f"127.0.0.1:{settings.port} cannot be listened at") as error:
        listen(settings)
    assert "--port" in error.value.remedy


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_what_is_answered_is_sent_at_once(host: str) -> None:
    """The event loop turns Nagle's algorithm off for sockets of this protocol number, and for no others."""
    taken, _ = listen(Settings(host=host, port=0))
    with taken:
        assert taken.proto == socket.IPPROTO_TCP


def test_the_address_that_people_reach() -> None:
    assert address_of(Settings(port=80)) == "http://127.0.0.1:80"
    assert address_of(Settings(host="::1", port=80)) == "http://[::1]:80"
    assert address_of(Settings.model_validate({"public_url": "https://mw.example/"})) == "https://mw.example"


@contextmanager
def served(stop: threading.Event, trusted: str = "127.0.0.1 ::1") -> Iterator[tuple[str, threading.Thread]]:
    """A stream that never ends by itself, and who asks; where it is, and the thread that ends with the server."""

    async def ticks() -> AsyncIterator[bytes]:
        while True:
            yield b"tick\n"
            await asyncio.sleep(0.02)

    async def stream(_: object) -> StreamingResponse:
        return StreamingResponse(ticks())

    async def peer(request: Request) -> PlainTextResponse:
        return PlainTextResponse(f"{request.client.host if request.client else ''} {request.url.scheme}")

    routes = [Route("/", stream), Route("/peer", peer)]
    started = threading.Event()
    taken, settings = listen(Settings.model_validate({"port": 0, "trusted_proxies": trusted}))
    listener = Listener(Starlette(routes=routes), settings, stop.is_set, on_started=started.set)
    serving = threading.Thread(target=lambda: asyncio.run(listener.serve(sockets=[taken])))
    serving.start()
    try:
        assert started.wait(30)
        yield address_of(settings), serving
    finally:
        stop.set()
        serving.join(30)
        assert not serving.is_alive()


def test_an_open_stream_does_not_keep_it_from_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "SHUTDOWN_SECONDS", 0)
    before = signal.getsignal(signal.SIGTERM)
    stop = threading.Event()
    with served(stop) as (url, serving), httpx.Client(verify=False) as client, client.stream("GET", url) as answer:  # noqa: S501  HTTP
        assert next(answer.iter_lines()) == "tick"
        stop.set()
        serving.join(30)
        assert not serving.is_alive()
    assert signal.getsignal(signal.SIGTERM) is before
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])))


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: local"])
def test_a_request_that_does_not_come_is_given_up_and_a_stream_is_not(monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(listening, "REQUEST_SECONDS", 0.05)
    monkeypatch.setattr(listening, "SHUTDOWN_SECONDS", 0)
    with served(threading.Event()) as (url, _):
        address = ("127.0.0.1", int(url.rpartition(":")[2]))
        with socket.create_connection(address, 30) as slow, socket.create_connection(address, 30) as reading:
            reading.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            slow.sendall(sent)
            assert slow.recv(1) == b""
            for _ in range(20):
                assert reading.recv(1000), "the stream goes on"


def test_a_connection_that_is_over_is_let_go_of_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not when it would have been looked at: whoever opens many would have the server hold all that they sent for so long."""
    made = []

    class Noted(listening.Impatient):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as the library has it
            super().connection_made(transport)
            made.append(weakref.ref(self))

    monkeypatch.setattr(listening, "Impatient", Noted)
    monkeypatch.setattr(listening, "REQUEST_SECONDS", 3600)
    with served(threading.Event()) as (url, _), httpx.Client(verify=False) as client:  # noqa: S501  by HTTP
        for _ in range(3):
            assert client.get(f"{url}/peer", headers={"Connection": "close"}).is_success
        until = time.monotonic() + 10
        while any(one() for one in made) and time.monotonic() < until:
            time.sleep(0.01)  # the server's side of it may end a moment later
            gc.collect()
    assert [one() for one in made] == [None] * 3


@pytest.mark.parametrize(
    ("trusted", "forwarded", "seen"),
    [
        ("127.0.0.1 ::1", "203.0.113.9", "203.0.113.9 https"),
        ("127.0.0.0/8", "198.51.100.1, 203.0.113.9", "203.0.113.9 https"),
        ("127.0.0.0/8 203.0.113.0/24", "198.51.100.1, 203.0.113.9", "198.51.100.1 https"),
        ("10.0.0.7", "203.0.113.9", "127.0.0.1 http"),
        ("", "203.0.113.9", "127.0.0.1 http"),
    ],
)
def test_who_somebody_is_is_believed_of_trusted_proxies_alone(trusted: str, forwarded: str, seen: str) -> None:
    """What a visitor put in front of what the proxy says is their own words."""
    headers = {"X-Forwarded-For": forwarded, "X-Forwarded-Proto": "https"}
    with served(threading.Event(), trusted) as (url, _), httpx.Client(verify=False) as client:  # noqa: S501  by HTTP
        assert client.get(f"{url}/peer", headers=headers).text == seen
