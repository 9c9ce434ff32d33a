"""Serves the data directory of this process to others: enough of ClickHouse's HTTP interface for clickhouse-connect.

chdb allows one process a directory. That process, the owner, starts a `Shim` on a private unix socket, and others attach to it
with `ClickHouse.attach`. They send the same statements, parameters, settings and Arrow data as to a server.
"""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, urlsplit

from middlewatch.records.errors import DataDirectoryLocked, Misconfigured
from middlewatch.telemetry.clickhouse import ClickHouse
from middlewatch.telemetry.engine import Engine, EngineError, Request

_BODY_BYTES = 1024**3
"""Largest request: an insert of 100,000 wide rows is 50-100 MB, and a body is held in memory."""
_JOIN_SECONDS = 5
_SOCKET_PATH_BYTES = 100
"""`sun_path` holds 104 bytes on macOS and 108 on Linux, with the closing NUL."""


class Shim:
    """Serves until it is closed; use it as a context manager.

    The socket has mode 0600 and its folder 0700: whoever can open it could read the directory's files anyway.
    """

    def __init__(self, database: ClickHouse, address: Path | socket.socket) -> None:
        """Start serving in threads of this process.

        Args:
            database: the embedded store that is served.
            address: where the unix socket is created, or a socket that is bound already (tests use loopback TCP).

        Raises:
            Misconfigured: the store is not embedded, or the path is too long for a socket.
            DataDirectoryLocked: another process serves on the path.
        """
        if database.directory is None:
            raise Misconfigured("only an embedded telemetry store can be served", remedy="Let others use the server's URL.")
        self._path = address if isinstance(address, Path) else None
        self._engine = Engine(database.directory, database.limits)
        listener = _private_socket(address) if isinstance(address, Path) else address
        self._server = _Server(listener, self._engine)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="telemetry-shim", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take no more requests, let running ones end (they are bounded in time), and remove the socket."""
        self._server.shutdown()
        self._thread.join()
        self._server.finish()
        self._engine.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _private_socket(path: Path) -> socket.socket:
    if len(bytes(path)) > _SOCKET_PATH_BYTES:
        raise Misconfigured(
            f"{path} is too long for a socket ({_SOCKET_PATH_BYTES} bytes at most)",
            remedy="Use a data directory with a shorter path.",
        )
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.connect(str(path))
    except OSError:
        # Nobody answers: what is there was left by a process that died.
        listener.close()
        path.unlink(missing_ok=True)
    else:
        listener.close()
        raise DataDirectoryLocked(f"another process serves on {path}", remedy="Attach to it or stop it.")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    path.chmod(0o600)
    return listener


class _Server(socketserver.ThreadingMixIn, socketserver.BaseServer):
    """A threading server over a socket that somebody else has bound."""

    def __init__(self, listener: socket.socket, engine: Engine) -> None:
        super().__init__(listener.getsockname(), _Handler)
        self.engine = engine
        self._listener = listener
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._lock = threading.Lock()
        listener.listen(64)

    def fileno(self) -> int:
        return self._listener.fileno()

    def get_request(self) -> tuple[socket.socket, str]:
        return self._listener.accept()[0], ""

    def process_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        if isinstance(request, socket.socket):
            thread = threading.Thread(target=self._serve, args=(request, client_address), name="telemetry-shim-client", daemon=True)
            with self._lock:
                self._connections[request] = thread
            thread.start()

    def _serve(self, connection: socket.socket, client_address: object) -> None:
        try:
            # A client that goes away in the middle is its own business.
            with contextlib.suppress(OSError):
                self.finish_request(connection, client_address)
        finally:
            with self._lock:
                self._connections.pop(connection, None)
            connection.close()

    def finish(self) -> None:
        """Close the listener, tell idle clients that no more will be read, and wait for running requests."""
        self._listener.close()
        with self._lock:
            running = list(self._connections.items())
        for connection, _ in running:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RD)
        for _, thread in running:
            thread.join(self.engine.limits.query_seconds + _JOIN_SECONDS)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together: apart, they wait 40 ms for each other on TCP
    server: _Server

    def do_GET(self) -> None:
        if urlsplit(self.path).path.rstrip("/") == "/ping":
            self._reply(HTTPStatus.OK, b"Ok.\n", {})
        else:
            self._answer(b"")

    def do_POST(self) -> None:
        try:
            body = self._body()
        except ValueError:
            body = None
        if body is None:
            # Where the next request begins is unknown now.
            self.close_connection = True
            self._reply(HTTPStatus.BAD_REQUEST, b"the body is malformed or larger than is taken\n", {})
        else:
            self._answer(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Say nothing: statements are recorded with the evidence that they gave."""

    def _answer(self, body: bytes) -> None:
        query = parse_qsl(urlsplit(self.path).query, keep_blank_values=True)
        try:
            request = Request.parse(query, body, self.headers.get("Content-Type", ""))
            result = self.server.engine.run(request)
        except UnicodeDecodeError:
            self._reply(HTTPStatus.BAD_REQUEST, b"names and parameters must be UTF-8\n", {})
        except EngineError as error:
            code = {"X-ClickHouse-Exception-Code": str(error.code)}
            self._reply(HTTPStatus.INTERNAL_SERVER_ERROR, str(error).encode(), code)
        else:
            self._reply(HTTPStatus.OK, result.body, {"X-ClickHouse-Format": result.format} if result.format else {})

    def _reply(self, status: HTTPStatus, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _body(self) -> bytes | None:
        """The request's body; None where it is larger than is taken.

        Raises:
            ValueError: a length is no number.
        """
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            length = int(self.headers.get("Content-Length") or 0)
            return self.rfile.read(length) if 0 <= length <= _BODY_BYTES else None
        parts: list[bytes] = []
        total = 0
        while size := int(self.rfile.readline(32).split(b";")[0], 16):
            total += size
            if size < 0 or total > _BODY_BYTES:
                return None
            parts.append(self.rfile.read(size))
            self.rfile.readline(4)
        while self.rfile.readline(65536).strip():  # trailers
            continue
        return b"".join(parts)
