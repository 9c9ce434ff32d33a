"""Invariant: a lab that is up sends real telemetry over OTLP, is broken and mended as it is asked, and leaves nothing running."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from middlewatch.evals.lab.changes import FIRST_VERSIONS
from middlewatch.evals.lab.control import LabControl
from middlewatch.evals.lab.up import LabPlace
from tests.acceptance.command import Running
from tests.acceptance.test_lab import missing, processes_of

pytestmark = pytest.mark.skipif(missing() != "", reason=missing())

PATIENCE_SECONDS = 60.0


@dataclass
class Receiver:
    """An OTLP receiver that keeps spans and counts the services of metrics."""

    spans: list[Any] = field(default_factory=list)
    measured: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, path: str, body: bytes) -> None:
        with self.lock:
            if path == "/v1/traces":
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    self.spans += [span for scope in resource.scope_spans for span in scope.spans]
            elif path == "/v1/metrics":
                for of_one in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                    self.measured |= {a.value.string_value for a in of_one.resource.attributes if a.key == "service.name"}

    def named(self, name: str) -> list[Any]:
        with self.lock:
            return [span for span in self.spans if span.name == name]


@pytest.fixture
def receiver() -> Iterator[tuple[Receiver, str]]:
    kept = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept.take(self.path, gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield kept, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def holds(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.2)
    return condition()


def test_a_lab_lives_is_broken_rolled_back_and_gone(tmp_path: Path, receiver: tuple[Receiver, str]) -> None:
    kept, endpoint = receiver

    def lab(*arguments: str) -> Any:
        with Running(tmp_path, "lab", *arguments, "--json") as command:
            said, complaints = command.communicate(150)
        assert command.returncode == 0, complaints
        return json.loads(said)

    asked = LabControl(LabPlace(tmp_path).socket)
    started = lab("up", "--detach", "--otlp", endpoint, "--rate", "12")
    try:
        assert {each["name"]: each["version"] for each in started["services"]} == dict(FIRST_VERSIONS)
        assert holds(lambda: kept.measured == set(FIRST_VERSIONS))
        assert lab("fault", "missing-market", "--seconds", "300")["service"] == "catalogue"
        assert holds(lambda: (asked.status()["customers"].get("failing") or 0) > 0.05)
        assert lab("rollback", "catalogue")["description"] == "Roll back to 1.9.3"
        assert lab("status")["faults"] == []
        assert holds(lambda: asked.status()["customers"]["failing"] == 0)

        assert holds(lambda: bool(kept.named("settle mails")) and bool(kept.named("process mails")))
        batch, work, sent = kept.named("settle mails")[0], kept.named("process mails")[0], kept.named("send mails")
        assert batch.links[0].trace_id != batch.trace_id
        assert {work.links[0].span_id} <= {span.span_id for span in sent}
        assert any(attribute.key == "correlation.id" for attribute in work.attributes)
        assert max(int.from_bytes(span.trace_id, "big") for span in sent) > 2**64
    finally:
        lab("down")
    assert holds(lambda: not processes_of(tmp_path))
    assert sorted(path.name for path in (tmp_path / "lab").iterdir()) == ["lab.log", "lock"]
