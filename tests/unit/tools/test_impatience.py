"""Invariant: a call that is given up too soon, or lost for one caller alone, speaks against its caller; no other failure does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from middlewatch.tools.credit import Credit
from middlewatch.tools.impatience import impatient, unheard
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
    return impatient(failures(CALL), credit(usual, after), ONSET).behaviours[0].blamed


def failures(*calls: Behaviour) -> Structure:
    nothing = np.zeros((len(calls), TIMELINE.size))
    return Structure(calls, Presence.of(nothing, nothing), np.arange(len(calls)))


def credit(before: Sequence[list[Row]], after: Sequence[list[Row]]) -> Credit:
    """Requests on either side of the onset, every 100 ms."""
    rows: list[Row] = []
    for onset, made in ((ONSET - 8, before), (ONSET, after)):
        for i, one in enumerate(made):
            start = onset * STEP_SECONDS * 1000 + 1000 + 100 * i
            first = len(rows)
            rows += [_moved(row, start, first) for row in one]
    requests = Requests.of(span_table(rows, epoch_ns=round(TIMELINE.window.start.timestamp()) * 10**9))
    known = [Behaviour("stock", "get", "call stock", (), "stock")]
    for caller in ("front", "back"):
        known += [
            Behaviour(caller, "GET", "", ((caller, "call stock"),), caller),
            Behaviour(caller, "call stock", "GET", (("stock", "get"),), caller),
            Behaviour(caller, "call stock", "GET", (), "stock"),
        ]
    return Credit.of(requests, known, TIMELINE)


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


def lost_by_front(*, others_lost: bool, others: int = 30) -> str:
    """Whom it speaks against that `stock` never hears of `front`, while `back` calls it, too."""
    lost = request(20, None, failed=True)
    theirs = [
        replace(row, service="back" if row.service == "front" else row.service)
        for row in (lost if others_lost else request(20, 18))
    ]
    made = credit([request(10, 9)] * 40, [*[lost] * 9, *[theirs] * others])
    calls = failures(CALL, replace(CALL, service="back"))
    return unheard(calls, calls, made, ONSET).behaviours[0].blamed


def test_who_answers_everybody_else_can_be_reached() -> None:
    assert lost_by_front(others_lost=False) == "front"
    assert lost_by_front(others_lost=True) == "stock"
    assert lost_by_front(others_lost=False, others=5) == "stock"  # too few to tell
