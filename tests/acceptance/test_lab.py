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
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from middlewatch.evals.lab.changes import FIRST_VERSIONS, INSTANCES
from middlewatch.evals.lab.detection import AlertRule, Objective
from middlewatch.evals.lab.exported import read_exported
from middlewatch.evals.lab.faults import QUIET
from middlewatch.evals.lab.measurements import SERVER_ERROR_RATIO
from middlewatch.evals.lab.recording import LabIncident, write_recording
from middlewatch.evals.lab.run import Progress, Run, require, run_shop
from middlewatch.evals.lab.run_folder import RunFolder
from middlewatch.evals.lab.schedule import Plan
from middlewatch.evals.lab.shop import AppliedChange, ShopOptions
from middlewatch.records import ChangeKind
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
    ("missing-market", "frozen-instance"),
    baseline_seconds=8,
    recovery_seconds=5,
    incident_seconds=120,
    investigation_seconds=2,
    warm_up_seconds=3,
    calm_seconds=3,
    # a shop on a busy machine is slow without a fault, but it does not fail
    alert=AlertRule((Objective("gateway", SERVER_ERROR_RATIO, 0.01),), hold_seconds=1.0),
    quiet_moments=True,
    shop=ShopOptions(requests_per_second=12, seed=7, stock_movements=2000, overlap_seconds=1, metrics_interval_seconds=1),
)
"""A fault that comes with a deploy and one that does not. Both make requests fail, at once and however fast the machine is."""


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
    def labels(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()]

    @property
    def info(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((self.folder / "recording.json").read_text(encoding="utf-8"))
        return loaded


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """One short run of the whole shop."""
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
    write_recording(output, read_exported(folder, run.began, run.ended), run.changes, run.incidents)
    return Recorded(run, output, messages)


def test_every_service_is_seen_in_every_signal(recorded: Recorded) -> None:
    for table in ("metrics", "logs", "traces"):
        assert {row["service"] for row in recorded.rows(table)} == set(FIRST_VERSIONS), table
    edges = {(row["caller"], row["callee"]) for row in recorded.rows("topology")}
    assert edges == {
        *(("gateway", service) for service in ("catalogue", "cart", "checkout", "inventory")),
        *(("checkout", service) for service in ("cart", "payment", "inventory", "notifications")),
        ("cart", "catalogue"),
        ("notifications", "catalogue"),
    }


def test_traces_are_whole_and_cross_services(recorded: Recorded) -> None:
    traces: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in recorded.rows("traces"):
        traces[row["trace_id"]].append(row)
    seconds = (recorded.run.ended - recorded.run.began).total_seconds()
    assert len(traces) > seconds * PLAN.shop.requests_per_second / 3
    for spans in traces.values():
        ids = {span["span_id"] for span in spans}
        roots = [span for span in spans if not span["parent_span_id"]]
        assert len(roots) == 1
        assert (roots[0]["service"], roots[0]["name"]) == ("notifications", "settle mails") or roots[0]["service"] == "gateway"
        assert all(span["parent_span_id"] in ids for span in spans if span["parent_span_id"])
    assert max(len({span["service"] for span in spans}) for spans in traces.values()) == len(FIRST_VERSIONS)


def test_logs_join_the_spans_in_which_they_were_written(recorded: Recorded) -> None:
    spans = {(row["trace_id"], row["span_id"]): row["service"] for row in recorded.rows("traces")}
    joined = [row for row in recorded.rows("logs") if row["trace_id"]]
    early = recorded.run.began + timedelta(seconds=3)  # before that, a line may belong to a trace that is older than the recording
    assert joined
    assert all(spans.get((row["trace_id"], row["span_id"])) == row["service"] for row in joined if row["time"] > early)


def deploys(recorded: Recorded) -> list[AppliedChange]:
    return [applied for applied in recorded.run.changes if applied.change.kind is ChangeKind.DEPLOY]


def test_deploys_really_replace_every_instance(recorded: Recorded) -> None:
    versions = {each["instance"]: each["version"] for each in recorded.info["instances"]}
    assert len(versions) == sum(INSTANCES.values()) + sum(INSTANCES[each.change.service] for each in deploys(recorded))
    for applied in deploys(recorded):
        assert len(applied.instances) == INSTANCES[applied.change.service]
        assert {versions[name] for name in applied.instances} == {applied.change.version}
    for service, count in INSTANCES.items():
        before = {
            row["instance"] for row in recorded.rows("metrics") if row["service"] == service and row["time"] < earliest(recorded)
        }
        assert {versions[name] for name in before} <= {FIRST_VERSIONS[service]}
        assert len(before) <= count


def earliest(recorded: Recorded) -> datetime:
    return recorded.run.changes[0].time


def test_deploys_are_no_outage(recorded: Recorded) -> None:
    began = min(cause.at for incident in recorded.run.incidents for cause in incident.causes)
    assert earliest(recorded) < began
    before = [row for row in recorded.rows("traces") if row["start_time"] < began - timedelta(seconds=1)]
    # Where nobody answers at an address, a call fails at once; on a machine that is overloaded one may run into its timeout.
    assert not [row for row in before if row["status_code"] == "ERROR" and row["duration_ns"] < 1e9]


def test_metrics_are_those_of_the_conventions(recorded: Recorded) -> None:
    units = {row["metric"]: row["unit"] for row in recorded.rows("metrics")}
    assert {
        "http.server.request.rate": "{request}/s",
        "http.server.request.error.ratio": "1",
        "http.server.request.duration.p99": "s",
        "container.cpu.usage": "{cpu}",
        "shop.mails.backlog": "{mail}",
        "messaging.process.duration.mean": "s",
        "http.client.request.duration.mean": "s",
        "db.client.operation.duration.mean": "s",
        "db.client.connection.count": "{connection}",
        "process.cpu.utilization": "1",
    }.items() <= units.items()


def failed(recorded: Recorded, service: str, start: datetime, end: datetime) -> int:
    """The spans in which calls of a service failed, on either side."""
    calls = {
        "catalogue": "GET /categories/{category}",
        "inventory": "GET /stock/{sku}",
        "checkout": "GET /customers/{customer}/orders",
        "payment": "POST /charges",
    }
    rows = (row for row in recorded.rows("traces") if row["name"] == calls[service] and start <= row["start_time"] < end)
    return sum(row["status_code"] == "ERROR" for row in rows)


def during(incident: LabIncident) -> tuple[datetime, datetime]:
    return incident.causes[0].at, incident.window_end


def test_the_faults_are_really_there_and_are_taken_back(recorded: Recorded) -> None:
    exception, frozen = recorded.run.incidents
    assert (exception.causes[0].service, exception.causes[0].instance) == ("catalogue", None)
    # until it was mended: on a busy machine what is noticed first may be the roll-out itself
    assert failed(recorded, "catalogue", exception.causes[0].at, exception.mended_at or exception.window_end) > 0
    assert any("KeyError" in row["body"] and row["service"] == "catalogue" and row["trace_id"] for row in recorded.rows("logs"))
    (roll_back,) = (applied for applied in recorded.run.changes if applied.change.description == "Roll back to 1.9.3")
    recovered = roll_back.time + timedelta(seconds=15), frozen.causes[0].at
    assert failed(recorded, "catalogue", *recovered) == 0

    (cause,) = frozen.causes
    assert failed(recorded, cause.service, *during(frozen)) > 0
    samples = [row["time"] for row in recorded.rows("metrics") if row["instance"] == cause.instance]
    assert not any(cause.at + timedelta(seconds=2) < time < frozen.window_end for time in samples)


def test_healthy_time_before_each_incident_is_kept_as_a_quiet_moment(recorded: Recorded) -> None:
    assert len(recorded.run.quiet) == len(recorded.run.incidents)
    for quiet, incident in zip(recorded.run.quiet, recorded.run.incidents, strict=True):
        assert quiet.window_end <= incident.causes[0].at
        assert (quiet.causes, quiet.name) == ((), QUIET)
        assert quiet.id not in {label["incident"] for label in recorded.labels}


def test_the_labels_say_what_was_done(recorded: Recorded) -> None:
    exception, frozen = recorded.labels
    assert exception["root_cause_kind"] == "code_exception/missing-market"
    assert frozen["root_cause_kind"] == "infrastructure/frozen-instance"
    assert frozen["root_cause_instance"].startswith(frozen["root_cause_service"])
    assert [label["incident"] for label in recorded.labels] == [incident.id for incident in recorded.run.incidents]


def test_progress_tells_what_happens(recorded: Recorded) -> None:
    assert recorded.messages[0] == "starting the shop"
    assert recorded.messages[-1] == "closing the shop"
    assert "missing-market, deploy of catalogue: Roll out 2.0.0: markets" in recorded.messages
    assert "frozen-instance: not noticed yet" in recorded.messages


RECORDER = """
import sys, pathlib
from middlewatch.evals.lab.changes import INSTANCES
INSTANCES.update(dict.fromkeys(INSTANCES, 1))
from middlewatch.evals.lab.run import record
from middlewatch.evals.lab.schedule import Plan
from middlewatch.evals.lab.shop import ShopOptions
plan = Plan(("dropped-index",), shop=ShopOptions(stock_movements=1000))
record(pathlib.Path(sys.argv[1]), plan, lambda progress: print(progress.message, flush=True))
"""
"""One instance of each service: here it matters that all are ended, not how many."""


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
    expected = len(INSTANCES) + 5  # with three Redis servers, the bank and the customers
    deadline = time.monotonic() + 30
    while len(processes_of(tmp_path)) < expected and time.monotonic() < deadline:
        time.sleep(0.1)  # one that has only just started has no command yet
    assert len(processes_of(tmp_path)) >= expected
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
