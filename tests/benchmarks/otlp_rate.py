"""How many spans a second the OTLP intake stores, against a bare `insert_arrow` of the same spans, while an investigation runs.

    python -m tests.benchmarks.otlp_rate --seconds 20

`middlewatch serve` owns a data directory with a made-up system's telemetry and investigates it again and again; `middlewatch otlp`
stands beside it and is sent spans by several senders. The bare inserts go into a store of this process: the rows ready in memory,
nothing to decode, nothing to wait for. Both are measured in turns in the same run, with and without an investigation.
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
from pathlib import Path

import httpx
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

SENDERS = 6
SPANS = 2_000
"""Of one request: a Collector's batch is a few thousand."""
REQUESTS = 50
"""That are made beforehand and sent again and again."""
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
    batch = pa.concat_tables([table for tables in rows[:10] for table in tables.values()]).combine_chunks()
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="otlp-rate-") as folder:
        data = Path(folder) / "data"
        size = Size(spans=asked.spans, lines=asked.spans, series=SERIES)
        fill(data / "clickhouse", size, lambda *_: None)
        with ClickHouse.embedded(Path(folder) / "bare") as bare, serving(data):
            bare.migrate()
            process = OtlpProcess.start(data)
            try:
                for _ in range(asked.rounds):
                    for name, surroundings in (("alone", quiet), ("while it investigates", lambda: investigating(data, size))):
                        with surroundings():
                            found.setdefault(f"bare insert, {name}", []).append(inserted(bare, batch, asked.seconds))
                            found.setdefault(f"intake, {name}", []).append(sent(process.told.http, bodies, asked.seconds))
            finally:
                process.end()
    for name, rates in found.items():
        print(f"{name}: {statistics.median(rates):,.0f} spans/s (of {', '.join(f'{rate:,.0f}' for rate in rates)})")  # noqa: T201
    for name in ("alone", "while it investigates"):
        share = statistics.median(found[f"intake, {name}"]) / statistics.median(found[f"bare insert, {name}"])
        print(f"intake over bare insert, {name}: {share:.2f}")  # noqa: T201  what it is for


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
                ("url.path", f"/cart/{number * SPANS + n}"),
                ("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64)"),
                ("network.protocol.version", "1.1"),
            ):
                span.attributes.add(key=key).value.string_value = value
            for key, whole in (("http.response.status_code", 200), ("server.port", 8080), ("thread.id", n)):
                span.attributes.add(key=key).value.int_value = whole
    return bytes(made.SerializeToString())


@contextmanager
def serving(data: Path) -> Iterator[None]:
    """The owner of the data directory, which works on tasks."""
    variables = {**os.environ, "MIDDLEWATCH_DATA_DIR": str(data)}
    code = "from middlewatch.frontends.cli import main; main()"
    command = [sys.executable, "-c", code, "serve", "--port", "0", "--json", "--no-otlp", "--no-mcp"]
    process = subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["owner"]
        yield
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


def inserted(bare: ClickHouse, batch: pa.Table, seconds: float) -> float:
    """Spans a second, one insert after the other."""
    return _rate(lambda: bare.insert("otel_traces", batch), batch.num_rows, seconds)


def sent(url: str, bodies: list[bytes], seconds: float) -> float:
    """Spans a second that were acknowledged to several senders."""
    stop, counts = threading.Event(), [0] * SENDERS

    def send(sender: int) -> None:
        with httpx.Client(headers={"content-type": "application/x-protobuf"}, timeout=60) as client:
            number = sender
            while not stop.is_set():
                answer = client.post(f"{url}/v1/traces", content=bodies[number % len(bodies)])
                if answer.status_code == httpx.codes.OK:
                    counts[sender] += SPANS
                    number += SENDERS
                elif answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
                    stop.wait(float(answer.headers["retry-after"]))
                else:
                    raise MiddlewatchError(f"{answer.status_code}: {answer.content!r}")

    threads = [threading.Thread(target=send, args=(sender,)) for sender in range(SENDERS)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.monotonic() - began)


def _rate(step: Callable[[], None], rows: int, seconds: float) -> float:
    began, count = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        step()
        count += rows
    return count / (time.monotonic() - began)


if __name__ == "__main__":
    main()
