"""What the servers of all wire protocols share: how they listen, what they count, and each way of misbehaving by its name."""

from __future__ import annotations

import gzip
import hashlib
import json
import socketserver
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from http.server import BaseHTTPRequestHandler
from typing import Any

from middlewatch.agents.language_model.scripted import Line

KEY = "sk-test-0123456789"
MODEL = "model-1"
LONG = 2_500_000

_HEADERS = {"accept", "accept-encoding", "authorization", "connection", "content-length", "content-type", "host", "user-agent"}


class Fault(StrEnum):
    """A way to misbehave."""

    SLOW = "slow first byte"
    HANGS = "headers, and then nothing"
    DRIP = "a byte now and then, for ever"
    DROPPED = "the connection is dropped instead of an answer"
    CUT = "the connection is cut in the middle of an answer"
    BUSY = "429 without a hint"
    BUSY_HINT = "429 with a hint of 50 ms"
    BUSY_LONG = "429 with a hint of an hour"
    OVERLOADED = "529"
    FAILED = "500"
    NO_KEY = "401"
    NO_MODEL = "404"
    NO_MONEY = "429 that no wait helps"
    REDIRECT = "a redirect"
    COMPRESSED = "a compressed answer that nobody asked for"
    NOT_JSON = "invalid JSON"
    NAN = "JSON with NaN"
    DEEP = "JSON of a thousand levels"
    OTHER_JSON = "JSON of another schema"
    WRONG_ANSWER = "a structured answer of another schema"
    NO_ANSWER = "prose where a structured answer was asked for"
    REFUSAL = "the model refuses"
    CUT_SHORT = "the model reaches its limit"
    UNKNOWN_TOOL = "a call of a tool that there is not"
    BAD_ARGUMENTS = "a call with arguments that are no object"
    SAME_CALL = "the same call for ever"
    LONG = "an answer of more than 2 MB"
    USAGE_HUGE = "a usage block of 10^18"
    USAGE_ZERO = "a usage block of nothing"
    USAGE_WRONG = "a usage block of words and negative numbers"
    USAGE_NONE = "no usage block"


@dataclass
class Answer:
    """Of the server."""

    status: int
    body: Any
    headers: Mapping[str, str]


class Wrong(AssertionError):
    """A request that the real thing would not take."""


def need(condition: object, what: str) -> None:
    if not condition:
        raise Wrong(what)


