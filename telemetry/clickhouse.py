"""ClickHouse as a telemetry store: one SQL path for a server, this process, and another process's data directory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Annotated, Final, Self

import pyarrow as pa
from pydantic import Field

from middlewatch.records import DEFAULT_TENANT, Record, Scope, Tenant, UtcDatetime
from middlewatch.records.errors import RecordingError
from middlewatch.telemetry import clients
from middlewatch.telemetry.answers import Answers, Shared
from middlewatch.telemetry.clickhouse_changes import ClickHouseChanges
from middlewatch.telemetry.clickhouse_logs import ClickHouseLogs
from middlewatch.telemetry.clickhouse_metrics import ClickHouseMetrics
from middlewatch.telemetry.clickhouse_reader import Reader
from middlewatch.telemetry.clickhouse_traces import ClickHouseTraces
from middlewatch.telemetry.conventions import HEADER_ATTRIBUTE
from middlewatch.telemetry.failures import translated
from middlewatch.telemetry.limits import Limits
from middlewatch.telemetry.sources import Sources
from middlewatch.telemetry.statements import collector_views, migrations, statement

DATABASE: Final = "middlewatch"
"""The database that holds middlewatch's tables."""


class Collector(Record):
    """An OpenTelemetry Collector that writes to the same server with its ClickHouse exporter."""

    database: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$", description="the database of the exporter's tables")
    tenant: Tenant = Field(default=DEFAULT_TENANT, description="whose live telemetry that is")
    correlation_keys: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")], ...] = Field(
        default=(), description="attributes and headers of spans that have correlation ids, the first that is there"
    )

    @property
    def attributes(self) -> list[str]:
        """The attributes that correlation ids stand in."""
        return [name for key in self.correlation_keys for name in (key, HEADER_ATTRIBUTE + key.lower())]

    @property
    def views(self) -> str:
        """The database of the views over the Collector's tables and middlewatch's own.

        Each tenant has its own, since the views name the tenant: a process of another tenant must not replace them. In
        hexadecimal a tenant is part of a plain word, and no two become the same.
        """
        return f"middlewatch_collector_{self.tenant.encode().hex()}"


