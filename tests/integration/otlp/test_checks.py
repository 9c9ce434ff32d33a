"""What the doctor says of the intake: where telemetry is taken in, and why not where it is not."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import pyarrow as pa
import pytest

from middlewatch.doctor import Health
from middlewatch.frontends.otlp.checks import FOREIGN, check_otlp
from middlewatch.frontends.otlp.receiver import Receiving
from middlewatch.frontends.otlp.reception import Reception
from middlewatch.records.errors import BadInput, IntakeFull, StoreUnavailable
from middlewatch.settings import Settings
from tests.otlp_site import taking_in

TOKEN = hashlib.sha256(b"s3cret").hexdigest()


class Rows:
    """How many were stored."""

    stored = 0

    def insert(self, _table: str, rows: pa.Table) -> None:
        self.stored += rows.num_rows


def looked_at(settings: Settings) -> list[tuple[str, Health, str]]:
    return [(check.name, check.health, check.found) for check in check_otlp(settings)]


def where(told: Receiving, settings: Settings | None = None) -> Settings:
    """With the ports at which it is taken in."""
    ports = {"otlp_http_port": int(told.http.rpartition(":")[2]), "otlp_grpc_port": int(told.grpc.rpartition(":")[2])}
    return (settings or Settings()).model_copy(update=ports)


@pytest.mark.parametrize(("tokens", "words"), [((), ""), ((TOKEN,), ", with a token")])
def test_where_telemetry_is_taken_in_is_said_and_nothing_is_stored(tokens: tuple[str, ...], words: str) -> None:
    rows, settings = Rows(), Settings(otlp_token_sha256=tokens)
    with taking_in(rows.insert, settings) as told:
        assert looked_at(where(told, settings)) == [
            ("otlp over HTTP", Health.OK, f"telemetry is taken in at {told.http}{words}"),
            ("otlp over gRPC", Health.OK, f"telemetry is taken in at {told.grpc}{words}"),
        ]
    assert rows.stored == 0


def test_where_nothing_listens_it_is_said_how_to_start_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
    for check in check_otlp(Settings(otlp_http_port=port, otlp_grpc_port=port)):
        assert check.health is Health.NOTICE
        assert check.found.endswith(f"127.0.0.1:{port}: Connection refused")
        assert "middlewatch serve" in check.remedy


@contextmanager
def saying(words: bytes) -> Iterator[int]:
    """A program that says the same to everybody."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            while True:
                try:
                    with server.accept()[0] as client:
                        client.recv(4096)
                        client.sendall(words)
                except OSError:
                    return

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize("words", [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", b"220 a mail server\r\n"])
def test_another_program_is_told_from_an_intake(words: bytes) -> None:
    with saying(words) as port:
        for check in check_otlp(Settings(otlp_http_port=port, otlp_grpc_port=port)):
            assert (check.health, FOREIGN in check.found) == (Health.NOTICE, True)
            assert "_PORT" in check.remedy


class Foreign(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Another intake: it takes an empty call, or refuses it."""

    def __init__(self, code: grpc.StatusCode) -> None:
        self.code = code

    def service(self, _call: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        def export(_body: bytes, context: grpc.ServicerContext) -> bytes:
            context.set_code(self.code)
            context.set_trailing_metadata((("server", "a collector"),))
            return b""

        return grpc.unary_unary_rpc_method_handler(export)


@pytest.mark.parametrize(
    "code",
    [
        grpc.StatusCode.OK,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.UNAVAILABLE,
    ],
)
def test_another_intake_is_told_from_ours(code: grpc.StatusCode) -> None:
    server = grpc.server(ThreadPoolExecutor(1), handlers=[Foreign(code)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        _, check = check_otlp(Settings(otlp_http_port=port, otlp_grpc_port=port))
    finally:
        server.stop(None).wait()
    assert (check.health, FOREIGN in check.found) == (Health.NOTICE, True)


@pytest.mark.parametrize(
    ("refusal", "health"),
    [
        (IntakeFull(), Health.OK),
        (BadInput("It cannot be read."), Health.OK),
        (StoreUnavailable("The store is away."), Health.NOTICE),
    ],
)
def test_an_intake_that_refuses_is_ours_all_the_same(refusal: Exception, health: Health, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise refusal

    monkeypatch.setattr(Reception, "receive", refuse)
    with taking_in(Rows().insert, Settings()) as told:
        _, check = check_otlp(where(told))
    assert check.health is health
    assert FOREIGN not in check.found
    assert ("The store is away." in check.found) == (health is Health.NOTICE)


def test_a_door_that_stands_open_is_broken_and_a_port_that_is_not_known_is_no_fault() -> None:
    (check,) = check_otlp(Settings(otlp_host="0.0.0.0"))  # noqa: S104  not listened at
    assert (check.health, "MIDDLEWATCH_OTLP_TOKEN_SHA256" in check.remedy) == (Health.BROKEN, True)
    assert {health for _, health, _ in looked_at(Settings(otlp_http_port=0, otlp_grpc_port=0))} == {Health.OK}
