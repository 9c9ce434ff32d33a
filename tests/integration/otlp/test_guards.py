"""What is refused, how senders are told, and that nothing is acknowledged that is not stored."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import re
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import grpc
import httpx
import pyarrow as pa
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from middlewatch.frontends.otlp import over_grpc, over_http
from middlewatch.frontends.otlp.doors import Door, otlp_hindrance, refuse_open_door
from middlewatch.frontends.otlp.receiver import Receiving
from middlewatch.frontends.otlp.reception import IN_HAND_BYTES, MOST_BYTES, Reception
from middlewatch.records.errors import Misconfigured, SourceUnavailable
from middlewatch.settings import Settings
from middlewatch.telemetry.intake import Bounds, Intake
from tests.otlp_site import taking_in
from tests.unit.frontends.otlp.requests import spans

PROTOBUF = {"content-type": "application/x-protobuf"}
ONE = spans('name: "one"').SerializeToString()


class Store:
    """Takes rows where it is let."""

    def __init__(self) -> None:
        self.rows = 0
        self.error: Exception | None = None
        self.open = threading.Event()
        self.open.set()
        self.entered = threading.Event()

    def insert(self, _table: str, rows: pa.Table) -> None:
        self.entered.set()
        assert self.open.wait(30)
        if self.error is not None:
            raise self.error
        self.rows += rows.num_rows


@pytest.fixture(scope="module")
def store() -> Store:
    return Store()


@pytest.fixture(scope="module")
def receiving(store: Store) -> Iterator[Receiving]:
    with taking_in(store.insert, Settings(), Bounds(rows=1)) as told:
        yield told


@pytest.fixture(autouse=True)
def _in_order(store: Store) -> None:
    store.error = None
    store.open.set()


def post(receiving: Receiving, content: bytes = ONE, path: str = "/v1/traces", **headers: str) -> httpx.Response:
    return httpx.post(
        receiving.http + path, content=content, headers={**PROTOBUF, **{k.replace("_", "-"): v for k, v in headers.items()}}
    )


def exporting(channel: grpc.Channel) -> Any:
    """The Export call of the trace service."""
    stub: Any = TraceServiceStub
    return stub(channel).Export


def said(answer: httpx.Response) -> str:
    return str(Status.FromString(answer.content).message)


@pytest.mark.parametrize("kind", [{}, {"content-type": "application/x-www-form-urlencoded"}], ids=["none", "of curl"])
def test_whoever_does_not_speak_the_protocol_is_told_in_plain_text(receiving: Receiving, kind: dict[str, str]) -> None:
    answer = httpx.post(f"{receiving.http}/v1/traces", content=b"{}", headers=kind)
    assert (answer.status_code, answer.headers["content-type"]) == (415, "text/plain; charset=utf-8")
    assert answer.text == "Telemetry is taken as application/x-protobuf or application/json.\n"


def test_the_example_by_hand_works_as_it_stands(receiving: Receiving, store: Store) -> None:
    page = (Path(__file__).parents[3] / "docs/otlp.md").read_text(encoding="utf-8")
    ((script),) = re.findall(r"^## By hand\n```sh\n(.*?)```", page, re.DOTALL | re.MULTILINE)
    assert "127.0.0.1:4318/" in script
    before = store.rows
    script = script.replace("http://127.0.0.1:4318", receiving.http)
    done = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, timeout=30, check=True)  # noqa: S607  of the page
    assert (done.stdout.strip(), store.rows) == ("{}", before + 1)


@pytest.mark.parametrize(
    ("content", "headers", "status", "words"),
    [
        (b"\xff\xff", {}, 400, "protobuf"),
        (b"{", {"content_type": "application/json"}, 400, "JSON"),
        (b"[]", {"content_type": "application/json"}, 400, "no JSON object"),
        (b"[" * 100_000, {"content_type": "application/json"}, 400, "JSON"),
        (b'{"a":' * 100 + b"1" + b"}" * 100, {"content_type": "application/json"}, 400, "levels"),
        (
            b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"kind": ' + b"9" * 5000 + b"}]}]}]}",
            {"content_type": "application/json"},
            400,
            "",
        ),
        (b'{"resourceSpans": ["\\ud800"]}', {"content_type": "application/json"}, 400, "JSON"),
        (ONE, {"content_type": "text/plain"}, 415, "application/json"),
        (ONE, {"content_encoding": "br"}, 415, "gzip"),
        (ONE, {"content_encoding": "gzip"}, 400, "gzip"),
        (gzip.compress(ONE)[:-4], {"content_encoding": "gzip"}, 400, "whole"),
        (gzip.compress(b"\0" * (MOST_BYTES + 1)), {"content_encoding": "gzip"}, 413, "20 MiB"),
        (b"\0" * (MOST_BYTES + 1), {}, 413, "20 MiB"),
        (ONE, {"host": "evil.example"}, 401, "token"),
    ],
    ids=[
        "no protobuf",
        "no JSON",
        "no object",
        "deep lists",
        "deep objects",
        "a long number",
        "a lone surrogate",
        "another type",
        "another encoding",
        "not packed",
        "cut off",
        "a bomb",
        "too long",
        "another host",
    ],
)
def test_what_cannot_be_read_is_refused_with_a_reason(
    receiving: Receiving, store: Store, content: bytes, headers: dict[str, str], status: int, words: str
) -> None:
    before = store.rows
    answer = post(receiving, content, **headers)
    assert answer.status_code == status
    kind = headers.get("content_type")
    told = answer.json()["message"] if kind == "application/json" else answer.text if kind else said(answer)
    assert words in told
    assert told
    assert store.rows == before


def test_other_paths_and_methods_are_refused(receiving: Receiving) -> None:
    assert post(receiving, path="/v1/profiles").status_code == 404
    answer = httpx.get(receiving.http + "/v1/traces", headers=PROTOBUF)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_a_part_is_stored_and_the_sender_told_of_the_rest(receiving: Receiving, store: Store) -> None:
    before = store.rows
    answer = post(receiving, spans("", 'trace_id: "x"').SerializeToString())
    assert answer.status_code == 200
    partial = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert (partial.rejected_spans, store.rows) == (1, before + 1)
    assert "trace id" in partial.error_message


def test_nothing_is_acknowledged_before_it_is_stored_and_more_is_pushed_back(receiving: Receiving, store: Store) -> None:
    store.open.clear()
    store.entered.clear()
    answers: list[httpx.Response] = []
    waiting = threading.Thread(target=lambda: answers.append(post(receiving)))
    waiting.start()
    assert store.entered.wait(30)
    refused = post(receiving)
    assert (refused.status_code, int(refused.headers["retry-after"])) == (429, 1)
    with grpc.insecure_channel(receiving.grpc) as channel, pytest.raises(grpc.RpcError) as told:
        exporting(channel)(spans(""))
    assert told.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    details = dict(told.value.trailing_metadata())["grpc-status-details-bin"]
    retry = RetryInfo()
    assert Status.FromString(details).details[0].Unpack(retry)
    assert retry.retry_delay.seconds == 1
    assert answers == []
    store.open.set()
    waiting.join(30)
    assert [answer.status_code for answer in answers] == [200]


def test_a_store_that_is_away_is_said_as_something_to_try_again(receiving: Receiving, store: Store) -> None:
    store.error = SourceUnavailable("away")
    answer = post(receiving)
    assert (answer.status_code, said(answer)) == (503, "away")
    assert "retry-after" in answer.headers
    with grpc.insecure_channel(receiving.grpc) as channel, pytest.raises(grpc.RpcError) as told:
        exporting(channel)(spans(""))
    assert told.value.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("body", [b"\xff\xff", b"\0" * (MOST_BYTES + 1)])
def test_over_grpc_as_well(receiving: Receiving, body: bytes) -> None:
    with grpc.insecure_channel(receiving.grpc, options=[("grpc.max_send_message_length", -1)]) as channel:
        export = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
        with pytest.raises(grpc.RpcError) as told:
            export(body)
    assert told.value.code() in {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED}


def test_a_token_is_asked_for_where_one_is_set() -> None:
    store = Store()
    settings = Settings(otlp_token_sha256=(hashlib.sha256(b"s3cret").hexdigest(),))
    with taking_in(store.insert, settings) as told:
        assert post(told).status_code == 401
        assert post(told, authorization="Bearer wrong").status_code == 401
        assert store.rows == 0
        assert post(told, authorization="Bearer s3cret", host="middlewatch.example").status_code == 200
        with grpc.insecure_channel(told.grpc) as channel:
            with pytest.raises(grpc.RpcError) as refused:
                exporting(channel)(spans(""))
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
            exporting(channel)(spans(""), metadata=[("authorization", "Bearer s3cret")])
    assert store.rows == 2


def test_a_request_that_does_not_arrive_leaves_its_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(over_http, "BODY_SECONDS", 0)
    monkeypatch.setattr(over_http, "REST_SECONDS", 0)
    sent: list[Any] = []

    async def ask() -> None:
        parts = [{"type": "http.request", "body": ONE, "more_body": True}]

        async def receive() -> Any:
            return parts.pop() if parts else await asyncio.Event().wait()

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"host", b"localhost"), (b"content-type", PROTOBUF["content-type"].encode())]
        scope = {"type": "http", "method": "POST", "path": "/v1/traces", "headers": headers}
        await over_http.otlp_http(reception, Door(()), cast("Executor", None))(scope, receive, send)

    with Intake(Store().insert) as intake:
        reception = Reception(intake, "default", ())
        asyncio.run(asyncio.wait_for(ask(), 30))
        with reception.room() as take:
            take(IN_HAND_BYTES)
    assert sent[0]["status"] == 408
    assert "arrive" in Status.FromString(sent[1]["body"]).message


@contextmanager
def stalled(told: Receiving) -> Iterator[tuple[Any, threading.Event]]:
    """A call over gRPC whose message does not come before it is let."""
    let = threading.Event()

    def message() -> Iterator[bytes]:
        assert let.wait(60)
        yield ONE

    with grpc.insecure_channel(told.grpc) as channel:
        call = channel.stream_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export").future(message())
        try:
            yield call, let
        finally:
            let.set()


def test_calls_beyond_those_that_come_in_are_told_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(over_grpc, "MOST_READ", 1)
    monkeypatch.setattr(over_grpc, "TURN_SECONDS", 0)
    with taking_in(Store().insert, Settings()) as told, stalled(told) as (call, let), grpc.insecure_channel(told.grpc) as channel:

        def export_often() -> None:
            for _ in range(1000):  # until the other one has its turn
                exporting(channel)(spans(""))

        with pytest.raises(grpc.RpcError) as refused:
            export_often()
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "grpc-status-details-bin" in dict(refused.value.trailing_metadata())
        let.set()
        call.result(timeout=30)
        exporting(channel)(spans(""))


def test_a_message_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(over_grpc, "BODY_SECONDS", 0)
    with taking_in(Store().insert, Settings()) as told, stalled(told) as (call, _):
        assert call.exception(timeout=30).code() is grpc.StatusCode.UNAVAILABLE
        assert "did not come" in call.exception().details()


def test_nothing_is_read_of_whoever_may_not_send() -> None:
    settings = Settings(otlp_token_sha256=(hashlib.sha256(b"s3cret").hexdigest(),))
    with taking_in(Store().insert, settings) as told, stalled(told) as (call, _):
        assert call.exception(timeout=30).code() is grpc.StatusCode.UNAUTHENTICATED


def test_off_loopback_there_must_be_a_token() -> None:
    with pytest.raises(Misconfigured, match="anybody"):
        refuse_open_door(Settings(otlp_host="0.0.0.0"))  # noqa: S104  not listened at
    refuse_open_door(Settings(otlp_host="0.0.0.0", otlp_token_sha256=("0" * 64,)))  # noqa: S104  likewise


def test_a_port_that_is_taken_is_said(receiving: Receiving) -> None:
    port = int(receiving.http.rpartition(":")[2])
    assert "MIDDLEWATCH_OTLP_HTTP_PORT" in otlp_hindrance(Settings(otlp_http_port=port, otlp_grpc_port=0))
    assert otlp_hindrance(Settings(otlp_http_port=0, otlp_grpc_port=0)) == ""


@pytest.mark.parametrize(
    ("host", "admitted"), [("localhost:4318", True), ("[::1]:4318", True), ("127.0.0.1", True), ("a.example", False)]
)
def test_without_tokens_only_names_of_this_machine_count(host: str, admitted: bool) -> None:  # noqa: FBT001  a parameter
    assert Door(()).admits(None, host) is admitted
