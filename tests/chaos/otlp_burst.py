"""Send the OTLP intake ten times what it takes: it pushes back, and everything is stored in the end, once it was acknowledged.

    python -m tests.chaos.otlp_burst

Every sender repeats what is pushed back or not answered, as exporters do. The exit code is 1 where nothing was pushed back, a span
is missing, or an answer is neither.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import httpx

from middlewatch.records import DEFAULT_TENANT
from tests.benchmarks.otlp_rate import SPANS, request
from tests.otlp_site import OtlpProcess

SENDERS = 120
REQUESTS_EACH = 2
"""Two million spans at once: ten times what may wait."""

NO_ANSWER = 0


def main() -> None:
    """Send them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--senders", type=int, default=SENDERS)
    asked = parser.parse_args()
    body = request(0)
    with tempfile.TemporaryDirectory(prefix="otlp-") as folder:
        process = OtlpProcess.start(Path(folder) / "data")
        began = time.monotonic()
        statuses = burst(process.told.http, body, asked.senders)
        seconds = time.monotonic() - began
        with process.telemetry() as telemetry:
            client = telemetry._open("middlewatch")
            counted = client.query_arrow(f"SELECT count() AS n FROM otel_traces WHERE Tenant = '{DEFAULT_TENANT}'", parameters={})
            client.close()
        process.end()
    sent, stored = asked.senders * REQUESTS_EACH * SPANS, counted["n"][0].as_py()
    told = ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))
    print(f"{sent:,} spans sent by {asked.senders} senders at once: {told}; {stored:,} stored after {seconds:.0f} s")  # noqa: T201
    is_whole = sent <= stored <= sent + statuses[NO_ANSWER] * SPANS
    sys.exit(0 if is_whole and statuses[429] and set(statuses) <= {200, 429, NO_ANSWER} else 1)


def burst(url: str, body: bytes, senders: int) -> Counter[int]:
    """How often each status was answered until everything was acknowledged."""
    statuses: Counter[int] = Counter()
    lock = threading.Lock()

    def send() -> None:
        with httpx.Client(headers={"content-type": "application/x-protobuf"}, timeout=120) as client:
            left = REQUESTS_EACH
            while left:
                try:
                    answer = client.post(f"{url}/v1/traces", content=body)
                except httpx.TransportError:  # a connection that was idle too long; who gets no answer sends again
                    with lock:
                        statuses[NO_ANSWER] += 1
                    continue
                with lock:
                    statuses[answer.status_code] += 1
                if answer.status_code == httpx.codes.OK:
                    left -= 1
                elif answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
                    time.sleep(float(answer.headers["retry-after"]))
                else:
                    return

    threads = [threading.Thread(target=send) for _ in range(senders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses


if __name__ == "__main__":
    main()
