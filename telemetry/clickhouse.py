"""ClickHouse as a telemetry store: one SQL path for a server, this process, and another process's data directory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa

from middlewatch.records import Scope, UtcDatetime
from middlewatch.records.errors import RecordingError, SourceUnavailable
from middlewatch.telemetry import clients
from middlewatch.telemetry.clickhouse_changes import ClickHouseChanges
from middlewatch.telemetry.clickhouse_logs import ClickHouseLogs
from middlewatch.telemetry.clickhouse_metrics import ClickHouseMetrics
from middlewatch.telemetry.clickhouse_reader import Reader
from middlewatch.telemetry.clickhouse_traces import ClickHouseTraces
from middlewatch.telemetry.failures import translated
from middlewatch.telemetry.limits import Limits
from middlewatch.telemetry.sources import Sources
from middlewatch.telemetry.statements import migrations, statement

DATABASE = "middlewatch"
"""The database that holds middlewatch's tables."""


class ClickHouse:
    """A bounded client, safe to share between threads. Use it as a context manager, or call `close`."""

    def __init__(self, opener: clients.Opener, where: str, limits: Limits, *, directory: Path | None = None) -> None:
        """Prefer `embedded`, `connect` or `attach`.

        Args:
            opener: opens one client.
            where: which ClickHouse this is, for error messages; without credentials.
            limits: the bounds of every query.
            directory: the data directory, where it is this process that holds it.

        Raises:
            SourceUnavailable: nothing answers.
            DataDirectoryLocked: another process holds the data directory.
        """
        self.where = where
        self.limits = limits
        self.directory = directory
        self._open = opener
        with translated("opening", where):
            client = opener("")
            try:
                if not client.ping():
                    raise SourceUnavailable(f"{where} does not answer", remedy="Check that it runs and that its address is right.")
            finally:
                client.close()
        self._pool = clients.Pool(opener, DATABASE, limits)

    @classmethod
    def embedded(cls, path: Path, limits: Limits | None = None) -> Self:
        """ClickHouse inside this process. One process a directory, and one directory a process, at a time."""
        limits = limits or Limits()
        return cls(clients.embedded(path, limits), f"the telemetry store in {path}", limits, directory=path)

    @classmethod
    def connect(cls, url: str, limits: Limits | None = None) -> Self:
        """A server over HTTP, such as `http://user:password@host:8123`."""
        limits = limits or Limits()
        return cls(clients.by_url(url, limits), f"the ClickHouse server at {clients.without_credentials(url)}", limits)

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
        with translated(f"query '{name}'", self.where), self._pool.client() as client:
            table = client.query_arrow(statement(name), parameters=dict(parameters or {}))
        if table.num_rows > self.limits.rows:
            return table.slice(0, self.limits.rows), f"only {self.limits.rows} rows were read: the bound on rows was hit"
        return table, ""

    def insert(self, table: str, rows: pa.Table) -> None:
        """Append rows; they are on disk when this returns. Columns that are absent get their defaults."""
        with translated(f"insert into {table}", self.where), self._pool.client() as client:
            client.insert_arrow(table, rows)

    def command(self, name: str, parameters: Mapping[str, object] | None = None) -> None:
        """Run the statement `queries/<name>.sql` that returns no rows."""
        with translated(f"command '{name}'", self.where), self._pool.client() as client:
            client.command(statement(name), parameters=dict(parameters or {}))

    def migrate(self) -> None:
        """Create the database and bring its tables up to date. Safe to repeat, also by several processes at once."""
        with translated("migration", self.where):
            client = self._open("")
            try:
                client.command(f"CREATE DATABASE IF NOT EXISTS {DATABASE}", parameters={})
            finally:
                client.close()
            with self._pool.client() as client:
                steps = migrations()
                client.command(steps[0][2], parameters={})
                done = set(client.query_arrow(statement("migrations_done"), parameters={})["Number"].to_pylist())
                for number, name, text in steps:
                    if number not in done:
                        client.command(text, parameters={})
                        row = pa.table({"Number": pa.array([number], pa.uint32()), "Name": [name]})
                        client.insert_arrow("schema_migrations", row)

    def sources(self, scope: Scope, horizon: UtcDatetime) -> Sources:
        """Everything that one investigation may read.

        Args:
            scope: whose telemetry.
            horizon: nothing at or after it is ever read.

        Raises:
            RecordingError: the scope names a recording that was not imported, or not to its end.
        """
        if scope.recording:
            found, _ = self.query("recordings", {"tenant": scope.tenant, "recording": scope.recording})
            if not found.num_rows:
                raise RecordingError(f"there is no imported recording '{scope.recording}'", remedy="Import it first.")
        reader = Reader(self.query, scope, horizon)
        return Sources(
            scope=scope,
            horizon=horizon,
            metrics=ClickHouseMetrics(reader),
            logs=ClickHouseLogs(reader),
            traces=ClickHouseTraces(reader),
            changes=ClickHouseChanges(reader),
        )

    def close(self) -> None:
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
