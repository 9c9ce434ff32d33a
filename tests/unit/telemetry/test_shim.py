"""The shim speaks ClickHouse's HTTP interface to well-behaved clients and refuses the rest without falling over."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest

from middlewatch.telemetry.clickhouse import ClickHouse
from middlewatch.telemetry.engine import Request, Session
from middlewatch.telemetry.shim import Shim


@pytest.fixture
def address(clickhouse: ClickHouse) -> Iterator[tuple[str, int]]:
    listener = socket.create_server(("127.0.0.1", 0))
    with Shim(clickhouse, listener):
        yield listener.getsockname()


@pytest.fixture
def connection(address: tuple[str, int]) -> Iterator[HTTPConnection]:
    opened = HTTPConnection(*address, timeout=20)
    yield opened
    opened.close()


def ask(connection: HTTPConnection, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes, dict[str, str]]:
    connection.request(method, path, body)
    response = connection.getresponse()
    return response.status, response.read(), {name.lower(): value for name, value in response.getheaders()}


def test_it_is_alive(connection: HTTPConnection) -> None:
    assert ask(connection, "GET", "/ping")[:2] == (200, b"Ok.\n")


def test_statements_take_parameters_and_settings_from_the_address(connection: HTTPConnection) -> None:
    path = "/?param_text=%27%3B+DROP&max_block_size=77"
    statement = b"SELECT {text:String}, getSetting('max_block_size') FORMAT TSV"
    assert ask(connection, "POST", path, statement)[:2] == (200, b"\\'; DROP\t77\n")
    # On the same connection, without the setting: it has not stuck.
    assert ask(connection, "POST", "/", b"SELECT getSetting('max_block_size') = 77")[:2] == (200, b"0\n")


def test_a_statement_that_answers_rows_says_so_even_without_rows(connection: HTTPConnection) -> None:
    status, body, headers = ask(connection, "POST", "/", b"SELECT 1 AS x WHERE 0")
    assert (status, body, headers["x-clickhouse-format"]) == (200, b"", "TabSeparated")
    assert "x-clickhouse-format" not in ask(connection, "POST", "/", b"SET max_threads = 1")[2]


def test_errors_carry_clickhouses_number(connection: HTTPConnection) -> None:
    status, body, headers = ask(connection, "POST", "/", b"SELECT unknown_column")
    assert (status, headers["x-clickhouse-exception-code"]) == (500, "47")
    assert b"unknown_column" in body
    assert ask(connection, "POST", "/?a%27b=1", b"SELECT 1")[2]["x-clickhouse-exception-code"] == "115"
    assert ask(connection, "POST", "/?database=nowhere", b"SELECT 1")[2]["x-clickhouse-exception-code"] == "81"
    assert ask(connection, "POST", "/", b"SELECT 1")[:2] == (200, b"1\n")


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST / HTTP/1.1\r\nContent-Length: lots\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 99999999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffff\r\n",
    ],
)
def test_bodies_that_cannot_be_read_are_refused(address: tuple[str, int], request_bytes: bytes) -> None:
    with socket.create_connection(address, timeout=20) as raw:
        raw.sendall(request_bytes)
        answer = b"".join(iter(lambda: raw.recv(4096), b""))  # up to the end: the connection is closed
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_chunked_statements_are_put_together(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=20) as raw:
        raw.sendall(
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n4\r\nSELE\r\n4;x=y\r\nCT 5\r\n0\r\n\r\n"
        )
        answer = b"".join(iter(lambda: raw.recv(4096), b""))
    assert answer.endswith(b"\r\n\r\n5\n")


def test_a_client_that_vanishes_disturbs_nobody(address: tuple[str, int], connection: HTTPConnection) -> None:
    for beginning in (b"", b"POST / HT", b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nSELECT"):
        with socket.create_connection(address, timeout=20) as raw:
            raw.sendall(beginning)
    assert ask(connection, "POST", "/", b"SELECT 1")[:2] == (200, b"1\n")


def test_parameters_and_statement_may_come_in_a_form() -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="query"\r\n\r\nSELECT {a:String}\r\n'
        b'--b\r\nContent-Disposition: form-data; name="param_a"\r\n\r\nx\r\ny\r\n'
        b"--b--\r\n"
    )
    request = Request.parse(
        [("database", "d"), ("max_threads", "1"), ("wait_end_of_query", "1")], body, "multipart/form-data; boundary=b"
    )
    assert request == Request(b"SELECT {a:String}", {"a": "x\r\ny"}, Session("d", frozenset({("max_threads", "1")})))


def test_an_inserts_data_may_follow_a_statement_in_the_address() -> None:
    request = Request.parse([("query", "INSERT INTO t FORMAT Arrow")], b"\0\1", "application/octet-stream")
    assert (request.statement, request.data) == (b"INSERT INTO t FORMAT Arrow", b"\0\1")
