"""A server on this machine that stands for the other end of an adapter: strict about what it is sent, and able to misbehave."""

from __future__ import annotations

import json
import socket
import socketserver
import ssl
import struct
import threading
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

CUT_BEFORE = "cut before the request was read"
CUT_AFTER = "cut after the request was carried out"
SILENT = "no answer"
NOT_JSON = "an answer that is not JSON"
OTHER_JSON = "an answer of another schema"


@dataclass(frozen=True)
class Request:
    """What was sent, as it was on the wire."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Answer:
    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


class Wrong(AssertionError):
    """A request that the real thing would not take."""


class OtherEnd:
    """What an adapter speaks to. Subclasses say what it does; here is how it misbehaves."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.wrong: list[str] = []
        self.lock = threading.RLock()
        self.write_fault: str | Answer | None = None
        self.read_fault: str | Answer | None = None
        self.released = threading.Event()

    @abstractmethod
    def handle(self, request: Request) -> Answer:
        """Carry a request out; raises Wrong for one that the real thing would not take."""

    @abstractmethod
    def writes(self, method: str, path: str) -> bool:
        """Whether such a request is one that changes something."""

    @property
    def written(self) -> list[Request]:
        return [r for r in self.requests if self.writes(r.method, r.path)]

    def taken(self, request: Request) -> Answer:
        with self.lock:
            self.requests.append(request)
            try:
                check(request.headers.get("host", ""), "a Host header")
                check(request.headers.get("user-agent") == "middlewatch", "a User-Agent")
                check(request.headers.get("accept", "").startswith("application/"), "an Accept header")
                return self.handle(request)
            except (Wrong, KeyError, ValueError, TypeError) as error:
                self.wrong.append(f"{request.method} {request.path} {request.body!r}: {type(error).__name__}: {error}")
                return Answer(400, {"message": "malformed"})

    def fault(self, method: str, path: str) -> str | Answer | None:
        """The fault for this request; each happens once."""
        if self.writes(method, path):
            fault, self.write_fault = self.write_fault, None
        else:
            fault, self.read_fault = self.read_fault, None
        return fault


def check(condition: object, what: str) -> None:
    if not condition:
        raise Wrong(what)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def handle_one_request(self) -> None:
        if isinstance(self.connection, ssl.SSLSocket):  # which cannot be looked into
            super().handle_one_request()
            return
        first = self.connection.recv(4096, socket.MSG_PEEK).split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        end = self.server.end
        if len(first) > 1 and first[0] and (end.write_fault if end.writes(first[0], first[1]) else end.read_fault) == CUT_BEFORE:
            end.fault(first[0], first[1])
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
            return
        super().handle_one_request()

    def _serve(self) -> None:
        end = self.server.end
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        request = Request(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
        fault = end.fault(request.method, request.path)
        if isinstance(fault, Answer):
            with end.lock:
                end.requests.append(request)
            self._send(fault.status, json.dumps(fault.body).encode(), fault.headers)
            return
        answer = end.taken(request)
        match fault:
            case None:
                content = b"" if answer.body is None else json.dumps(answer.body).encode()
                self._send(answer.status, content, answer.headers)
            case "no answer":
                end.released.wait(60)
            case "an answer that is not JSON":
                self._send(200, b"<html>fine</html>", {})
            case "an answer of another schema":
                self._send(200, b'[{"surprise": 1}]', {})
            case _:
                self.close_connection = True

    do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815  the base class calls them so

    def _send(self, status: int, content: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if status != 204:
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class calls it so
        """Nothing on the terminal."""

    def address_string(self) -> str:
        return "loopback"


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64
    end: OtherEnd

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is part of the tests."""


class _UnixServer(_Server):
    address_family = socket.AF_UNIX


@contextmanager
def served(end: OtherEnd, unix: Path | None = None, *, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Serve until the block ends.

    Yields:
        The URL; of a unix socket, its path.
    """
    server = _Server(("127.0.0.1", 0), _Handler) if unix is None else _UnixServer(str(unix), _Handler)  # type: ignore[arg-type]
    server.end = end
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield str(unix) if unix is not None else f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}"
    finally:
        end.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
