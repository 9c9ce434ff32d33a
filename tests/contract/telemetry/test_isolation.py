"""Nobody sees another tenant's rows, another recording's, or a recording that was not imported to its end.

The rows here have identical ids, services and times on purpose.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from middlewatch.records import Scope
from middlewatch.records.errors import RecordingError
from middlewatch.telemetry.clickhouse import ClickHouse
from middlewatch.telemetry.recordings import import_recording, imported_recordings
from middlewatch.telemetry.sources import Answer, Sources
from tests.contract.telemetry.conftest import window
from tests.telemetry_data import moment, signal_table, write_recording


def every_answer(sources: Sources) -> dict[str, Answer]:
    """Each question of each source, over the whole hour."""
    hour = window()
    return {
        "catalogue": sources.metrics.catalogue(hour),
        "series": sources.metrics.series(hour, step_seconds=60),
        "quantiles": sources.metrics.quantiles(hour, metric="http.server.request.duration", quantiles=[0.5], step_seconds=60),
        "patterns": sources.logs.patterns(hour, step_seconds=60),
        "requests": sources.logs.requests(hour, share=1.0),
        "examples": sources.logs.examples(hour, split=hour.start),
        "lines": sources.logs.lines(hour),
        "behaviours": sources.traces.behaviours(hour, step_seconds=60),
        "edges": sources.traces.edges(hour, step_seconds=60),
        "clocks": sources.traces.clocks(hour, share=1.0),
        "whole requests": sources.traces.requests(hour, share=1.0),
        "spans": sources.traces.spans(hour),
        "relatives": sources.traces.relatives(hour, trace_id="00000000000000000000000000000001"),
        "changes": sources.changes.changes(hour),
    }


def a_bit_of_everything(folder: Path, mark: str) -> Path:
    return write_recording(
        folder,
        metrics=[{"instance": mark}],
        logs=[{"body": mark}],
        traces=[{"instance": mark}, {"instance": mark, "span_id": "2", "parent_span_id": "0000000000000001", "service": mark}],
        changes=[{"version": mark}],
        topology=[{"callee": mark}],
    )


def whole_text(sources: Sources) -> str:
    return "\n".join(str(answer.table.to_pylist()) for answer in every_answer(sources).values())


def test_two_tenants_with_identical_ids_never_see_each_others_rows(database: ClickHouse, tenant: str, tmp_path: Path) -> None:
    mine, other = f"{tenant}-mine", f"{tenant}-other"
    ours = import_recording(database, mine, a_bit_of_everything(tmp_path / "same", "ours"))
    theirs = import_recording(database, other, a_bit_of_everything(tmp_path / "same", "theirs"))
    seen = whole_text(database.sources(Scope(tenant=mine, recording=ours.name), moment(3600)))
    assert "ours" in seen
    assert "theirs" not in seen
    assert [found.name for found in imported_recordings(database, mine)] == [ours.name]
    with pytest.raises(RecordingError, match="no imported recording"):
        database.sources(Scope(tenant=mine, recording=theirs.name), moment(3600))


def test_live_telemetry_of_two_tenants_never_mixes(database: ClickHouse, tenant: str) -> None:
    times = pa.array([moment(1)], pa.timestamp("us", tz="UTC"))
    for owner in (f"{tenant}-a", f"{tenant}-b"):
        database.insert("otel_logs", pa.table({"Tenant": [owner], "Timestamp": times, "ServiceName": ["shop"], "Body": [owner]}))
    seen = database.sources(Scope(tenant=f"{tenant}-a"), moment(3600)).logs.lines(window()).table
    assert seen["body"].to_pylist() == [f"{tenant}-a"]


def test_two_recordings_of_one_tenant_never_mix(database: ClickHouse, tenant: str, tmp_path: Path) -> None:
    first = import_recording(database, tenant, a_bit_of_everything(tmp_path / "first" / "same", "first-mark"))
    second = import_recording(database, tenant, a_bit_of_everything(tmp_path / "second" / "same", "second-mark"))
    assert first.name != second.name
    seen = whole_text(database.sources(Scope(tenant=tenant, recording=first.name), moment(3600)))
    assert "first-mark" in seen
    assert "second-mark" not in seen
    live = database.sources(Scope(tenant=tenant), moment(3600))
    assert (live.logs.lines(window()).table.num_rows, live.traces.spans(window()).table.num_rows) == (0, 0)


def test_rows_of_an_import_that_did_not_end_cannot_be_read(database: ClickHouse, tenant: str) -> None:
    rows = signal_table("logs", [{"body": "half"}])
    database.insert(
        "otel_logs",
        pa.table({"Tenant": [tenant], "Recording": ["half-1"], "Timestamp": rows["time"], "Body": rows["body"]}),
    )
    with pytest.raises(RecordingError, match='no imported recording "half-1"'):
        database.sources(Scope(tenant=tenant, recording="half-1"), moment(3600))


def test_whoever_asks_within_a_moment_shares_what_is_worked_out_and_nobody_else_does(database: ClickHouse, tenant: str) -> None:
    opened = database.sources(Scope(tenant=tenant), moment(3600))
    assert database.sources(Scope(tenant=tenant), moment(3600)).worked_out is opened.worked_out
    assert database.sources(Scope(tenant=tenant), moment(3601)).worked_out is not opened.worked_out
    assert database.sources(Scope(tenant=f"{tenant}-b"), moment(3600)).worked_out is not opened.worked_out
