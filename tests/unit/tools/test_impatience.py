"""Invariant: a call that is given up sooner than it used to be answered speaks against its caller, no other that fails does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from middlewatch.tools.credit import Credit
from middlewatch.tools.impatience import impatient
from middlewatch.tools.presence import Presence
from middlewatch.tools.structure import Behaviour, Structure
from middlewatch.tools.timeline import STEP_SECONDS, Timeline
from middlewatch.tools.trace_requests import Requests
from tests.unit.tools.span_table import Row, span_table
from tests.unit.tools.synthetic_telemetry import brief

TIMELINE = Timeline.of(brief())
ONSET = TIMELINE.size - 12
CALL = Behaviour("front", "call stock", "GET", (("stock", ""),), "stock")


def blamed(*after: list[Row], before: int = 40) -> str:
    """Whom the call's failures speak against; calls took 5 to 44 ms before, as far as there were any."""
    usual = [request(5.0 + i, 4.0 + i) for i in range(before)]
    rows: list[Row] = []
    for onset, made in ((ONSET - 8, usual), (ONSET, after)):
        for i, one in enumerate(made):
            start = onset * STEP_SECONDS * 1000 + 1000 + 100 * i
            rows += [_moved(row, start, len(rows)) for row in one]
    requests = Requests.of(span_table(rows, epoch_ns=round(TIMELINE.window.start.timestamp()) * 10**9))
    known = [
        Behaviour("front", "GET", "", (("front", "call stock"),), "front"),
        Behaviour("front", "call stock", "GET", (("stock", "get"),), "front"),
        Behaviour("front", "call stock", "GET", (), "front"),
        Behaviour("stock", "get", "call stock", (), "stock"),
    ]
    nothing = np.zeros((1, TIMELINE.size))
    failures = Structure((CALL,), Presence.of(nothing, nothing), np.zeros(1, dtype=np.intp))
    return impatient(failures, Credit.of(requests, known, TIMELINE), ONSET).behaviours[0].blamed


def _moved(row: Row, start: float, first: int) -> Row:
    return replace(row, parent=row.parent + first if row.parent >= 0 else -1, start_ms=row.start_ms + start)


def request(call_ms: float, answer_ms: float | None, *, failed: bool = False, answer_failed: bool = False) -> list[Row]:
    made = [Row(-1, "front", "GET", 0, 90), Row(0, "front", "call stock", 1, call_ms, failed=failed)]
    return made if answer_ms is None else [*made, Row(1, "stock", "get", 2, answer_ms, failed=answer_failed)]


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        (request(20, 18, failed=True), "front"),
        (request(20, 400, failed=True), "front"),  # the answer was under way
        (request(20, 18, failed=True, answer_failed=True), "stock"),
        (request(20, None, failed=True), "stock"),
        (request(300, 290, failed=True), "stock"),  # it waited for longer than it ever had to
    ],
)
def test_whoever_gives_up_too_soon_is_to_blame(lost: list[Row], said: str) -> None:
    assert blamed(*[lost] * 9) == said
    assert blamed(*[lost] * 9, before=5) == "stock"  # too little is known of what is usual


def test_most_of_the_failures_decide() -> None:
    soon, late = request(20, 18, failed=True), request(300, 290, failed=True)
    assert blamed(*[soon] * 6, *[late] * 5, *[request(10, 9)] * 9) == "front"
    assert blamed(*[soon] * 5, *[late] * 6) == "stock"
    assert blamed(*[request(10, 9)] * 9) == "stock"