class ClickHouse:
    """A bounded client, safe to share between threads. Use it as a context manager, or call `close`."""

    def __init__(
        self,
        opener: clients.Opener,
        where: str,
        limits: Limits,
        *,
        directory: Path | None = None,
        collector: Collector | None = None,
    ) -> None:
        """Prefer `embedded`, `connect` or `attach`.

        Args:
            opener: opens one client.
            where: which ClickHouse this is, for error messages; without credentials.
            limits: the bounds of every query.
            directory: the data directory, where it is this process that holds it.
            collector: whose tables are read beside middlewatch's own.

        Raises:
            SourceUnavailable: nothing answers.
            DataDirectoryLocked: another process holds the data directory.
        """
        self.where = where
        self.limits = limits
        self.directory = directory
        self._open = opener
        self._collector = collector
        self._answers = Answers()
        self._opened = Shared[Sources]()
        with translated("opening", where):
            # Kept open: chdb lets go of the directory, and of its lock, with the last client.
            self._anchor = opener("")
        self._pool = clients.Pool(opener, limits, database=collector.views if collector else DATABASE)

    @classmethod
    def embedded(cls, path: Path, limits: Limits | None = None) -> Self:
        """ClickHouse inside this process. One process a directory, and one directory a process, at a time."""
        limits = limits or Limits()
        return cls(clients.embedded(path, limits), f"the telemetry store in {path}", limits, directory=path)

    @classmethod
    def connect(cls, url: str, limits: Limits | None = None, *, collector: Collector | None = None) -> Self:
        """A server over HTTP, such as `http://user:password@host:8123`."""
        limits = limits or Limits()
        opener = clients.by_url(url, limits)
        return cls(opener, f"the ClickHouse server at {clients.without_credentials(url)}", limits, collector=collector)

    @classmethod
    def attach(cls, socket: Path, limits: Limits | None = None) -> Self:
        """The data directory of another process, through the unix socket on which it serves it (`shim`)."""
        limits = limits or Limits()
        return cls(clients.by_socket(socket, limits), f"the telemetry store behind {socket}", limits)

    def query(self, name: str, parameters: Mapping[str, object] | None = None) -> tuple[pa.Table, str]:
        """Run the statement `queries/<name>.sql`.

        Args:
            name: the statement's name.
            parameters: values of its `{name:Type}` placeholders, bound by the server.

        Returns:
            The rows, and in words the bound that cut them short, or ''.

        Raises:
            BoundExceeded: the bound on time or memory was hit.
            SourceUnavailable: no answer.
        """
        with translated(f'query "{name}"', self.where), self._pool.client() as client:
            table = client.query_arrow(statement(name), parameters=dict(parameters or {}))
        if table.num_rows > self.limits.rows:
            return table.slice(0, self.limits.rows), f"only {self.limits.rows} rows were read: the bound on rows was hit"
        return table, ""

    def _shared(self, name: str, parameters: Mapping[str, object]) -> tuple[pa.Table, str]:
        """As `query`, but what was asked a moment ago is not asked again: agents of one investigation have questions in common."""
        return self._answers.get(name, parameters, lambda: self.query(name, parameters))

    def insert(self, table: str, rows: pa.Table) -> None:
        """Append rows; they are on disk when this returns. Columns that are absent get their defaults."""
        with translated(f"insert into {table}", self.where), self._pool.client() as client:
            client.insert_arrow(table, rows, database=DATABASE)

    def command(self, name: str, parameters: Mapping[str, object] | None = None) -> None:
        """Run the statement `queries/<name>.sql` that returns no rows."""
        with translated(f'command "{name}"', self.where), self._pool.client() as client:
            client.command(statement(name), parameters=dict(parameters or {}))

    def migrate(self) -> None:
        """Create the database and bring its tables up to date. Safe to repeat, also by several processes at once."""
        with translated("migration", self.where):
            self._prepare(DATABASE, _migrate)
            if self._collector is not None:
                views = collector_views(self._collector.database, self._collector.tenant, self._collector.attributes)
                self._prepare(self._collector.views, lambda client: _run_all(client, views))

    def _prepare(self, database: str, work: Callable[[clients.Client], None]) -> None:
        """Create a database and do `work` in it."""
        for name, step in (("", _creation(database)), (database, work)):
            client = self._open(name)
            try:
                step(client)
            finally:
                client.close()

    def sources(self, scope: Scope, horizon: UtcDatetime) -> Sources:
        """Everything that one investigation may read; the same object for all who ask within a moment.

        Args:
            scope: whose telemetry.
            horizon: nothing at or after it is ever read.

        Raises:
            RecordingError: the scope names a recording that was not imported, or not to its end.
        """
        asked = {**scope.model_dump(), "horizon": horizon.isoformat()}
        return self._opened.get("sources", asked, lambda: self._sources(scope, horizon))

    def _sources(self, scope: Scope, horizon: UtcDatetime) -> Sources:
        if scope.recording:
            found, _ = self.query("recordings", {"tenant": scope.tenant, "recording": scope.recording})
            if not found.num_rows:
                raise RecordingError(f'there is no imported recording "{scope.recording}"', remedy="Import it first.")
        reader = Reader(self._shared, scope, horizon)
        return Sources(
            scope=scope,
            horizon=horizon,
            metrics=ClickHouseMetrics(reader),
            logs=ClickHouseLogs(reader),
            traces=ClickHouseTraces(reader, self.limits.spans),
            changes=ClickHouseChanges(reader),
        )

    def close(self) -> None:
        """End. A query inside this process is waited for, within its bound: the engine crashes where Python ends under one."""
        ended = self._pool.close(await_seconds=0.0 if self.directory is None else self.limits.query_seconds)
        if ended or self.directory is None:
            self._anchor.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _creation(database: str) -> Callable[[clients.Client], None]:
    return lambda client: _run_all(client, [f"CREATE DATABASE IF NOT EXISTS {database}"])


def _migrate(client: clients.Client) -> None:
    """Run the migrations that have not run. Each can be repeated, so a kill between a step and its record does no harm."""
    steps = migrations()
    client.command(steps[0][2], parameters={})  # the table of the others
    done = set(client.query_arrow(statement("migrations_done"), parameters={})["Number"].to_pylist())
    missing = [step for step in steps if step[0] not in done]
    _run_all(client, [text for _, _, text in missing])
    if missing:
        numbers, names = pa.array([number for number, _, _ in missing], pa.uint32()), [name for _, name, _ in missing]
        client.insert_arrow("schema_migrations", pa.table({"Number": numbers, "Name": names}), database=DATABASE)


def _run_all(client: clients.Client, texts: Iterable[str]) -> None:
    for text in texts:
        client.command(text, parameters={})
