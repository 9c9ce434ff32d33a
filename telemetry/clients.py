"""Three ways to a ClickHouse, behind one kind of client: in this process, by URL, and through another process's socket."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

import clickhouse_connect
import pyarrow as pa
from urllib3 import HTTPConnectionPool, PoolManager
from urllib3.connection import HTTPConnection

from middlewatch.records.errors import BoundExceeded, Misconfigured, SourceUnavailable
from middlewatch.telemetry.failures import locked
from middlewatch.telemetry.limits import Limits

# The library logs what it raises as well; without a handler Python would print that to the terminal.
logging.getLogger("clickhouse_connect").addHandler(logging.NullHandler())

_CONNECT_SECONDS = 5
_GRACE_SECONDS = 10
"""How much longer than the query's own bound the socket waits: the server's answer says more than a broken connection."""


class Client(Protocol):
    """What is used of clickhouse-connect's clients; the same over HTTP and in the process."""

    def query_arrow(self, query: str, parameters: dict[str, object]) -> pa.Table: ...

    def insert_arrow(self, table: str, arrow_table: pa.Table, database: str) -> object: ...

    def command(self, cmd: str, parameters: dict[str, object]) -> object: ...

    def close(self) -> None: ...


Opener = Callable[[str], Client]
"""Opens a client whose unqualified table names are in the given database; the server's default database where it is empty."""


def embedded(path: Path, limits: Limits) -> Opener:
    """Clients of the ClickHouse inside this process, over the data directory `path`."""
    prepare_directory(path)

    def open_client(database: str) -> Client:
        return _client(interface="chdb", path=str(path), database=database or None, settings=limits.settings())

    return open_client


def prepare_directory(path: Path) -> None:
    """Make sure that chdb can open the directory, since its own complaint goes to the terminal and names C++ exceptions.

    Raises:
        DataDirectoryLocked: another process holds it.
        Misconfigured: it cannot be created or written.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path / "status"  # ClickHouse's lock: locked by flock, with the holder's process id inside
        if status.exists():
            with status.open("r+b") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    if f"PID: {os.getpid()}\n".encode() not in file.read():
                        raise locked(str(path)) from None
        if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    except OSError as error:
        raise Misconfigured(
            f"the data directory {path} cannot be used: {error.strerror}", remedy="Name a directory that can be written."
        ) from error


def by_url(url: str, limits: Limits) -> Opener:
    """Clients of a server, such as `http://user:password@host:8123`.

    Raises:
        Misconfigured: that is no such address.
    """
    try:
        parts = urlsplit(url)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise Misconfigured(
            "the URL of the ClickHouse server is not a valid one", remedy="Give it as http://user:password@host:8123 or https://..."
        )
    return _over_http({"dsn": url}, limits)


def by_socket(path: Path, limits: Limits) -> Opener:
    """Clients of the process that owns a data directory and serves it on the unix socket `path`."""
    pool = PoolManager(maxsize=limits.concurrency + 1)
    pool.pool_classes_by_scheme = {"http": _socket_pool(path)}
    return _over_http({"host": "localhost", "port": 80, "pool_mgr": pool}, limits)


def without_credentials(url: str) -> str:
    """The address without user, password and query, for messages."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}"


def _over_http(target: dict[str, object], limits: Limits) -> Opener:
    def open_client(database: str) -> Client:
        return _client(
            **target,
            database=database or None,
            settings=limits.settings(),
            connect_timeout=_CONNECT_SECONDS,
            send_receive_timeout=limits.query_seconds + _GRACE_SECONDS,
            # Without a session id one client may serve several threads and a broken one leaves nothing behind.
            autogenerate_session_id=False,
            # Parameters travel in the body: an address has a length limit, a list of services has none.
            form_encode_query_params=True,
            compress=False,
            query_retries=0,
        )

    return open_client


def _client(**arguments: Any) -> Client:  # noqa: ANN401 - the library's own keyword arguments
    return cast("Client", clickhouse_connect.get_client(**arguments))


def _socket_pool(path: Path) -> type[HTTPConnectionPool]:
    """A urllib3 connection pool whose connections go to a unix socket."""

    class SocketConnection(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                connection.settimeout(_CONNECT_SECONDS)
                connection.connect(str(path))
            except OSError:
                connection.close()
                raise
            return connection

    class SocketPool(HTTPConnectionPool):
        ConnectionCls = SocketConnection

    return SocketPool


class Pool:
    """Clients for one thread each, at most `limits.concurrency` of them in use at once.

    clickhouse-connect's in-process client serialises its calls and its HTTP client shares mutable state, so threads do not
    share them.
    """

    def __init__(self, opener: Opener, limits: Limits, *, database: str) -> None:
        self._open = opener
        self._database = database
        self._limits = limits
        self._slots = threading.BoundedSemaphore(limits.concurrency)
        self._idle: queue.LifoQueue[Client] = queue.LifoQueue()
        self._closed = False

    @contextmanager
    def client(self) -> Iterator[Client]:
        """A client for the calling thread.

        Raises:
            BoundExceeded: every slot stayed busy for as long as one query may take.
            SourceUnavailable: it is closed.
        """
        if not self._slots.acquire(timeout=self._limits.query_seconds):
            raise BoundExceeded(
                f"{self._limits.concurrency} queries were running for {self._limits.query_seconds} s and none ended",
                remedy="Ask again later, or raise the bound on concurrent queries.",
            )
        try:
            if self._closed:
                raise SourceUnavailable("The telemetry store is closed: this process ends.")
            client = self._take()
            try:
                yield client
            except BaseException:  # an interrupt too: whatever state the call left in it goes with it
                client.close()
                raise
            if self._closed:
                client.close()
            else:
                self._idle.put(client)
        finally:
            self._slots.release()

    def close(self, *, await_seconds: float = 0.0) -> bool:
        """Open no more clients, and close those that are idle; the others are closed as they end.

        Args:
            await_seconds: how long to wait for what is running.

        Returns:
            Whether nothing runs any more.
        """
        self._closed = True
        deadline = time.monotonic() + await_seconds
        free = 0
        while free < self._limits.concurrency and self._slots.acquire(timeout=max(0.0, deadline - time.monotonic())):
            free += 1
        if free:
            self._slots.release(free)  # whoever waits for one is told that there are no more
        while True:
            try:
                self._idle.get_nowait().close()
            except queue.Empty:
                return free == self._limits.concurrency

    def _take(self) -> Client:
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            return self._open(self._database)
