"""A team that runs the OpenTelemetry Collector reads its tables where they are, with the statements that read everything else."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from middlewatch.records import Scope, Window
from middlewatch.records.errors import RecordingError
from middlewatch.telemetry import clients
from middlewatch.telemetry.clickhouse import ClickHouse, Collector
from middlewatch.telemetry.recordings import import_recording
from middlewatch.telemetry.shim import Shim
from middlewatch.telemetry.statements import migrations
from tests.contract.telemetry.test_isolation import every_answer
from tests.telemetry_data import moment, write_recording

_TENANT = r"[a-z0-9][a-z0-9._-]{0,62}"
_HOUR = Window(start=moment(0), end=moment(3600))


def as_the_exporter_has_it(text: str) -> str:
    """The exporter's table: middlewatch's without the columns of its own."""
    return re.sub(r"\n    (Tenant|Recording) [^\n]*", "", text).replace("Tenant, Recording, ", "")


@pytest.fixture(scope="module")
def collector(clickhouse: ClickHouse) -> Iterator[Collector]:
    """A database with the exporter's tables, and some telemetry in them."""
    assert clickhouse.directory is not None
    opener = clients.embedded(clickhouse.directory, clickhouse.limits)
    client = opener("")
    client.command("DROP DATABASE IF EXISTS otel", parameters={})
    client.command("CREATE DATABASE otel", parameters={})
    client.close()
    client = opener("otel")
    for _, name, text in migrations():
        if "otel_" in name and "_key" not in name:  # the keys are middlewatch's own, too
            client.command(as_the_exporter_has_it(text), parameters={})
    time = pa.array([moment(1)], pa.timestamp("us", tz="UTC"))
    resource = pa.array([[("k8s.pod.name", "shop-1"), ("cloud.region", "eu")]], pa.map_(pa.string(), pa.string()))
    common = {"ServiceName": ["shop"], "ResourceAttributes": resource}
    client.insert_arrow("otel_logs", pa.table({"Timestamp": time, "Body": ["from the collector"], **common}), database="otel")
    span = {"Timestamp": time, "TraceId": ["t"], "SpanId": ["s"], "SpanName": ["GET /"], "Duration": pa.array([5], pa.uint64())}
    client.insert_arrow("otel_traces", pa.table({**span, **common}), database="otel")
    point = {"TimeUnix": time, "MetricName": ["m"], "Value": [1.5]}
    client.insert_arrow("otel_metrics_gauge", pa.table({**point, **common}), database="otel")
    yield Collector(database="otel", tenant="team")
    client.command("DROP DATABASE otel", parameters={})
    client.close()


@pytest.fixture(scope="module")
def database(clickhouse: ClickHouse, collector: Collector) -> Iterator[ClickHouse]:
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with Shim(clickhouse, listener), ClickHouse.connect(url, clickhouse.limits, collector=collector) as opened:
        opened.migrate()
        opened.migrate()
        yield opened


def test_the_collectors_telemetry_is_the_tenants(database: ClickHouse) -> None:
    sources = database.sources(Scope(tenant="team"), moment(3600))
    line = sources.logs.lines(_HOUR).table.to_pylist()[0]
    assert (line["body"], line["instance"], line["region"]) == ("from the collector", "shop-1", "eu")
    assert sources.traces.spans(_HOUR).table["operation"].to_pylist() == ["GET /"]
    assert sources.metrics.series(_HOUR, step_seconds=60).table["average"].to_pylist() == [[1.5]]


def test_it_is_nobody_elses(database: ClickHouse) -> None:
    sources = database.sources(Scope(tenant="another"), moment(3600))
    assert {name: answer.table.num_rows for name, answer in every_answer(sources).items()} == dict.fromkeys(
        every_answer(sources), 0
    )


def test_a_process_of_another_tenant_does_not_take_it_over(clickhouse: ClickHouse, database: ClickHouse) -> None:
    """Both start on one server, each with the Collector of its own."""
    assert clickhouse.directory is not None
    client = clients.embedded(clickhouse.directory, clickhouse.limits)("")
    client.command("CREATE DATABASE others_otel", parameters={})
    for table in (
        "logs",
        "traces",
        *(f"metrics_{kind}" for kind in ("gauge", "sum", "summary", "histogram", "exponential_histogram")),
    ):
        client.command(f"CREATE TABLE others_otel.otel_{table} AS otel.otel_{table}", parameters={})
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    theirs = Collector(database="others_otel", tenant="team-b")
    with Shim(clickhouse, listener), ClickHouse.connect(url, clickhouse.limits, collector=theirs) as other:
        other.migrate()
        for opened in (database, other):
            for tenant, expected in (("team", ["from the collector"] if opened is database else []), ("team-b", [])):
                lines = opened.sources(Scope(tenant=tenant), moment(3600)).logs.lines(_HOUR).table
                assert lines["body"].to_pylist() == expected
    client.command("DROP DATABASE others_otel", parameters={})
    client.close()


@given(st.from_regex(_TENANT, fullmatch=True), st.from_regex(_TENANT, fullmatch=True))
def test_views_of_two_tenants_are_in_two_databases(mine: str, other: str) -> None:
    views, others = (Collector(database="otel", tenant=tenant).views for tenant in (mine, other))
    assert re.fullmatch("[a-z_0-9]{1,200}", views)
    assert (views == others) == (mine == other)


def test_recordings_are_imported_and_read_beside_it(database: ClickHouse, tmp_path: Path) -> None:
    folder = write_recording(tmp_path / "shop", logs=[{"body": "recorded"}], traces=[{}], metrics=[{}], changes=[{}])
    imported = import_recording(database, "team", folder)
    sources = database.sources(Scope(tenant="team", recording=imported.name), moment(3600))
    assert sources.logs.lines(_HOUR).table["body"].to_pylist() == ["recorded"]
    assert sources.changes.changes(_HOUR).table.num_rows == 1
    with pytest.raises(RecordingError):
        database.sources(Scope(tenant="another", recording=imported.name), moment(3600))


@pytest.mark.parametrize("name", ["", "a b", "otel`; DROP", "x" * 64, "1otel"])
def test_a_database_name_is_a_plain_word(name: str) -> None:
    with pytest.raises(ValidationError):
        Collector(database=name)
