"""Invariants: what is slow is blamed where it is slow, and many small pieces of evidence can be one large one."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from middlewatch.tools.slowness import Place, Slowness
from middlewatch.tools.timeline import Timeline
from tests.unit.tools.synthetic_telemetry import TIME, brief

TIMELINE = Timeline.of(brief(hours=1))
ONSET = TIMELINE.size - 12


def slowness(rows: dict[tuple[str, str, str], float], *, per_bucket: float = 4.0, seed: int = 1) -> Slowness:
    """Service, callee and operation, with the shift of y at the onset; noise of y has the deviation .3."""
    rng = np.random.default_rng(seed)
    columns: dict[str, list[list[object]]] = {name: [] for name in ("times", "count", "requests", "log_self", "log_self_squared")}
    for shift in rows.values():
        spans = [rng.normal(shift if i >= ONSET else 0.0, 0.3, rng.poisson(per_bucket)) for i in range(TIMELINE.size)]
        seen = [i for i, values in enumerate(spans) if values.size]
        columns["times"].append([TIMELINE.moment(i) for i in seen])
        columns["count"].append([spans[i].size for i in seen])
        columns["requests"].append([spans[i].size for i in seen])
        columns["log_self"].append([float(spans[i].sum()) for i in seen])
        columns["log_self_squared"].append([float((spans[i] ** 2).sum()) for i in seen])
    table: dict[str, pa.Array] = {
        name: pa.array([key[i] for key in rows], pa.string()) for i, name in ((0, "service"), (2, "operation"))
    }
    table["parent_operation"] = pa.array(["GET /"] * len(rows), pa.string())
    table["child_services"] = pa.array([[callee] if callee else [] for _, callee, _ in rows], pa.list_(pa.string()))
    table["child_operations"] = pa.array([["GET"] if callee else [] for _, callee, _ in rows], pa.list_(pa.string()))
    table |= {name: pa.array(values, pa.list_(TIME if name == "times" else pa.float64())) for name, values in columns.items()}
    return Slowness.of(pa.table(table), TIMELINE, floor_ms=1.0)


def scores(rows: dict[tuple[str, str, str], float], **noise: float) -> dict[str, float]:
    return slowness(rows, **noise).scores(ONSET, TIMELINE.size)  # type: ignore[arg-type]  # the seed stays an integer


def test_one_bad_operation_among_many_good_ones_is_enough() -> None:
    found = scores({("a", "", "bad"): 2.0} | {("a", "", f"good {i}"): 0.0 for i in range(20)} | {("b", "", "good"): 0.0})
    assert found["a"] > 1.0
    assert found["b"] < 0.1


def test_the_end_that_slow_edges_have_in_common_is_blamed() -> None:
    rows = {("a", "hub", "call"): 2.0, ("b", "hub", "call"): 2.0, ("a", "c", "call"): 0.0, ("c", "d", "call"): 0.0}
    found = scores(rows)
    assert max(found, key=lambda s: found[s]) == "hub"
    assert found["hub"] > 1.5 * found["a"]
    assert found["d"] < 0.1


def test_rare_operations_that_all_became_slower_say_more_together_than_apart() -> None:
    made = slowness({("a", "", f"rare {i}"): 0.7 for i in range(60)}, per_bucket=0.06, seed=5)
    shift = made.latencies.shift(ONSET, TIMELINE.size)
    assert shift.bound.max() < 0.25
    assert made.evidence(shift)[Place("a", "")] > 0.35


def test_own_time_and_edges_are_two_views_of_one_thing() -> None:
    own = scores({("a", "", "work"): 2.0, ("a", "b", "call"): 0.0, ("c", "b", "call"): 0.0})["a"]
    both = scores({("a", "", "work"): 2.0, ("a", "b", "call"): 2.0, ("c", "b", "call"): 0.0})["a"]
    assert own < both < 1.5 * own


def test_an_edge_that_is_no_longer_used_is_not_an_edge_that_became_healthy() -> None:
    made = slowness({("a", "b", "call"): 2.0})
    unused = slowness({("a", "b", "call"): 2.0, ("c", "b", "call"): 0.0})
    latencies = unused.latencies
    for sums in (latencies.count, latencies.requests, latencies.total, latencies.square):
        sums[1, ONSET:] = sums[1, ONSET]
    found, alone = (s.scores(ONSET, TIMELINE.size) for s in (unused, made))
    assert abs(found["b"] - alone["b"]) < 0.3
    assert Place("c", "b") not in unused.evidence(unused.latencies.shift(ONSET, TIMELINE.size))
