"""One attempt to import a recording: rows under a name of its own, which nobody else writes, counts or publishes.

Processes that import at the same time cannot disturb one another, because a name is never used by two of them, what is published
is never taken back, and only its own attempt or a much later one removes rows.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final, Self

import pyarrow as pa

from middlewatch.records.errors import SourceUnavailable
from middlewatch.telemetry.clickhouse import ClickHouse

ABANDONED_SECONDS: Final = 86_400
"""An attempt this old that was not published is dead, and its rows are removed."""
LONGEST_SECONDS: Final = ABANDONED_SECONDS // 2
"""An attempt older than this is not published any more, so that none is removed that might still be. By the server's clock, as
above. Both are chosen, not measured: far above any import, and leftovers only cost disk."""

_SETS: Final = ("topology", "otel_traces_trace_id_ts", "span_links", "span_correlations")
"""Tables whose rows are not counted: doubles vanish by themselves, or the rows follow from those of other tables."""


@dataclass(frozen=True, slots=True)
class ImportAttempt:
    """Rows that are being copied and that no scope names yet."""

    database: ClickHouse
    tenant: str
    name: str

    @classmethod
    def begin(cls, database: ClickHouse, tenant: str, prefix: str) -> Self:
        """Choose a new name, and note it before the first row is written under it.

        Args:
            database: where to.
            tenant: whose recording it is.
            prefix: what the name begins with; at most 71 characters of those that a scope's `recording` may have.
        """
        attempt = cls(database, tenant, f"{prefix}-{secrets.token_hex(4)}")
        database.insert("imports", pa.table({"Tenant": [tenant], "Recording": [attempt.name]}))
        return attempt

    def check(self, rows: dict[str, int]) -> None:
        """Make sure that the attempt may be published.

        Args:
            rows: per table, how many were written.

        Raises:
            SourceUnavailable: rows are missing or double, or the attempt took too long.
        """
        for table, stored in self._stored().items():
            if stored != rows.get(table, 0):
                raise SourceUnavailable(
                    f"{table} has {stored} rows of this recording and should have {rows.get(table, 0)}", remedy="Import it again."
                )
        if self.name in _abandoned(self.database, self.tenant, LONGEST_SECONDS):
            raise SourceUnavailable("the import took more than half a day", remedy="Import it again.")

    def discard(self) -> None:
        """Remove the rows. The note of the attempt stays: an insert that was given up may still arrive."""
        for table, count in self._stored().items():
            if count:
                self._remove(table)
        for table in _SETS:
            self._remove(table)

    def _stored(self) -> dict[str, int]:
        table, _ = self.database.query("recording_rows", {"tenant": self.tenant, "recording": self.name})
        return {row["name"]: row["rows"] for row in table.to_pylist()}

    def _remove(self, table: str) -> None:
        self.database.command(f"remove_{table}", {"tenant": self.tenant, "recording": self.name})

    def forget(self) -> None:
        """Discard it for good."""
        self.discard()
        self._remove("imports")


def remove_abandoned(database: ClickHouse, tenant: str) -> None:
    """Remove what a tenant's imports that were killed long ago have left."""
    for name in _abandoned(database, tenant, ABANDONED_SECONDS):
        ImportAttempt(database, tenant, name).forget()


def _abandoned(database: ClickHouse, tenant: str, age_seconds: int) -> list[str]:
    table, _ = database.query("abandoned_imports", {"tenant": tenant, "age_seconds": age_seconds})
    return [row["name"] for row in table.to_pylist()]
