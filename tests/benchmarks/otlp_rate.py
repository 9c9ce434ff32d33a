"""How many spans a second the OTLP intake stores, against a bare `insert_arrow` of the same spans, while an investigation runs.

    python -m tests.benchmarks.otlp_rate --seconds 20

`middlewatch serve` owns a data directory with a made-up system's telemetry and investigates it again and again; `middlewatch otlp`
stands beside it and is sent spans as a Collector sends them by default. The bare inserts go into a store of this process, with the
same tables: the rows ready in memory, nothing to decode, nothing to wait for. Both are measured in turns in the same run, with and
without an investigation, each once what the other left to merge is merged.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from middlewatch.app import open_app
from middlewatch.evals.scale.size import Size
from middlewatch.evals.scale.store import fill
from middlewatch.frontends.otlp.decoded import Ground
from middlewatch.frontends.otlp.reception import Signal
from middlewatch.records.errors import MiddlewatchError
from middlewatch.settings import Settings
from middlewatch.telemetry.clickhouse import ClickHouse
from tests.otlp_site import OtlpProcess

SENDERS = 10
"""At once: the consumers of a Collector's sending queue, by default."""
SPANS = 8_192
"""Of one request: a Collector's batch, by default."""
REQUESTS = 20
"""That are made beforehand and sent again and again."""
INSERTED = SENDERS * SPANS // 2
"""Rows of a bare insert: what the intake has at once, since half of what is sent waits while the other half is inserted."""
SETTLED_SECONDS, SETTLED = 30.0, 0.1
"""How long it may take until a process uses less than this part of a processor."""
SERVICES = 8
SERIES = 500
"""Of the investigated system."""


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--spans", type=int, default=1_000_000, help="that the investigated system has; as many lines")
    asked = parser.parse_args()
    bodies = [request(number) for number in range(REQUESTS)]
    rows = [Signal.TRACES.value.decode(Signal.TRACES.value.reader.FromString(body), Ground("bare")).tables for body in bodies]
    batch = pa.concat_tables([table for tables in rows for table in tables.values()]).slice(0, INSERTED).combine_chunks()
    measured: dict[str, list[Measured]] = {}
    with tempfile.TemporaryDirectory(prefix="otlp-rate-") as folder:
        data = Path(folder) / "data"
        size = Size(spans=asked.spans, lines=asked.spans, series=SERIES)
        fill(data / "clickhouse", size, lambda *_: None)
        with ClickHouse.embedded(Path(folder) / "bare") as bare, serving(data) as owner:
            bare.migrate()
            process = OtlpProcess.start(data)
            processes = {"who sends": os.getpid(), "who decodes": process.process.pid, "who inserts": owner}
            try:
                for _ in range(asked.rounds):
                    for name, surroundings in (("alone", quiet), ("while it investigates", lambda: investigating(data, size))):
                        settle(owner)
                        with surroundings():
                            one = measure({"who inserts": os.getpid()}, lambda: inserted(bare, batch, asked.seconds))
                            measured.setdefault(f"bare insert, {name}", []).append(told(f"bare insert, {name}", one))
                            settle(os.getpid())
                            one = measure(processes, lambda: sent(process.told.http, bodies, asked.seconds))
                            measured.setdefault(f"intake, {name}", []).append(told(f"intake, {name}", one))
            finally:
                process.end()
    tell(measured)


@dataclass(frozen=True)
class Measured:
    """Spans a second, and the processor time of each, in microseconds, by process."""

    rate: float
    costs: dict[str, float]


def measure(processes: dict[str, int], work: Callable[[], tuple[int, float]]) -> Measured:
    """Do work that says how many spans were stored in how many seconds."""
    before = {name: _processor_seconds(number) for name, number in processes.items()}
    spans, seconds = work()
    return Measured(
        spans / seconds, {name: 1e6 * (_processor_seconds(number) - before[name]) / spans for name, number in processes.items()}
    )


def settle(process: int) -> None:
    """Wait until a process has little left to do."""
    deadline, step = time.monotonic() + SETTLED_SECONDS, 0.5
    while time.monotonic() < deadline:
        before = _processor_seconds(process)
        time.sleep(step)
        if _processor_seconds(process) - before < SETTLED * step:
            return


def _processor_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def told(name: str, one: Measured) -> Measured:
    """Print one measurement."""
    costs = "; ".join(f"{who} {cost:.1f} us" for who, cost in one.costs.items())
    print(f"{name}: {one.rate:,.0f} spans/s; processor time a span: {costs}; load {os.getloadavg()[0]:.1f}", flush=True)  # noqa: T201
    return one


