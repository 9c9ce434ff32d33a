"""How long objectives take to look at: the first count of all days, a look after that, and the health page's golden signals.

    python -m tests.benchmarks.objectives_look --spans 2000000

Spans are spread evenly over thirty days before now, a tenth of them in the last hour, of eight services with two objectives each.
Times are by the clock and in processor time of this process, which runs ClickHouse; Redis stands beside it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa

from middlewatch.app import App, open_app
from middlewatch.settings import Settings

SERVICES = 8
DAYS = 30
AT_ONCE = 250_000
LOOKS = 5


def fill(app: App, spans: int, now: datetime, seed: int = 1) -> None:
    """Write spans, and declare the services that served them."""
    drawn = np.random.default_rng(seed)
    for first in range(0, spans, AT_ONCE):
        size = min(AT_ONCE, spans - first)
        ago = np.where(drawn.random(size) < 0.1, drawn.random(size) * 3600.0, drawn.random(size) * DAYS * 86400.0)
        times = (now.timestamp() * 1e6 - ago * 1e6).astype("int64")
        service = drawn.integers(0, SERVICES, size)
        app.telemetry.insert(
            "otel_traces",
            pa.table(
                {
                    "Tenant": [app.settings.tenant] * size,
                    "Recording": [""] * size,
                    "ServiceName": [f"service-{number}" for number in service],
                    "SpanName": [f"GET /{number}" for number in drawn.integers(0, 20, size)],
                    "SpanKind": np.where(drawn.random(size) < 0.5, "Server", "Client").tolist(),
                    "ParentSpanId": ["00000000000000aa"] * size,
                    "Timestamp": pa.array(times, pa.timestamp("us", tz="UTC")),
                    "Duration": pa.array(drawn.lognormal(17.0, 1.0, size).astype("uint64")),
                    "StatusCode": np.where(drawn.random(size) < 0.001, "Error", "Unset").tolist(),
                }
            ),
        )
    services = "".join(f"[services.service-{number}]\n" for number in range(SERVICES))
    objectives = "".join(
        f'[[objectives]]\nname = "{kind}-{number}"\nservice = "service-{number}"\nkind = "{kind}"\ntarget = 0.99\n{more}'
        for number in range(SERVICES)
        for kind, more in (("availability", ""), ("latency", "threshold_ms = 100\n"))
    )
    app.settings.services_path.write_text(services + objectives)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock, and of the processor."""
    began, busy = time.monotonic(), time.process_time()
    work()
    return time.monotonic() - began, time.process_time() - busy


def measure(spans: int, folder: Path) -> dict[str, object]:
    """The figures of one store."""
    now = datetime.now(UTC)
    with open_app(Settings(data_dir=folder)) as app:
        fill(app, spans, now)
        first: list[tuple[float, float]] = []
        done = False
        while not done:

            def count() -> None:
                nonlocal done
                done = app.objectives.count(now)

            first.append(timed(count))
        later = [timed(lambda n=n: app.objectives.look(now + timedelta(seconds=15 * n))) for n in range(1, LOOKS + 1)]  # type: ignore[misc]
        standings = timed(app.objectives.standings)
        health = timed(lambda: app.health._look(now))
        kept = sum(
            app.store.server.redis.memory_usage(key) or 0 for key in app.store.server.redis.scan_iter("middlewatch:counts:*")
        )
    return {
        "spans": spans,
        "objectives": 2 * SERVICES,
        "first_looks": len(first),
        "first_seconds": round(sum(one[0] for one in first), 2),
        "longest_first_look_seconds": round(max(one[0] for one in first), 2),
        "look_seconds": round(median(one[0] for one in later), 3),
        "look_processor_seconds": round(median(one[1] for one in later), 3),
        "first_look_at_what_fills_seconds": round(later[0][0], 3),
        "standings_seconds": round(standings[0], 3),
        "health_seconds": round(health[0], 3),
        "kept_mib": round(kept / 2**20, 2),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spans", type=int, default=2_000_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mw-") as folder:
        print(json.dumps(measure(asked.spans, Path(folder)), indent=1))  # noqa: T201  what it is for


if __name__ == "__main__":
    main()
