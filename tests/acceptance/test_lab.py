"""Invariant: the lab does what it says. Real processes serve, are replaced and are measured by their own telemetry; its signals
join; and however the recorder ends, nothing is left running.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from middlewatch.evals.lab.detection import Detection
from middlewatch.evals.lab.faults import FIRST_VERSIONS, fault_named
from middlewatch.evals.lab.measurements import SERVER_P99
from middlewatch.evals.lab.recording import Truth, read_exported, write_recording
from middlewatch.evals.lab.run import Progress, Run, require, run_shop
from middlewatch.evals.lab.run_folder import RunFolder
from middlewatch.evals.lab.schedule import Plan, schedule
from middlewatch.records.errors import Misconfigured


def missing() -> str:
    """What the lab lacks here; empty where it has everything."""
    try:
        require()
    except Misconfigured as error:
        return str(error)
    return ""


pytestmark = pytest.mark.skipif(missing() != "", reason=missing())

PLAN = Plan(
    "dropped-index",
    baseline_seconds=7,
    incident_seconds=7,
    requests_per_second=12,
    stock_movements=500_000,
    warm_up_seconds=3,
    overlap_seconds=1,
    metrics_interval_seconds=1,
)


@dataclass(frozen=True)
class Recorded:
    """What a run left behind."""

    run: Run
    folder: Path
    messages: list[str]

    def rows(self, table: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = pq.read_table(self.folder / f"{table}.parquet").to_pylist()
        return found

    @property
    def info(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((self.folder / "recording.json").read_text(encoding="utf-8"))
        return loaded


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """One short run of the whole shop. The alert needs more time than a test has, so the detection is set by hand."""
    root = tmp_path_factory.mktemp("lab")
    folder = RunFolder(root / "run")
    folder.root.mkdir()
    folder.create()
    messages: list[str] = []

    def note(progress: Progress) -> None:
        messages.append(progress.message)

    run = run_shop(folder, PLAN, note)
    output = root / "recording"
    output.mkdir()
    detection = Detection(run.cause.time + timedelta(seconds=5), SERVER_P99, 0.2)
    fault = fault_named(PLAN.fault)
    truth = Truth(run.cause, fault.root_cause_kind, fault.root_cause_indicator)
    write_recording(output, read_exported(folder, run.began, run.ended), run.changes, detection, run.ended, truth)
    return Recorded(run, output, messages)


def test_every_service_is_seen_in_every_signal(recorded: Recorded) -> None:
    for table in ("metrics", "logs", "traces"):
        assert {row["service"] for row in recorded.rows(table)} == set(FIRST_VERSIONS), table
    edges = {(row["caller"], row["callee"]) for row in recorded.rows("topology")}
    assert edges == {
        *(("storefront", service) for service in ("orders", "inventory", "pricing")),
        *(("orders", service) for service in ("inventory", "pricing")),
    }


def test_traces_are_whole_and_cross_services(recorded: Recorded) -> None:
    traces: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in recorded.rows("traces"):
        traces[row["trace_id"]].append(row)
    assert len(traces) > PLAN.total_seconds * PLAN.requests_per_second / 2
    for spans in traces.values():
        ids = {span["span_id"] for span in spans}
        assert [span["service"] for span in spans if not span["parent_span_id"]] == ["storefront"]
        assert all(span["parent_span_id"] in ids for span in spans if span["parent_span_id"])
    assert max(len({span["service"] for span in spans}) for spans in traces.values()) == len(FIRST_VERSIONS)


def test_logs_join_the_spans_in_which_they_were_written(recorded: Recorded) -> None:
    spans = {(row["trace_id"], row["span_id"]): row["service"] for row in recorded.rows("traces")}
    joined = [row for row in recorded.rows("logs") if row["trace_id"]]
    early = recorded.run.began + timedelta(seconds=3)  # before that, a line may belong to a trace that is older than the recording
    assert joined
    assert all(spans.get((row["trace_id"], row["span_id"])) == row["service"] for row in joined if row["time"] > early)


def test_deploys_really_replace_the_process(recorded: Recorded) -> None:
    versions = {(each["service"], each["instance"]): each["version"] for each in recorded.info["instances"]}
    assert len(versions) == len(FIRST_VERSIONS) + len(schedule(PLAN))
    for applied in recorded.run.changes:
        service = applied.change.service
        before, after = (
            {
                row["instance"]
                for row in recorded.rows("traces")
                if row["service"] == service and (row["start_time"] > moment) == late
            }
            for moment, late in ((applied.time, False), (applied.time + timedelta(seconds=12), True))
        )
        assert {versions[service, instance] for instance in before} == {FIRST_VERSIONS[service]}
        assert after <= {applied.instance}
        assert versions[service, applied.instance] == applied.change.version
    inventory = {row["instance"] for row in recorded.rows("traces") if row["service"] == "inventory"}
    assert recorded.run.cause.instance in inventory


def test_deploys_are_no_outage(recorded: Recorded) -> None:
    before = [row for row in recorded.rows("traces") if row["start_time"] < recorded.run.cause.time]
    assert {row["status_code"] for row in before} == {"UNSET"}


def test_metrics_are_those_of_the_conventions(recorded: Recorded) -> None:
    units = {row["metric"]: row["unit"] for row in recorded.rows("metrics")}
    assert {
        "http.server.request.rate": "{request}/s",
        "http.server.request.error.ratio": "1",
        "http.server.request.duration.p99": "s",
        "http.client.request.duration.mean": "s",
        "db.client.operation.duration.mean": "s",
        "db.client.connection.count": "{connection}",
        "process.cpu.utilization": "1",
    }.items() <= units.items()


def test_the_fault_is_really_there(recorded: Recorded) -> None:
    label = json.loads((recorded.folder / "labels.jsonl").read_text(encoding="utf-8"))
    assert (label["root_cause_service"], label["root_cause_instance"]) == ("inventory", recorded.run.cause.instance)
    queries = [row for row in recorded.rows("traces") if row["name"] == "SELECT movements"]
    usual, broken = (
        sorted(row["duration_ns"] for row in queries if (row["instance"] == recorded.run.cause.instance) == new)
        for new in (False, True)
    )
    assert broken[len(broken) // 2] > 10 * usual[len(usual) // 2]


def test_progress_tells_what_happens(recorded: Recorded) -> None:
    changes = [message for message in recorded.messages if message.startswith("deploy of")]
    assert changes == [f"deploy of {each.change.service}: {each.change.description}" for each in recorded.run.changes]
    assert recorded.messages[0] == "starting the shop"
    assert recorded.messages[-1] == "closing the shop"


RECORDER = """
import sys, pathlib
from middlewatch.evals.lab.run import record_plan
from middlewatch.evals.lab.schedule import Plan
plan = Plan("dropped-index", stock_movements=1000)
record_plan(pathlib.Path(sys.argv[1]), plan, lambda progress: print(progress.message, flush=True))
"""


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A recorder whose shop is open."""
    command = [sys.executable, "-c", RECORDER, str(tmp_path / "out" / "recording")]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert any(line.strip() == "warming up" for line in process.stdout)
        yield process


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_running(recorder: subprocess.Popen[str], sent: signal.Signals, tmp_path: Path) -> None:
    assert len(processes_of(tmp_path)) >= len(FIRST_VERSIONS) + 2  # with Redis and the customers
    recorder.send_signal(sent)
    recorder.communicate(timeout=60)
    deadline = time.monotonic() + 30
    while (left := processes_of(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left
    assert not (tmp_path / "out" / "recording").exists()
    if sent == signal.SIGINT:
        assert [path.name for path in tmp_path.iterdir()] == ["out"]
        assert not any((tmp_path / "out").iterdir())


def processes_of(folder: Path) -> list[str]:
    """The commands of the running processes, the recorder's own excepted, that mention the folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in command and RECORDER not in command:
            found.append(command)
    return found
