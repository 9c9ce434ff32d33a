"""The made-up system hangs together: requests are trees in time, logs belong to spans, and the same seed gives the same rows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.evals.scale.__main__ import main
from middlewatch.evals.scale.benchmark import _peers
from middlewatch.evals.scale.size import START, Size
from middlewatch.evals.scale.store import fill
from middlewatch.evals.scale.system import LAYERS, SLOTS, Node, System
from middlewatch.records import Scope, Window
from middlewatch.records.errors import BadInput
from middlewatch.telemetry.clickhouse import DATABASE, ClickHouse
from middlewatch.telemetry.clients import Client, embedded

SMALL = Size(services=12, series=120, spans=3000, lines=3000, hours=1.5, interval_seconds=60)


@given(services=st.integers(5, 60), seed=st.integers(0, 2**31))
def test_trees_are_in_preorder_and_calls_go_inwards(services: int, seed: int) -> None:
    system = System.drawn(services, seed)
    assert len(set(system.services)) == services
    assert len(system.slots) == SLOTS
    assert set(system.slots) <= set(range(len(system.trees)))
    for tree in system.trees:
        assert tree[0].size == len(tree)
        assert longest_way([*tree]) <= len(LAYERS)
    assert system.faulty not in {tree[0].service for tree in system.trees}
    assert system == System.drawn(services, seed)


def longest_way(tree: list[Node]) -> int:
    """Services that the longest way from the root goes through; fails where a subtree reaches out of its parent's."""
    ends: list[int] = []
    longest = 0
    for place, node in enumerate(tree):
        ends = [end for end in ends if end > place]
        assert all(place + node.size <= end for end in ends)
        if node.kind == "Server":
            longest = max(longest, 1 + sum(1 for end in ends if end > place) // 2)
        ends.append(place + node.size)
    return longest


@pytest.fixture(scope="module")
def filled(clickhouse: ClickHouse) -> str:
    assert clickhouse.directory is not None
    fill(clickhouse.directory, SMALL, lambda *_: None, tenant="made-up")
    return "made-up"


@pytest.fixture
def client(clickhouse: ClickHouse) -> Iterator[Client]:
    assert clickhouse.directory is not None
    with closing(embedded(clickhouse.directory, clickhouse.limits)(DATABASE)) as opened:
        yield opened


def rows(client: Client, text: str, tenant: str) -> list[dict[str, object]]:
    table: pa.Table = client.query_arrow(text, parameters={"tenant": tenant})
    found: list[dict[str, object]] = table.to_pylist()
    return found


def test_there_is_as_much_as_was_asked_for(client: Client, filled: str) -> None:
    counts = {
        table: rows(client, f"SELECT count() AS n FROM {table} WHERE Tenant = {{tenant:String}}", filled)[0]["n"]
        for table in ("otel_traces", "otel_logs", "otel_metrics_gauge", "otel_metrics_sum", "otel_metrics_histogram")
    }
    assert counts["otel_traces"] == pytest.approx(SMALL.spans, rel=0.1)
    assert counts["otel_logs"] == pytest.approx(SMALL.lines, rel=0.1)
    assert sum(int(str(n)) for table, n in counts.items() if "metrics" in table) == 120 * 90


def test_children_run_within_their_parents_and_every_parent_is_there(client: Client, filled: str) -> None:
    text = """
        SELECT count() AS children, countIf(parent.SpanId = '') AS orphans,
            countIf(own.Timestamp < parent.Timestamp) AS early,
            countIf(own.Timestamp + toIntervalNanosecond(own.Duration)
                > parent.Timestamp + toIntervalNanosecond(parent.Duration)) AS late
        FROM (SELECT * FROM otel_traces WHERE Tenant = {tenant:String} AND ParentSpanId != '') AS own
        LEFT ANY JOIN (SELECT * FROM otel_traces WHERE Tenant = {tenant:String}) AS parent
            ON parent.TraceId = own.TraceId AND parent.SpanId = own.ParentSpanId
    """
    (found,) = rows(client, text, filled)
    assert int(str(found.pop("children"))) > 0
    assert found == {"orphans": 0, "early": 0, "late": 0}


def test_lines_of_spans_fall_into_their_spans(client: Client, filled: str) -> None:
    text = """
        SELECT count() AS lines,
            countIf(span.SpanId = '' OR line.Timestamp < span.Timestamp OR line.ServiceName != span.ServiceName) AS stray
        FROM (SELECT * FROM otel_logs WHERE Tenant = {tenant:String} AND SpanId != '') AS line
        LEFT ANY JOIN (SELECT * FROM otel_traces WHERE Tenant = {tenant:String}) AS span
            ON span.TraceId = line.TraceId AND span.SpanId = line.SpanId
    """
    (found,) = rows(client, text, filled)
    assert int(str(found["lines"])) > SMALL.lines // 2
    assert found["stray"] == 0


def test_counters_never_fall_and_the_fault_shows(clickhouse: ClickHouse, filled: str) -> None:
    sources = clickhouse.sources(Scope(tenant=filled), SMALL.end)
    window = Window(start=START, end=SMALL.end)
    system = System.drawn(SMALL.services, SMALL.seed)
    faulty = system.services[system.faulty]
    series = sources.metrics.series(window, step_seconds=60, metrics=["http.server.requests"]).table
    assert min(min(values) for values in series["minimum"].to_pylist()) >= 0
    before, after = (
        sources.traces.behaviours(Window(start=begin, end=end), step_seconds=60, services=[faulty]).table.to_pylist()
        for begin, end in ((START, SMALL.fault), (SMALL.fault, SMALL.end))
    )
    own = [
        max(
            max(total / count for total, count in zip(row["log_self"], row["count"], strict=True))
            for row in table
            if row["operation"] == before[0]["operation"]
        )
        for table in (before, after)
    ]
    assert own[1] > own[0]
    changes = sources.changes.changes(window, services=[faulty]).table["time"].to_pylist()
    assert any(0 < (SMALL.fault - time).total_seconds() < 300 for time in changes)


def test_the_same_seed_gives_the_same_rows_and_another_gives_others(clickhouse: ClickHouse, client: Client, filled: str) -> None:
    assert clickhouse.directory is not None
    tiny = SMALL.model_copy(update={"spans": 1000, "lines": 1000})
    for tenant, size in (("one", tiny), ("same", tiny), ("other", tiny.model_copy(update={"seed": 2}))):
        fill(clickhouse.directory, size, lambda *_: None, tenant=f"{filled}-{tenant}")
    digests = {
        tenant: [
            rows(
                client,
                f"SELECT sum(cityHash64(* EXCEPT Tenant)) AS n FROM {table} WHERE Tenant = {{tenant:String}}",
                f"{filled}-{tenant}",
            )
            for table in ("otel_traces", "otel_logs", "otel_metrics_gauge", "otel_metrics_sum", "otel_metrics_histogram", "changes")
        ]
        for tenant in ("one", "same", "other")
    }
    assert digests["one"] == digests["same"]
    assert digests["one"][:5] != digests["other"][:5]


def test_the_command_fills_investigates_and_says_what_it_measured() -> None:
    size = ["--spans", "6000", "--lines", "3000", "--services", "10", "--series", "100", "--hours", "1.5", "--interval", "60"]
    ended = subprocess.run(
        [sys.executable, "-m", "middlewatch.evals.scale", *size, "--json"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert ended.returncode in {0, 3}, ended.stderr  # how fast it was is for the benchmark to say
    (result,) = json.loads(ended.stdout)
    (measured,) = result["rounds"]
    assert measured["right"] is True
    assert set(measured["probe_seconds"]) == {"spans", "lines", "points"}
    assert measured["processor_ratio"] > 0
    assert 0 < measured["start_mib"] <= measured["peak_mib"]
    assert "investigation 1 of 1" in ended.stderr


def test_a_size_that_makes_no_sense_is_refused_by_name() -> None:
    ended = CliRunner().invoke(main, ["--hours", "1"])
    assert ended.exit_code == 65
    assert ended.stderr.startswith("hours: ")


def test_other_methods_that_are_not_there_are_missed_by_name() -> None:
    with pytest.raises(BadInput, match="RCAEval"):
        _peers(Path(sys.executable), ())
