"""Kill the OTLP intake in the middle of its work: whatever it acknowledged must be stored.

    python -m tests.chaos.otlp_kills --rounds 10

In each round several senders send spans with ids of their own until the process is killed (SIGKILL); then it is started again, and
every span that was acknowledged is looked for. The exit code is 1 where one is missing.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from middlewatch.records import DEFAULT_TENANT
from tests.otlp_site import OtlpProcess

SENDERS = 6
SPANS = 50
"""Of one request."""


@dataclass
class Sent:
    """What senders were told."""

    acknowledged: set[str] = field(default_factory=set)
    """Names of spans."""
    asked: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


def main() -> None:
    """Run the rounds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="otlp-") as folder:
        acknowledged, lost = rounds(Path(folder), asked.rounds, random.Random(asked.seed))
    print(f"{asked.rounds} kills, {acknowledged} spans acknowledged, {lost} of them lost")  # noqa: T201  what it is for
    sys.exit(1 if lost or not acknowledged else 0)


def rounds(folder: Path, number: int, chance: random.Random) -> tuple[int, int]:
    """How many spans were acknowledged in so many rounds, and how many of them were not there afterwards."""
    every: set[str] = set()
    process = OtlpProcess.start(folder / "data")
    try:
        for round_ in range(number):
            every |= _until_killed(process, f"r{round_}", chance.uniform(0.5, 1.5))
            process = OtlpProcess.start(folder / "data")
        return len(every), len(every - _stored(process))
    finally:
        process.end()


def _until_killed(process: OtlpProcess, name: str, seconds: float) -> set[str]:
    sent, stop = Sent(), threading.Event()
    senders = [threading.Thread(target=_send, args=(process.told.http, f"{name}-{n}", sent, stop)) for n in range(SENDERS)]
    for sender in senders:
        sender.start()
    deadline = time.monotonic() + 30
    while not sent.acknowledged and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(seconds)
    process.kill()
    stop.set()
    for sender in senders:
        sender.join()
    return sent.acknowledged


def _send(url: str, name: str, sent: Sent, stop: threading.Event) -> None:
    with httpx.Client(headers={"content-type": "application/x-protobuf"}, timeout=30) as client:
        number = 0
        while not stop.is_set():
            names = [f"{name}-{number + n}" for n in range(SPANS)]
            number += SPANS
            try:
                answer = client.post(f"{url}/v1/traces", content=_request(names))
            except httpx.TransportError:
                return
            if answer.status_code == httpx.codes.OK:
                with sent.lock:
                    sent.acknowledged.update(names)


def _request(names: list[str]) -> bytes:
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    now = time.time_ns()
    for name in names:
        random_id = random.getrandbits(128) | 1
        spans.add(
            name=name,
            trace_id=random_id.to_bytes(16, "big"),
            span_id=(random_id % 2**64).to_bytes(8, "big"),
            start_time_unix_nano=now,
            end_time_unix_nano=now,
        )
    return bytes(request.SerializeToString())


def _stored(process: OtlpProcess) -> set[str]:
    with process.telemetry() as telemetry:
        client = telemetry._open("middlewatch")
        try:
            found = client.query_arrow(
                f"SELECT DISTINCT SpanName FROM otel_traces WHERE Tenant = '{DEFAULT_TENANT}'", parameters={}
            )
        finally:
            client.close()
    return set(found["SpanName"].to_pylist())


if __name__ == "__main__":
    main()
