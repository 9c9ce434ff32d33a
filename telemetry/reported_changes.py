"""Changes that come in live: written to the table that analyses read, and each of them once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from middlewatch.records import Change, ChangeKind, ReportedChange, UtcDatetime
from middlewatch.telemetry.clickhouse import ClickHouse
from middlewatch.telemetry.clickhouse_reader import names, nanoseconds
from middlewatch.telemetry.conventions import CLOUD_REGION, K8S_CLUSTER_NAME

_PREFIX = "middlewatch.change."
_LONG_AGO = 0


class ReportedChanges:
    """The live changes of a tenant. Every method may raise `SourceUnavailable`."""

    def __init__(self, database: ClickHouse, tenant: str) -> None:
        self._database = database
        self._tenant = tenant

    def known(self, ids: Sequence[str], since: UtcDatetime) -> frozenset[str]:
        """Those of these ids that are there, with a time from a moment on."""
        return frozenset(str(row["id"]) for row in self._rows(limit=len(ids) * 2, ids=ids, since=since)) if ids else frozenset()

    def add(self, changes: Sequence[ReportedChange]) -> None:
        """Append them; they are on disk when this returns."""
        if changes:
            self._database.insert("changes", _table(changes))

    def newest(
        self,
        *,
        limit: int,
        services: Sequence[str] = (),
        since: UtcDatetime | None = None,
        kinds: Iterable[ChangeKind] = ChangeKind,
    ) -> tuple[ReportedChange, ...]:
        """The newest of some kinds, the newest first; those of kinds that are unknown here are left out."""
        rows = self._rows(limit=limit, services=services, since=since, kinds=sorted(kinds))
        return tuple(_reported(self._tenant, row) for row in rows)

    def _rows(
        self,
        *,
        limit: int,
        ids: Sequence[str] = (),
        services: Sequence[str] = (),
        since: UtcDatetime | None = None,
        kinds: Sequence[str] = (),
    ) -> list[dict[str, Any]]:
        asked = {
            "tenant": self._tenant,
            "recording": "",
            "horizon": 2**63 - 1,  # of what was reported, all that there is
            "since": _LONG_AGO if since is None else nanoseconds(since),
            "ids": names(ids),
            "services": names(services),
            "kinds": names(kinds),
            "limit": limit,
            "region_key": CLOUD_REGION,
            "cluster_key": K8S_CLUSTER_NAME,
        }
        rows: list[dict[str, Any]] = self._database.query("recorded_changes", asked)[0].to_pylist()
        return rows


def _table(changes: Sequence[ReportedChange]) -> pa.Table:
    whole = [one.change for one in changes]
    attributes = [
        {
            key: value
            for key, value in {
                CLOUD_REGION: one.change.region,
                K8S_CLUSTER_NAME: one.change.cluster,
                f"{_PREFIX}id": one.id,
                f"{_PREFIX}sender": one.sender,
                f"{_PREFIX}reference": one.reference,
                f"{_PREFIX}mapped_by": one.mapped_by,
                f"{_PREFIX}url": one.url,
            }.items()
            if value
        }
        for one in changes
    ]
    return pa.table(
        {
            "Tenant": [change.tenant for change in whole],
            "Recording": [""] * len(whole),
            "Timestamp": pa.array([change.time for change in whole], pa.timestamp("us", tz="UTC")),
            "ServiceName": [change.service for change in whole],
            "Kind": [change.kind.value for change in whole],
            "Version": [change.version for change in whole],
            "Actor": [change.actor for change in whole],
            "Description": [change.description for change in whole],
            "ResourceAttributes": pa.array([list(each.items()) for each in attributes], pa.map_(pa.string(), pa.string())),
        }
    )


def _reported(tenant: str, row: dict[str, Any]) -> ReportedChange:
    change = Change(
        tenant=tenant,
        time=row["time"],
        service=row["service"],
        kind=ChangeKind(row["kind"]),
        **{name: row[name] for name in ("version", "actor", "description", "region", "cluster")},
    )
    return ReportedChange(
        change=change,
        sender=row["sender"] or "telemetry",
        reference=row["reference"][:256],
        mapped_by=row["mapped_by"],
        url=row["url"][:2048],
    )