def tell(measured: dict[str, list[Measured]]) -> None:
    """Print the ratios, which are what it is for: of each round, and their median."""
    for name in ("alone", "while it investigates"):
        pairs = list(zip(measured[f"intake, {name}"], measured[f"bare insert, {name}"], strict=True))
        ratios = [ours.rate / bare.rate for ours, bare in pairs]
        costs = [sum(ours.costs.values()) / bare.costs["who inserts"] for ours, bare in pairs]
        of = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"intake over bare insert, {name}: {statistics.median(ratios):.2f} (of {of})", end="; ")  # noqa: T201
        print(f"it takes {statistics.median(costs):.1f} times the processor time")  # noqa: T201


def request(number: int) -> bytes:
    """A request of spans with the attributes that HTTP servers have, 4 of the resource and 8 of the span."""
    made = ExportTraceServiceRequest()
    now = time.time_ns()
    for service in range(SERVICES):
        group = made.resource_spans.add()
        for key, value in (
            ("service.name", f"service-{service}"),
            ("service.instance.id", f"i-{service}"),
            ("host.name", "node-1"),
        ):
            group.resource.attributes.add(key=key).value.string_value = value
        group.resource.attributes.add(key="cloud.region").value.string_value = "eu-central-1"
        spans = group.scope_spans.add().spans
        for n in range(SPANS // SERVICES):
            span = spans.add(
                trace_id=os.urandom(16), span_id=os.urandom(8), parent_span_id=os.urandom(8), name="GET /cart/{id}", kind=2
            )
            span.start_time_unix_nano, span.end_time_unix_nano = now, now + 1_000_000 + n
            for key, value in (
                ("http.request.method", "GET"),
                ("http.route", "/cart/{id}"),
                ("url.path", f"/cart/{(number * SERVICES + service) * SPANS + n}"),
                ("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64)"),
                ("network.protocol.version", "1.1"),
            ):
                span.attributes.add(key=key).value.string_value = value
            for key, whole in (("http.response.status_code", 200), ("server.port", 8080), ("thread.id", n)):
                span.attributes.add(key=key).value.int_value = whole
    return bytes(made.SerializeToString())


@contextmanager
def serving(data: Path) -> Iterator[int]:
    """The owner of the data directory, which works on tasks: its process."""
    variables = {**os.environ, "MIDDLEWATCH_DATA_DIR": str(data)}
    code = "from middlewatch.frontends.cli import main; main()"
    command = [sys.executable, "-c", code, "serve", "--port", "0", "--json", "--no-otlp", "--no-mcp"]
    process = subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["owner"]
        yield process.pid
    finally:
        process.terminate()
        process.communicate(timeout=180)


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing else runs."""
    yield


@contextmanager
def investigating(data: Path, size: Size) -> Iterator[None]:
    """One investigation after the other is under way."""
    stop, begun = threading.Event(), threading.Event()
    done = []

    def work() -> None:
        with open_app(Settings(data_dir=data)) as app:
            while not stop.is_set():
                opened = app.investigate(size.alert)
                begun.set()
                for _ in app.follow(opened.id):
                    if stop.is_set():
                        break
                done.append(opened.id)

    thread = threading.Thread(target=work)
    thread.start()
    begun.wait(60)
    try:
        yield
    finally:
        stop.set()
        thread.join()
        print(f"investigations meanwhile: {len(done)}")  # noqa: T201


def inserted(bare: ClickHouse, batch: pa.Table, seconds: float) -> tuple[int, float]:
    """Spans that were stored by one insert after the other, and in how many seconds."""
    began, count = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        bare.insert("otel_traces", batch)
        count += batch.num_rows
    return count, time.monotonic() - began


def sent(url: str, bodies: list[bytes], seconds: float) -> tuple[int, float]:
    """Spans that were acknowledged to several senders, and in how many seconds."""
    stop, counts = threading.Event(), [0] * SENDERS

    def send(sender: int) -> None:
        connection = HTTPConnection(urlsplit(url).netloc, timeout=60)  # what sends must not cost what it is to measure
        number = sender
        while not stop.is_set():
            connection.request("POST", "/v1/traces", bodies[number % len(bodies)], {"content-type": "application/x-protobuf"})
            answer = connection.getresponse()
            told = answer.read()
            if answer.status == HTTPStatus.OK:
                counts[sender] += SPANS
                number += SENDERS
            elif answer.status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:  # as exporters do
                stop.wait(float(answer.headers["retry-after"]))
            else:
                raise MiddlewatchError(f"{answer.status}: {told!r}")
        connection.close()

    threads = [threading.Thread(target=send, args=(sender,)) for sender in range(SENDERS)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    return sum(counts), time.monotonic() - began


if __name__ == "__main__":
    main()
