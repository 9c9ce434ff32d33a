"""Invariant: an edge speaks about both of its ends, and the end that explains all deviating edges is blamed most."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.records import Edge, Symptom
from middlewatch.tools.service_map import (
    SERVICES_CLEARED,
    blame_ends,
    callees,
    innocent,
    reachable,
    recent_map,
    service_map,
)
from tests.unit.tools.synthetic_telemetry import Calls, brief, sources

EDGES = (
    Edge(caller="web", callee="cart"),
    Edge(caller="cart", callee="db"),
    Edge(caller="db", callee="web"),
    Edge(caller="x", callee="y"),
)
NAMES = st.sampled_from(["a", "b", "c", "d"])
EVIDENCE = st.dictionaries(st.tuples(NAMES, NAMES).filter(lambda pair: pair[0] != pair[1]), st.floats(0, 10), max_size=8)


def test_the_map_is_sorted_and_without_calls_to_oneself() -> None:
    asked = brief()
    found = service_map(sources(calls=Calls([("web", "cart"), ("cart", "cart"), ("cart", "db")])), asked.incident)
    assert [(e.caller, e.callee, e.calls) for e in found] == [("cart", "db", 7), ("web", "cart", 7)]
    assert recent_map(sources(calls=Calls([("web", "cart")])), asked) == found[1:]


def test_what_a_service_depends_on_is_found_through_cycles() -> None:
    assert callees(EDGES) == {"web": {"cart"}, "cart": {"db"}, "db": {"web"}, "x": {"y"}}
    assert reachable(EDGES, "web") == {"web": 0, "cart": 1, "db": 2}
    assert reachable(EDGES, "elsewhere") == {"elsewhere": 0}


def test_the_common_end_of_all_deviating_edges_is_blamed_most() -> None:
    slow_callee = {("a", "db"): np.array([4.0]), ("b", "db"): np.array([4.0]), ("a", "cart"): np.array([0.0])}
    blamed = {service: float(value[0]) for service, value in blame_ends(slow_callee).items()}
    assert max(blamed, key=lambda s: blamed[s]) == "db"
    slow_caller = {("web", "db"): np.array([4.0]), ("web", "cart"): np.array([4.0]), ("other", "db"): np.array([0.0])}
    blamed = {service: float(value[0]) for service, value in blame_ends(slow_caller).items()}
    assert max(blamed, key=lambda s: blamed[s]) == "web"


def test_a_slow_call_is_blamed_on_the_callee_before_a_caller_that_is_called_fast() -> None:
    blamed = blame_ends({("user", "web"): np.array([0.0]), ("web", "db"): np.array([4.0])})
    assert blamed["db"][0] > blamed["web"][0]


@given(EVIDENCE)
def test_blame_is_bounded_by_the_evidence_and_zero_without_any(evidence: dict[tuple[str, str], float]) -> None:
    blamed = blame_ends({pair: np.array([value]) for pair, value in evidence.items()})
    assert set(blamed) == {name for pair in evidence for name in pair}
    for service, value in blamed.items():
        most = max(v for pair, v in evidence.items() if service in pair)
        assert 0.0 <= float(value[0]) <= most + 1e-9


def test_the_symptoms_service_is_cleared_first_and_then_the_busiest_of_the_unremarkable() -> None:
    seen = {"quiet": [1.0], "busy": [40.0, 2.0], "cause": [99.0], "alarmed": [3.0]}
    scores = {"cause": 4.0, "busy": 0.0}
    assert innocent(seen, scores, Symptom(service="alarmed")) == ["alarmed", "busy", "quiet"]
    assert innocent(seen, scores, None) == ["busy", "alarmed", "quiet"]
    assert len(innocent({f"s{n}": [1.0] for n in range(9)}, {}, None)) == SERVICES_CLEARED
