"""Invariants: what a caller or a callee explains is nobody else's fault, and no wrong clock makes it so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from middlewatch.tools.credit import Credit
from middlewatch.tools.structure import Behaviour
from middlewatch.tools.timeline import STEP_SECONDS, Timeline
from middlewatch.tools.trace_requests import Requests
from tests.unit.tools.span_table import Row, span_table
from tests.unit.tools.synthetic_telemetry import brief

TIMELINE = Timeline.of(brief())
ONSET = TIMELINE.size - 12
Request = Sequence[Row]

HOME = [
    Row(-1, "front", "GET", 0, 90),
    Row(0, "front", "call ads", 10, 20),
    Row(1, "ads", "get", 12, 15),
    Row(2, "ads", "random", 13, 5),
]
PRODUCT = [
    Row(-1, "front", "GET", 0, 90),
    Row(0, "front", "call stock", 5, 4),
    Row(1, "stock", "get", 6, 2),
    Row(0, "front", "call ads", 10, 20),
    Row(3, "ads", "get", 12, 15),
    Row(4, "ads", "chosen", 13, 5),
]


def credit(before: Sequence[Request], after: Sequence[Request], *, skew_ms: float = 0.0) -> Credit:
    """Requests one after the other on either side of the onset, every 100 ms; `ads` and `stock` have a clock of their own."""
    rows: list[Row] = []
    for onset, made in ((ONSET - 8, before), (ONSET, after)):
        for i, request in enumerate(made):
            start = onset * STEP_SECONDS * 1000 + 1000 + 100 * i
            rows += [
                replace(
                    row,
                    parent=row.parent + len(rows) if row.parent >= 0 else -1,
                    start_ms=row.start_ms + start + (skew_ms if row.service != "front" else 0.0),
                )
                for row in request
            ]
    epoch = round(TIMELINE.window.start.timestamp()) * 10**9
    requests = Requests.of(span_table(rows, epoch_ns=epoch))
    known: dict[tuple[object, ...], Behaviour] = {}
    for i in range(requests.size):
        children = sorted({(rows[c].service, rows[c].operation) for c in range(len(rows)) if rows[c].parent == i})
        parent = rows[rows[i].parent].operation if rows[i].parent >= 0 else ""
        behaviour = Behaviour(rows[i].service, rows[i].operation, parent, tuple(children), rows[i].service)
        known[behaviour.key, behaviour.children] = behaviour
    return Credit.of(requests, list(known.values()), TIMELINE)


def evidence(made: Credit, *operations: Callable[[Behaviour], bool], nats: float = 3.0) -> np.ndarray:
    return np.array([nats if any(holds(b) for holds in operations) else 0.0 for b in made.behaviours])


def random_ads(behaviour: Behaviour) -> bool:
    return behaviour.service == "ads" and ("ads", "random") in behaviour.children


def early(behaviour: Behaviour) -> bool:
    return behaviour.key == ("front", "GET", "") and not behaviour.children


@pytest.mark.parametrize("skew_ms", [0.0, 2000.0, -2000.0])
def test_a_service_that_is_only_called_in_other_situations_is_innocent(skew_ms: float) -> None:
    broken = [PRODUCT[0]]  # product pages return early, so the ads of home pages are all that is left
    made = credit([HOME] * 10 + [PRODUCT] * 10, [HOME] * 10 + [broken] * 10, skew_ms=skew_ms)
    found = made.blame(evidence(made, random_ads, early), ONSET)
    assert found["front"] == pytest.approx(3.0)
    assert found["ads"] < 0.25 * found["front"]


def test_one_that_does_another_thing_in_the_same_situation_is_not() -> None:
    wrong = [*PRODUCT[:5], replace(PRODUCT[5], operation="random")]
    made = credit([HOME] * 10 + [PRODUCT] * 10, [HOME] * 10 + [wrong] * 10)
    assert made.blame(evidence(made, random_ads), ONSET) == pytest.approx({"ads": 3.0})


def test_what_follows_a_past_that_was_never_seen_is_no_surprise() -> None:
    new = [
        PRODUCT[0],
        Row(0, "front", "call sale", 1, 2),
        *(replace(row, parent=row.parent + 1 if row.parent else 0) for row in HOME[1:]),
    ]
    made = credit([PRODUCT] * 10, [new] * 10)
    assert made.blame(evidence(made, random_ads), ONSET).get("ads", 0.0) == 0.0


def test_a_deviation_below_explains_half_of_one_above() -> None:
    failing = PRODUCT[:5]
    whole = [*PRODUCT, Row(0, "front", "render", 50, 9)]

    def broken(behaviour: Behaviour) -> bool:
        return behaviour.key == ("ads", "get", "call ads") and not behaviour.children

    def page(behaviour: Behaviour) -> bool:
        return behaviour.key == ("front", "GET", "") and ("front", "render") not in behaviour.children

    made = credit([whole] * 10, [failing] * 10)
    assert made.blame(evidence(made, broken, page), ONSET) == pytest.approx({"ads": 3.0, "front": 1.5})
    elsewhere = credit([whole] * 10, [PRODUCT] * 9 + [failing])
    assert elsewhere.blame(evidence(elsewhere, broken, page), ONSET)["front"] > 2.5, "hardly any of them has it below"


def test_hidden_requests_and_unknown_behaviours_are_left_out() -> None:
    made = credit([PRODUCT] * 10, [HOME] * 10)
    hidden = replace(TIMELINE, hidden=np.arange(TIMELINE.size) < ONSET)
    assert (Credit.of(made.requests, made.behaviours, hidden).behaviour >= 0).sum() == 40
    assert set(Credit.of(made.requests, (), TIMELINE).behaviour.tolist()) == {-1}


def test_nothing_sampled_leaves_the_evidence_as_it_is() -> None:
    behaviour = Behaviour("a", "x", "", (), "a")
    made = Credit.of(Requests.of(span_table([])), [behaviour], TIMELINE)
    assert made.blame(np.array([2.0]), ONSET) == {"a": 2.0}
