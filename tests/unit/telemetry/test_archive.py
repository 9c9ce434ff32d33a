"""Whatever happens to the database, the archive answers with the errors of a store, and a long list is whole."""

from __future__ import annotations

import pyarrow as pa
import pytest

from middlewatch.records.errors import SourceUnavailable, StoreUnavailable
from middlewatch.telemetry.archive import ClickHouseArchive
from middlewatch.telemetry.clickhouse import ClickHouse


def insert(database: ClickHouse, tenant: str, ids: list[str]) -> None:
    rows = {"Tenant": [tenant] * len(ids), "Id": ids, "Content": ["{}"] * len(ids)}
    database.insert("archived_investigations", pa.table(rows))


def test_a_list_longer_than_the_bound_on_rows_is_whole(
    clickhouse: ClickHouse, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert(clickhouse, tenant, [f"inv-{number}" for number in range(9)])
    monkeypatch.setattr(clickhouse, "limits", clickhouse.limits.model_copy(update={"rows": 4}))
    assert ClickHouseArchive(clickhouse).list(tenant) == tuple(f"inv-{number}" for number in range(9))


def test_a_damaged_row_is_told(clickhouse: ClickHouse, tenant: str) -> None:
    insert(clickhouse, tenant, ["inv-1"])
    with pytest.raises(StoreUnavailable, match="inv-1 is damaged"):
        ClickHouseArchive(clickhouse).get(tenant, "inv-1")


def test_a_database_that_does_not_answer_is_a_store_that_does_not(
    clickhouse: ClickHouse, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise SourceUnavailable("nobody answers", remedy="Start it.")

    monkeypatch.setattr(clickhouse, "query", refuse)
    with pytest.raises(StoreUnavailable, match="nobody answers"):
        ClickHouseArchive(clickhouse).list(tenant)
