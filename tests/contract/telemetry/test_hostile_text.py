"""Text from telemetry is data: it comes back as it went in, and never becomes SQL."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from middlewatch.records import Scope
from middlewatch.telemetry.clickhouse import ClickHouse
from tests.contract.telemetry.conftest import LiveSources, RecordingSources, window
from tests.telemetry_data import moment, signal_table

_HOSTILE = [
    "'; DROP TABLE otel_logs; --",
    "{tenant:String}",
    "a\0b",
    "`back` \"double\" 'single' \\ backslash \\' \\\\'",
    "%s %(x)s $1 ?",
    "line\nbreak\ttab\r",
    "\x1b[31mred\x1b[0m",
    "*/ UNION ALL SELECT 1 /*",
    "\u202eevil\ufeff \U0001f525",
    "\\N",
    "",
]


def test_hostile_names_and_bodies_come_back_unharmed(recorded: RecordingSources) -> None:
    sources = recorded(
        logs=[{"time": number, "service": text, "body": text} for number, text in enumerate(_HOSTILE)],
        traces=[{"service": text, "name": text} for text in _HOSTILE],
        metrics=[{"service": text, "metric": text, "attributes": {"key": text, text or "empty": "value"}} for text in _HOSTILE],
        changes=[{"service": text, "description": text} for text in _HOSTILE],
    )
    for text in _HOSTILE:
        logs = sources.logs.lines(window(), services=[text]).table
        assert logs.select(["service", "body"]).to_pylist() == [{"service": text, "body": text}]
        spans = sources.traces.spans(window(), services=[text]).table
        assert spans.select(["service", "operation"]).to_pylist() == [{"service": text, "operation": text}]
        if text:
            assert text in sources.logs.lines(window(), contains=text).table["body"].to_pylist()
    series = sources.metrics.series(window(), step_seconds=60, services=_HOSTILE, metrics=_HOSTILE).table
    found = {row["service"]: (row["metric"], dict(row["attributes"])) for row in series.to_pylist()}
    assert found == {text: (text, {"key": text, text or "empty": "value"}) for text in _HOSTILE}
    changes = sources.changes.changes(window(), services=_HOSTILE).table
    assert sorted(changes["description"].to_pylist()) == sorted(_HOSTILE)


def test_the_tables_are_still_there(database: ClickHouse, tenant: str) -> None:
    sources = database.sources(Scope(tenant=tenant), moment(3600))
    assert sources.logs.lines(window()).table.num_rows == 0


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=40))
def test_any_text_is_found_by_itself(clickhouse: ClickHouse, tenant: str, text: str) -> None:
    rows = signal_table("logs", [{"body": text}])
    clickhouse.insert(
        "otel_logs", rows.select(["time", "body"]).rename_columns(["Timestamp", "Body"]).append_column("Tenant", [[tenant]])
    )
    lines = clickhouse.sources(Scope(tenant=tenant), moment(3600)).logs.lines(window(), contains=text, limit=100).table
    assert text in lines["body"].to_pylist()


def test_invalid_utf_8_is_replaced_and_does_not_break_the_answer(live: LiveSources) -> None:
    times = signal_table("logs", [{}])["time"]
    sources = live("otel_logs", {"Timestamp": times, "ServiceName": ["shop"], "Body": [b"caf\xe9 broken"]})
    assert sources.logs.lines(window()).table["body"].to_pylist() == ["caf\ufffd broken"]
    assert sources.logs.patterns(window(), step_seconds=60).table["sample"].to_pylist() == ["caf\ufffd broken"]
