"""Invariant: the analyses say the same of a recording in ClickHouse as of the same requests in memory, and the guilty leads."""

from __future__ import annotations

from pathlib import Path

import pytest

from middlewatch.records import Assessment, Scope
from middlewatch.telemetry.clickhouse import ClickHouse
from middlewatch.telemetry.recordings import import_recording
from middlewatch.telemetry.sources import Sources
from middlewatch.tools.logs import assess_logs
from middlewatch.tools.traces import assess_traces
from tests.telemetry_data import write_recording
from tests.unit.tools.synthetic_request_sources import request_sources
from tests.unit.tools.synthetic_requests import Fault, Requests, requests
from tests.unit.tools.synthetic_telemetry import DETECTED, END, brief


def imported(database: ClickHouse, tenant: str, folder: Path, made: Requests) -> Sources:
    recording = write_recording(
        folder,
        traces=[
            {
                "trace_id": span.trace_id,
                "span_id": span.span_id,
                "parent_span_id": span.parent_span_id,
                "service": span.service,
                "name": span.operation,
                "start_time": span.start,
                "duration_ns": round(span.duration_ms * 1e6),
                "status_code": "Error" if span.failed else "Unset",
            }
            for span in made.spans
        ],
        logs=[
            {
                "time": line.time,
                "service": line.service,
                "severity": line.severity,
                "body": line.body,
                "trace_id": line.trace_id,
                "span_id": line.span_id,
            }
            for line in made.lines
        ],
        incidents=[{"detected_at": DETECTED, "window_end": END}],
        info={"start": min(span.start for span in made.spans), "end": END},
    )
    name = import_recording(database, tenant, recording).name
    return database.sources(Scope(tenant=tenant, recording=name), END)


def essence(found: Assessment) -> list[tuple[str, str, str, str]]:
    return sorted((a.kind, a.service, a.peer, a.subject) for a in found.anomalies)


@pytest.mark.parametrize(
    "fault", [Fault("cart", slower=4.0), Fault("cart", returns_early=True), Fault("store", fails=True)], ids=repr
)
def test_clickhouse_and_memory_agree(fault: Fault, clickhouse: ClickHouse, tenant: str, tmp_path: Path) -> None:
    made = requests(fault, minutes=20, after_end=2)
    stored, held = imported(clickhouse, tenant, tmp_path / "recording", made), request_sources(made)
    leaders = []
    for assess in (assess_traces, assess_logs):
        there, here = assess(stored, brief()), assess(held, brief())
        assert there.scores == pytest.approx(here.scores, abs=0.01)
        assert there.usual_tops == pytest.approx(here.usual_tops, abs=0.01)
        assert essence(there) == essence(here)
        assert (there.edges, there.notes) == (here.edges, here.notes)
        assert [a.samples for a in there.anomalies] == [a.samples for a in here.anomalies]
        leaders += [service for service, score in there.scores.items() if score == max(there.scores.values()) > 0]
    assert set(leaders) == {fault.service}
