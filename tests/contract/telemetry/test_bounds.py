"""A query costs no more than its bounds, says when one cut it short, and says how far the data reach."""

from __future__ import annotations

import threading

import pytest

from middlewatch.records import Scope
from middlewatch.records.errors import BoundExceeded
from middlewatch.telemetry import clickhouse as clickhouse_module
from middlewatch.telemetry.clickhouse import ClickHouse
from middlewatch.telemetry.limits import Limits
from tests.contract.telemetry.conftest import RecordingSources, Way, window
from tests.telemetry_data import moment

_SLOW = "SELECT count() AS n FROM numbers(1000000000000) WHERE sipHash64(number) = {seed:UInt64}"
_GREEDY = "SELECT length(groupArray(number)) AS n FROM numbers(1000000000)"
_LONG = "SELECT number FROM numbers(1000000)"


def statements(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(clickhouse_module, "statement", lambda _: text)


def test_a_query_that_takes_too_long_is_stopped(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    statements(monkeypatch, _SLOW)
    with way(Limits(query_seconds=1)) as database, pytest.raises(BoundExceeded, match=r'"slow" was stopped.*bound on time'):
        database.query("slow", {"seed": 1})


def test_a_query_that_needs_too_much_memory_is_stopped(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    statements(monkeypatch, _GREEDY)
    with way(Limits(memory_bytes=64 * 1024**2)) as database, pytest.raises(BoundExceeded, match="bound on memory"):
        database.query("greedy", {"unused": 1})


def test_too_many_rows_are_cut_and_the_cut_is_told(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    statements(monkeypatch, _LONG)
    with way(Limits(rows=1000)) as database:
        table, bound = database.query("long", {"unused": 1})
    assert table.num_rows == 1000
    assert bound == "only 1000 rows were read: the bound on rows was hit"


def test_after_a_bound_the_store_still_answers(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    with way(Limits(query_seconds=1, concurrency=1)) as database:
        with monkeypatch.context() as patched:
            statements(patched, _SLOW)
            with pytest.raises(BoundExceeded):
                database.query("slow", {"seed": 1})
        assert database.query("recordings", {"tenant": "nobody", "recording": ""})[0].num_rows == 0


def test_no_more_queries_run_at_once_than_the_bound_allows(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    statements(monkeypatch, _SLOW)
    outcomes: list[str] = []

    def ask(database: ClickHouse) -> None:
        with pytest.raises(BoundExceeded) as caught:
            database.query("slow", {"seed": 1})
        outcomes.append(str(caught.value))

    with way(Limits(query_seconds=1, concurrency=1)) as database:
        threads = [threading.Thread(target=ask, args=(database,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(outcomes) == 3
    assert any("queries were running" in outcome for outcome in outcomes)


def test_many_threads_share_one_store(recorded: RecordingSources) -> None:
    sources = recorded(logs=[{"service": f"s{number}", "body": f"b{number}"} for number in range(8)])
    found: dict[int, list[str]] = {}

    def ask(number: int) -> None:
        for _ in range(3):
            found[number] = sources.logs.lines(window(), services=[f"s{number}"]).table["body"].to_pylist()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: [f"b{number}"] for number in range(8)}


def test_every_answer_says_how_far_its_source_reaches(recorded: RecordingSources) -> None:
    sources = recorded(horizon=600, logs=[{"time": 30}, {"time": 90, "service": "other"}, {"time": 700}])
    freshness = sources.logs.patterns(window(0, 60), step_seconds=60).freshness
    assert (freshness.watermark, freshness.horizon, freshness.services) == (moment(90), moment(600), 1)
    assert freshness.lag_seconds == 510
    silent = sources.traces.spans(window(0, 60)).freshness
    assert (silent.watermark, silent.services, silent.lag_seconds) == (None, 0, None)


def test_unknown_tenants_have_nothing(database: ClickHouse) -> None:
    assert database.sources(Scope(tenant="nobody"), moment(60)).logs.lines(window(0, 60)).table.num_rows == 0
