"""Invariants: more calls per run are told, those that fail as repetitions; as many as before are not, in however many runs."""

from __future__ import annotations

import numpy as np
import pytest

from middlewatch.tools.fan_out import FanOut, fan_outs
from middlewatch.tools.trace_requests import Requests
from tests.unit.tools.span_table import Row, span_table


def run(calls: int, *, failing: int = 0, through: bool = True) -> list[Row]:
    """A run of `shop` that calls `stock` so often, through client spans or directly."""
    rows = [Row(-1, "shop", "GET /", 0, 100)]
    for i in range(calls):
        if through:
            rows.append(Row(0, "shop", "call stock", 5.0 * i, 4, failed=i < failing))
        rows.append(Row(len(rows) - 1 if through else 0, "stock", "GET /stock", 5.0 * i, 2, failed=not through and i < failing))
    return rows


def found(before: list[list[Row]], after: list[list[Row]]) -> list[FanOut]:
    rows: list[Row] = []
    late: list[bool] = []
    for runs, is_late in ((before, False), (after, True)):
        for made in runs:
            first = len(rows)
            rows += [
                Row(
                    r.parent + first if r.parent >= 0 else -1,
                    r.service,
                    r.operation,
                    r.start_ms,
                    r.duration_ms,
                    r.instance,
                    r.failed,
                )
                for r in made
            ]
            late += [is_late] * len(made)
    requests = Requests.of(span_table(rows))
    return fan_outs(requests, requests.services.index("shop"), ~np.array(late), np.array(late))


@pytest.mark.parametrize("through", [True, False])
def test_calls_that_fail_and_are_made_again_are_repetitions(through: bool) -> None:  # noqa: FBT001
    (fan_out,) = found([run(1, through=through)] * 10, [run(3, failing=2, through=through)] * 10)
    assert (fan_out.operation, fan_out.callee, fan_out.before, fan_out.after) == ("GET /", "stock", 1.0, 3.0)
    assert fan_out.repeats
    assert 0 < fan_out.nats < np.log(3)


def test_more_calls_without_failures_are_a_loop() -> None:
    (fan_out,) = found([run(1)] * 10, [run(12)] * 10)
    assert not fan_out.repeats


def test_as_many_calls_as_before_are_nothing() -> None:
    assert found([run(2), run(3)] * 50, [run(3), run(2)] * 50) == []
    assert found([run(1)] * 2, [run(9)] * 2) == [], "two runs show nothing"
    assert found([run(1), run(12)] * 5, [run(12), run(1)] * 5) == []
