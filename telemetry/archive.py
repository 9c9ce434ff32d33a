"""Closed investigations in ClickHouse: an archive that every machine of a cluster can reach, unlike a folder."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Literal

import pyarrow as pa
from pydantic import ValidationError

from middlewatch.records import Event, Headline, Investigation, InvestigationState, Record, Snapshot
from middlewatch.records.errors import BoundExceeded, SourceUnavailable, StoreUnavailable, UnknownInvestigation
from middlewatch.telemetry.clickhouse import ClickHouse

LOG = logging.getLogger(__name__)

_TABLE: Final = "archived_investigations"


class _Content(Record):
    """What is kept of an investigation; the same as in a file of the file archive."""

    format: Literal["middlewatch.archive/v1"] = "middlewatch.archive/v1"
    snapshot: Snapshot
    events: tuple[Event, ...]


class ClickHouseArchive:
    """One row an investigation. The context store says what an archive promises; the database has to be migrated."""

    def __init__(self, database: ClickHouse) -> None:
        self._database = database

    def put(self, snapshot: Snapshot, events: Sequence[Event]) -> None:
        """Keep it; durable when this returns. Putting the same one again changes nothing.

        Raises:
            StoreUnavailable: when it could not be kept.
        """
        investigation = snapshot.investigation
        row = {
            "Tenant": pa.array([investigation.tenant]),
            "Id": pa.array([investigation.id]),
            "ClosedAt": pa.array([investigation.closed_at], pa.timestamp("us", tz="UTC")),
            "Content": pa.array([_Content(snapshot=snapshot, events=tuple(events)).model_dump_json()]),
        }
        with _as_store():
            self._database.insert(_TABLE, pa.table(row))

    def get(self, tenant: str, identifier: str) -> tuple[Snapshot, tuple[Event, ...]]:
        """What was put.

        Raises:
            UnknownInvestigation: when nothing was.
            StoreUnavailable: when it is damaged or the database does not answer.
        """
        with _as_store():
            found, _ = self._database.query("archived_investigation", {"tenant": tenant, "id": identifier})
        if not found.num_rows:
            raise UnknownInvestigation(f"The archive has no investigation {identifier}.")
        try:
            content = _Content.model_validate_json(found["content"][0].as_py())
        except ValidationError as error:
            raise StoreUnavailable(
                f"The archive's investigation {identifier} is damaged: {error.error_count()} fields are wrong.",
                remedy="Restore it from a backup.",
            ) from None
        return content.snapshot, content.events

    def list(self, tenant: str) -> tuple[str, ...]:
        """The ids that a tenant has here, in order.

        Raises:
            StoreUnavailable: when the database does not answer.
        """
        ids: list[str] = []
        with _as_store():
            while True:
                found, cut = self._database.query(_TABLE, {"tenant": tenant, "after": ids[-1] if ids else ""})
                ids += found["id"].to_pylist()
                if not cut:
                    return tuple(ids)

    def heads(self, tenant: str, *, limit: int) -> tuple[Investigation, ...]:
        """A tenant's investigations that were opened last, newest first, each with its headline where there was a report.

        Raises:
            StoreUnavailable: when the database does not answer. One that is damaged is left out.
        """
        with _as_store():
            found, _ = self._database.query("archived_heads", {"tenant": tenant, "limit": max(0, limit)})
        rows = zip(found["id"].to_pylist(), found["head"].to_pylist(), strict=True)
        heads = (self._head(tenant, identifier, text) for identifier, text in rows)
        return tuple(head for head in heads if head is not None)

    def _head(self, tenant: str, identifier: str, text: str) -> Investigation | None:
        try:
            head = Investigation.model_validate_json(text)
            if head.headline is not None or head.state is not InvestigationState.CLOSED:
                return head
            snapshot, events = self.get(tenant, identifier)
        except (ValidationError, StoreUnavailable) as error:
            LOG.warning("the archived investigation %s is not in the list: %s", identifier, error)
            return None
        if snapshot.report is None:
            return head
        head = head.model_copy(update={"headline": Headline.of(snapshot.report)})  # from before there were headlines
        self.put(snapshot.model_copy(update={"investigation": head}), events)
        return head


@contextmanager
def _as_store() -> Iterator[None]:
    """Who archives knows the errors of a store, not those of telemetry."""
    try:
        yield
    except (SourceUnavailable, BoundExceeded) as error:
        raise StoreUnavailable(error.message, remedy=error.remedy) from error