class ModelEnd(ABC):
    """One provider. `faults` happen once each, in turn; those of `marked` where a text is in the request; `always` otherwise."""

    path: str
    headers: frozenset[str] = frozenset()
    """Beside those of any request."""

    def __init__(self) -> None:
        self.say: Callable[[dict[str, Any]], Line] = answered
        self.faults: deque[Fault] = deque()
        self.marked: dict[bytes, Fault] = {}
        self.always: Fault | None = None
        self.bodies: list[dict[str, Any]] = []
        """Of the requests that came, in order."""
        self.wrong: list[str] = []
        self.dropped = threading.Event()
        """Somebody hung up while an answer was waited for."""
        self.released = threading.Event()
        self.key: str | None = KEY
        self.lock = threading.RLock()
        self._seen: set[str] = set()

    @property
    @abstractmethod
    def url(self) -> str:
        """The base URL that the provider's package is given, after the host."""

    @abstractmethod
    def check(self, body: dict[str, Any]) -> None:
        """Whether the real thing would take it."""

    @abstractmethod
    def answer(self, body: dict[str, Any], line: Line, fault: Fault | None) -> dict[str, Any]:
        """What it answers, usage and all."""

    @abstractmethod
    def schema(self, body: dict[str, Any]) -> dict[str, Any] | None:
        """The schema of the answer that is asked for."""

    @abstractmethod
    def error(self, fault: Fault) -> Answer:
        """The provider's own form of an error."""

    def due(self, body: dict[str, Any], fault: Fault | None) -> Line:
        """What the model says: the script, unless it misbehaves."""
        match fault:
            case Fault.UNKNOWN_TOOL:
                return Line(calls=(("drop_tables", {"all": True}),))
            case Fault.SAME_CALL:
                return Line(calls=(("metrics_of_service", {"service": "checkout"}),))
            case Fault.WRONG_ANSWER:
                return Line(answer={"surprise": 1})
            case Fault.NO_ANSWER:
                return Line("I would rather write prose.")
        line = self.say(body)
        schema = self.schema(body)
        return Line(answer=minimal(schema)) if line == _UNSAID and schema is not None else line

    def cached(self, parts: list[tuple[str, bool]], sent: int) -> tuple[int, int, int]:
        """Tokens read afresh, from the cache, and kept there; a token is four bytes.

        Args:
            parts: of the prompt in order, each with whether a breakpoint ends it.
            sent: bytes of the request.
        """
        read = written = size = 0
        digest = hashlib.sha256()
        for text, ends in parts:
            digest.update(text.encode() + b"\0")
            size += len(text.encode())
            if ends:
                found, written = digest.hexdigest() in self._seen, size
                read = size if found else read
                self._seen.add(digest.hexdigest())
        return max(sent // 4 - written // 4, 0), read // 4, (written - read) // 4

    def taken(self, path: str, headers: Mapping[str, str], content: bytes) -> tuple[Answer, Fault | None]:
        with self.lock:
            marked = next((fault for text, fault in self.marked.items() if text in content), self.always)
            fault = self.faults.popleft() if self.faults else marked
            try:
                need(path == self.url + self.path, f"the path {self.url + self.path}, not {path}")
                self._check_headers(headers)
                body = json.loads(content)
                self.bodies.append(body)
                need(body["model"] == MODEL, "the model that was configured")
                self.check(body)
            except (Wrong, KeyError, ValueError, TypeError, IndexError) as error:
                self.wrong.append(f"{type(error).__name__}: {error}: {content[:2000]!r}")
                return Answer(400, {"error": {"type": "invalid_request_error", "message": "wrong"}}, {}), None
            if fault in _ERRORS:
                return self.error(fault), fault
            return Answer(
                200, self.answer(body, self.due(body, fault), fault), {"x-request-id": "req_1", "request-id": "req_1"}
            ), fault

    def _check_headers(self, headers: Mapping[str, str]) -> None:
        need(set(headers) <= _HEADERS | self.headers, f"no header too many: {sorted(headers)}")
        need(headers.get("authorization") == (f"Bearer {self.key}" if self.key is not None else None), "the key")
        need((headers.get("host") or "").partition(":")[0] == "127.0.0.1", "this host")
        need(headers.get("anthropic-version") in {None, "2023-06-01"}, "the version that is meant")
        need(headers.get("user-agent") == "middlewatch", "a User-Agent that tells nothing of this machine")
        need(headers.get("accept-encoding") == "identity", "answers that are not compressed")
        need(headers.get("content-type") == "application/json", "JSON")


_ERRORS = {
    *(Fault.BUSY, Fault.BUSY_HINT, Fault.BUSY_LONG, Fault.OVERLOADED, Fault.FAILED, Fault.NO_KEY, Fault.NO_MODEL, Fault.NO_MONEY)
}
_UNSAID = Line("It is as it is.")


def answered(_body: dict[str, Any]) -> Line:
    """A short text, or the smallest answer of the form that is asked for."""
    return _UNSAID


def minimal(schema: Mapping[str, Any]) -> Any:
    """The smallest value of a schema as they are used here."""
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return minimal(schema["anyOf"][0])
    if schema.get("type") == "object":
        return {name: minimal(part) for name, part in schema.get("properties", {}).items()}
    empty: dict[Any, Any] = {"array": [], "string": "", "boolean": False, "null": None}
    return empty.get(schema.get("type"), 0)


def check_strict(schema: Any, *, forbidden: frozenset[str] = frozenset()) -> None:
    """A schema that forces a form: every object is closed, and nothing is in it that the provider does not take."""
    if isinstance(schema, list):
        for part in schema:
            check_strict(part, forbidden=forbidden)
    if not isinstance(schema, dict):
        return
    need(not forbidden & set(schema), f"none of {sorted(forbidden & set(schema))} in a schema")
    if schema.get("type") == "object":
        need(schema.get("additionalProperties") is False, "objects that are closed")
        need(set(schema.get("required", [])) == set(schema.get("properties", {})), "every property required")
    for name, part in schema.items():
        for each in part.values() if name in {"properties", "$defs"} else [part]:
            check_strict(each, forbidden=forbidden)


_GARBLED = {
    Fault.NOT_JSON: b"<html>fine</html>",
    Fault.NAN: b'{"usage": NaN}',
    Fault.DEEP: b"[" * 100_000,
    Fault.OTHER_JSON: b'{"surprise": 1}',
}


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        end = self.server.end
        length = int(self.headers.get("content-length") or 0)
        content = self.rfile.read(length)
        if len(content) < length:  # whoever asked was killed
            self.close_connection = True
            return
        answer, fault = end.taken(self.path, {k.lower(): v for k, v in self.headers.items()}, content)
        body = json.dumps(answer.body).encode()
        match fault:
            case Fault.SLOW:
                self._wait()
            case Fault.DROPPED:
                self.close_connection = True
            case Fault.REDIRECT:
                self._send(307, b"", {"location": f"http://localhost:{self.server.server_address[1]}/elsewhere"})
            case Fault.COMPRESSED:
                self._send(200, gzip.compress(body), {"content-encoding": "gzip"})
            case _:
                self._answer(answer, _GARBLED.get(fault, body) if fault else body, fault)

    def _answer(self, answer: Answer, body: bytes, fault: Fault | None) -> None:
        if fault is Fault.LONG:
            body += b" " * LONG
        sent = {Fault.CUT: len(body) // 2, Fault.DRIP: len(body) // 2, Fault.HANGS: 0}.get(fault, len(body)) if fault else len(body)
        self._send(answer.status, body[:sent], answer.headers, length=len(body) + LONG * (fault is Fault.DRIP))
        if fault is Fault.CUT:
            self.close_connection = True
        if fault in {Fault.DRIP, Fault.HANGS}:
            self._wait(b" " if fault is Fault.DRIP else b"")

    def _wait(self, drip: bytes = b"") -> None:
        """Until the other side hangs up or the test is over."""
        self.close_connection = True
        self.connection.settimeout(0.02)
        while not self.server.end.released.is_set():
            try:
                if drip:
                    self.wfile.write(drip)
                if self.connection.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        self.server.end.dropped.set()

    def _send(self, status: int, content: bytes, headers: Mapping[str, str], *, length: int | None = None) -> None:
        self.send_response(status)
        for name, value in {"content-type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class calls it so
        """Nothing on the terminal."""


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    request_queue_size = 64
    end: ModelEnd

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is part of the tests."""


@contextmanager
def served(end: ModelEnd) -> Iterator[str]:
    """Serve until the block ends. Whatever was sent that the real thing would not take fails the test.

    Yields:
        The base URL.
    """
    server = _Server(("127.0.0.1", 0), _Handler)
    server.end = end
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}{end.url}"
    finally:
        end.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
    assert end.wrong == [], end.wrong
