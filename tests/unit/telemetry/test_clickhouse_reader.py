"""How far a signal reaches is asked once, however much else is asked: it reads every item of seven days."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from middlewatch.records import Scope, Signal, Window
from middlewatch.telemetry.clickhouse_reader import Reader

HORIZON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Store:
    """Answers every statement, and remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def query(self, name: str, parameters: Mapping[str, object]) -> tuple[pa.Table, str]:
        self.asked.append(name)
        assert parameters["end"] <= parameters["horizon"]  # type: ignore[operator]
        if name.endswith("_freshness"):
            return pa.table({"items": [7], "watermark": [HORIZON - timedelta(minutes=1)], "services": [5]}), ""
        return pa.table({"caller": ["a", "b"], "callee": ["b", "c"]}), ""


def window(minutes: int) -> Window:
    return Window(start=HORIZON - timedelta(minutes=minutes), end=HORIZON)


def test_it_is_asked_once_for_all_answers_of_a_signal() -> None:
    store = Store()
    reader = Reader(store.query, Scope(tenant="default"), HORIZON)
    answers = [reader.answer(Signal.TRACES, "span_edges", window(minutes)) for minutes in (5, 10, 15)]
    assert store.asked.count("traces_freshness") == 1
    assert {answer.freshness.watermark for answer in answers} == {HORIZON - timedelta(minutes=1)}
    assert reader.items(Signal.TRACES) == 7
    assert store.asked.count("traces_freshness") == 1
    reader.answer(Signal.LOGS, "log_lines", window(5))
    assert store.asked.count("logs_freshness") == 1


def test_an_answer_counts_the_services_that_it_is_about() -> None:
    reader = Reader(Store().query, Scope(tenant="default"), HORIZON)
    assert reader.answer(Signal.TRACES, "span_edges", window(5)).freshness.services == 3
    assert reader.freshness(Signal.TRACES, window(5)).services == 5
