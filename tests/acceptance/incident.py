"""A small incident for tests: `cart` becomes slow and logs timeouts a moment after a deploy; `shop` calls it and suffers."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.telemetry_data import incident_row, write_recording

ONSET = 1080.0
"""Seconds after the recording's start."""
DETECTED = 1200.0
WINDOW = 120.0
END = 1500.0


def record_incident(folder: Path, *, glaring: bool = False, **signals: Any) -> Path:
    """Write the recording.

    Args:
        folder: where to.
        glaring: whether `stock` breaks in every signal once the window is over.
        signals: replaces whole signals; None leaves one out.
    """
    rows: dict[str, Any] = {
        "metrics": list(_metrics()),
        "traces": list(_traces()),
        "logs": list(_logs()),
        "changes": [{"time": ONSET - 15, "service": "cart", "version": "1.4.2", "description": "faster carts"}],
        "topology": [{"caller": "shop", "callee": "cart"}, {"caller": "shop", "callee": "stock"}],
        "incidents": [incident_row(DETECTED, WINDOW)],
    }
    if glaring:
        for signal, planted in glaring_fault(DETECTED + WINDOW).items():
            rows[signal] += planted
    return write_recording(folder, **(rows | signals))


def glaring_fault(begin: float) -> dict[str, list[dict[str, Any]]]:
    """`stock` breaks as badly as can be, in metrics, logs, traces and changes. One span begins before and ends after."""
    seconds = range(int(begin), int(END))
    row = {"service": "stock", "instance": "stock-1"}
    return {
        "metrics": [row | {"time": s, "value": 1e6} for s in seconds],
        "logs": [row | {"time": s, "severity": "FATAL", "body": "everything is lost"} for s in seconds],
        "traces": [
            row
            | {
                "trace_id": f"{s:031x}f",
                "span_id": f"{s:015x}f",
                "name": "GET /stock",
                "start_time": s - 1,
                "duration_ns": 60 * 10**9,
            }
            for s in seconds
        ],
        "changes": [row | {"time": begin + 1, "version": "9.9.9"}],
    }


def _metrics() -> Iterator[dict[str, Any]]:
    noise = random.Random(1)
    for second in range(0, int(END), 15):
        for service in ("shop", "cart", "stock"):
            broken = service == "cart" and second >= ONSET
            yield {
                "time": second,
                "service": service,
                "instance": f"{service}-1",
                "value": (0.9 if broken else 0.2) + noise.gauss(0, 0.01),
            }


def _traces() -> Iterator[dict[str, Any]]:
    noise = random.Random(2)
    for number in range(int(END / 2)):
        start, slow = number * 2.0, number * 2.0 >= ONSET
        trace, cart = f"{number + 1:032x}", int((200 if slow else 4) * 1e6 * noise.uniform(0.9, 1.1))
        stock = int(3e6 * noise.uniform(0.9, 1.1))
        spans = [
            ("1", "", "shop", "GET /", 0.0, cart + stock + 4_000_000),
            ("2", "1", "shop", "GET cart", 0.001, cart + 1_000_000),
            ("3", "2", "cart", "GET /cart", 0.0015, cart),
            ("4", "1", "shop", "GET stock", 0.3, stock + 1_000_000),
            ("5", "4", "stock", "GET /stock", 0.3005, stock),
        ]
        for span, parent, service, name, offset, duration in spans:
            yield {
                "trace_id": trace,
                "span_id": f"{number:012x}000{span}",
                "parent_span_id": f"{number:012x}000{parent}" if parent else "",
                "service": service,
                "instance": f"{service}-1",
                "name": name,
                "start_time": start + offset,
                "duration_ns": duration,
            }


def _logs() -> Iterator[dict[str, Any]]:
    for number in range(int(END / 2)):
        second, trace = number * 2.0, f"{number + 1:032x}"
        for span, service, body in (
            ("1", "shop", f"served request {number}"),
            ("3", "cart", f"loaded cart {number}"),
            ("5", "stock", "looked up stock"),
        ):
            yield {
                "time": second,
                "service": service,
                "instance": f"{service}-1",
                "body": body,
                "trace_id": trace,
                "span_id": f"{number:012x}000{span}",
            }
        if second >= ONSET:
            yield {
                "time": second + 0.1,
                "service": "cart",
                "instance": "cart-1",
                "severity": "ERROR",
                "body": f"query took {190 + number % 20} ms: timeout on pool, password=hunter2secret{number}",
                "trace_id": trace,
                "span_id": f"{number:012x}0003",
            }
