"""Requests of ClickHouse's HTTP interface, run by the chdb engine of this process."""

from __future__ import annotations

import re
import tempfile
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from middlewatch.telemetry.limits import Limits

_IDLE_HANDLES = 8
"""Handles kept open for the next request with the same settings; attached processes send the same ones every time."""

# What the HTTP interface itself understands; everything else in an address is a setting.
_TRANSPORT = frozenset(
    {
        "buffer_size",
        "client_protocol_version",
        "compress",
        "decompress",
        "default_format",
        "enable_http_compression",
        "http_headers_progress_interval_ms",
        "password",
        "query_id",
        "quota_key",
        "role",
        "send_progress_in_http_headers",
        "session_check",
        "session_id",
        "session_timeout",
        "user",
        "wait_end_of_query",
    }
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FORMAT = re.compile(rb"\bFORMAT\s+(\w+)\s*;?\s*$", re.IGNORECASE)
_INSERT = re.compile(rb"(\s*INSERT\s+INTO\b.*?)\s+FORMAT\s+(\w+)[ \t]*\r?\n?", re.IGNORECASE | re.DOTALL)
_CODE = re.compile(r"\bCode:\s*(\d+)")
_BOUNDARY = re.compile(r'\bboundary="?([^";]+)"?')
_FIELD = re.compile(rb'\bname="([^"]*)"')


class EngineError(Exception):
    """The engine refused or failed; `code` is ClickHouse's number of the error."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Session:
    """What a handle of the engine is set to: its database and its settings."""

    database: str
    settings: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Request:
    """One statement with its parameters, and for an insert the data behind it."""

    statement: bytes
    parameters: dict[str, str]
    session: Session
    data: bytes = b""
    """Of an insert whose statement stands by itself; otherwise it is behind it."""

    @classmethod
    def parse(cls, query: Iterable[tuple[str, str]], body: bytes, content_type: str) -> Self:
        """Put together what came in the address and in the body.

        The statement may stand in the address, in the body or in a form field; a body beside a statement in the address is
        the insert's data.
        """
        fields: dict[str, bytes] = {name: value.encode() for name, value in query}
        boundary = _BOUNDARY.search(content_type) if content_type.startswith("multipart/form-data") else None
        if boundary is not None:
            fields.update(_form(body, boundary[1].encode()))
            body = b""
        statement = fields.pop("query", b"")
        data = b""
        if body and _INSERT.fullmatch(statement):
            data = body  # as it is: it is large
        else:
            statement = statement + b"\n" + body if statement and body else statement or body
        database = fields.pop("database", b"").decode()
        parameters = {name.removeprefix("param_"): value.decode() for name, value in fields.items() if name.startswith("param_")}
        settings = frozenset(
            (name, value.decode()) for name, value in fields.items() if name not in _TRANSPORT and not name.startswith("param_")
        )
        return cls(statement, parameters, Session(database, settings), data)


@dataclass(frozen=True, slots=True)
class Result:
    """What a statement answered. `format` is empty where a statement answers nothing."""

    body: bytes
    format: str


class Engine:
    """Runs requests on handles of the one engine, at most `limits.concurrency` questions and as many inserts at once."""

    def __init__(self, directory: Path, limits: Limits) -> None:
        self.limits = limits
        # chdb compares paths letter by letter, and clickhouse-connect opens the real path.
        self._path = str(directory.resolve())
        # Of their own: an answer that takes a minute must not keep telemetry from being stored, nor the other way round.
        self._questions = threading.BoundedSemaphore(limits.concurrency)
        self._inserts = threading.BoundedSemaphore(limits.concurrency)
        self._idle: list[tuple[Session, Any]] = []
        self._lock = threading.Lock()

    def run(self, request: Request) -> Result:
        """Run one statement.

        Raises:
            EngineError: it failed.
        """
        with self._inserts if _INSERT.match(request.statement) else self._questions:
            handle = self._take(request.session)
            try:
                result = self._query(handle, request)
            except BaseException:  # an interrupt too: a handle in the middle of an answer goes to nobody else
                handle.close()
                raise
            self._put_back(request.session, handle)
        return result

    def close(self) -> None:
        with self._lock:
            for _, handle in self._idle:
                handle.close()
            self._idle.clear()

    def _query(self, handle: Any, request: Request) -> Result:  # noqa: ANN401 - chdb is untyped
        try:
            insert = _INSERT.match(request.statement)
            if insert is not None:
                _insert(handle, insert[1], insert[2], request.data or request.statement[insert.end() :])
                return Result(b"", "")
            explicit = _FORMAT.search(request.statement)
            if explicit is not None:
                body = handle.query(request.statement, "TabSeparated", params=request.parameters).bytes()
                return Result(bytes(body or b""), explicit[1].decode())
            # A statement that answers rows has at least the line of names; one that does not has nothing at all.
            named = bytes(handle.query(request.statement, "TabSeparatedWithNames", params=request.parameters).bytes() or b"")
            return Result(named.partition(b"\n")[2], "TabSeparated" if named else "")
        except RuntimeError as error:
            raise _engine_error(error) from error

    def _take(self, session: Session) -> Any:  # noqa: ANN401 - chdb is untyped
        with self._lock:
            for index, (known, handle) in enumerate(self._idle):
                if known == session:
                    del self._idle[index]
                    return handle
        return self._open(session)

    def _put_back(self, session: Session, handle: Any) -> None:  # noqa: ANN401 - chdb is untyped
        with self._lock:
            self._idle.append((session, handle))
            dropped = self._idle.pop(0)[1] if len(self._idle) > _IDLE_HANDLES else None
        if dropped is not None:
            dropped.close()

    def _open(self, session: Session) -> Any:  # noqa: ANN401 - chdb is untyped
        preparations = [f"SET {_setting_name(name)} = {_text(value)}" for name, value in sorted(session.settings)]
        if session.database:
            preparations.insert(0, f"USE {_identifier(session.database)}")
        import chdb  # noqa: PLC0415  half a gigabyte of library, and only the owner of the data directory needs it

        connect: Any = chdb.connect
        handle = connect(self._path)
        try:
            for statement in preparations:
                handle.query(statement, "TabSeparated")
        except RuntimeError as error:
            handle.close()
            raise _engine_error(error) from error
        return handle


def _insert(handle: Any, statement: bytes, data_format: bytes, data: bytes) -> None:  # noqa: ANN401 - chdb is untyped
    """Insert data through a file: chdb cuts off what stands behind a statement after 256 KiB."""
    with tempfile.NamedTemporaryFile(suffix=".insert") as file:
        file.write(data)
        file.flush()
        handle.query(statement + b" FROM INFILE " + _text(file.name).encode() + b" FORMAT " + data_format, "TabSeparated")


def _engine_error(error: RuntimeError) -> EngineError:
    code = _CODE.search(str(error))
    return EngineError(str(error), int(code[1]) if code else 1002)  # 1002: UNKNOWN_EXCEPTION


def _setting_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise EngineError(f"'{name}' is no name of a setting", code=115)  # UNKNOWN_SETTING
    return name


def _identifier(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _form(body: bytes, boundary: bytes) -> dict[str, bytes]:
    """The fields of a multipart form (RFC 7578)."""
    fields: dict[str, bytes] = {}
    for part in body.split(b"--" + boundary):
        head, separator, value = part.partition(b"\r\n\r\n")
        name = _FIELD.search(head)
        if separator and name is not None:
            fields[name[1].decode()] = value.removesuffix(b"\r\n")
    return fields
