"""Invariants: nothing listens where everybody could come in unknown; what is open does not keep a server from its end."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Route

from middlewatch.frontends import listening
from middlewatch.frontends.listening import Listener, address_of, is_loopback, listen, refuse_exposure
from middlewatch.records.errors import BadInput, Misconfigured
from middlewatch.settings import Settings

EVERYWHERE = "0.0.0.0"  # noqa: S104  of a test


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost", "LocalHost"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", [EVERYWHERE, "::", "10.0.0.1", "example.com", "localhost.example.com", "", "127.0.0.1.nip.io"])
def test_what_others_can_reach(host: str) -> None:
    assert not is_loopback(host)


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


def test_the_address_that_people_reach() -> None:
    assert address_of(Settings(port=80)) == "http://127.0.0.1:80"
    assert address_of(Settings(host="::1", port=80)) == "http://[::1]:80"
    assert address_of(Settings.model_validate({"public_url": "https://mw.example/"})) == "https://mw.example"


def test_an_open_stream_does_not_keep_it_from_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "SHUTDOWN_SECONDS", 0)

    async def ticks() -> AsyncIterator[bytes]:
        while True:
            yield b"tick\n"
            await asyncio.sleep(3600)

    async def stream(_: object) -> StreamingResponse:
        return StreamingResponse(ticks())

    stop, started = threading.Event(), threading.Event()
    taken, settings = listen(Settings(port=0))
    before = signal.getsignal(signal.SIGTERM)
    listener = Listener(Starlette(routes=[Route("/", stream)]), stop.is_set, on_started=started.set)
    serving = threading.Thread(target=lambda: asyncio.run(listener.serve(sockets=[taken])))
    serving.start()
    assert started.wait(30)
    with httpx.Client(verify=False) as client, client.stream("GET", address_of(settings)) as answer:  # noqa: S501  by HTTP
        assert next(answer.iter_lines()) == "tick"
        stop.set()
        serving.join(30)
    assert not serving.is_alive()
    assert signal.getsignal(signal.SIGTERM) is before
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", settings.port))
