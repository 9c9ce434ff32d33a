"""Invariant: a run is fully determined by its plan, its fault comes last, and every other deploy is innocent."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.evals.lab.faults import FAULTS, FIRST_VERSIONS, HARMLESS_DEPLOYS, fault_named, faults
from middlewatch.evals.lab.schedule import Plan, schedule
from middlewatch.records.errors import BadInput


@given(st.sampled_from(sorted(FAULTS)), st.integers(0, 2**63), st.floats(5, 5000))
def test_decoys_come_before_the_fault_and_concern_other_services(fault: str, seed: int, baseline: float) -> None:
    steps = schedule(Plan(fault, baseline_seconds=baseline, seed=seed))
    *decoys, last = steps
    assert last.change is fault_named(fault).change
    assert last.at_seconds == baseline
    assert [step.at_seconds for step in steps] == sorted(step.at_seconds for step in steps)
    assert all(step.change in HARMLESS_DEPLOYS for step in decoys)
    assert len({step.change.service for step in steps}) == len(steps) == 3


def test_the_same_seed_makes_the_same_run_and_seeds_differ() -> None:
    runs = [schedule(Plan("dropped-index", seed=seed)) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


def test_every_change_is_a_real_one() -> None:
    for change in (*HARMLESS_DEPLOYS, *(fault.change for fault in faults())):
        assert change.service in FIRST_VERSIONS
        assert change.version != FIRST_VERSIONS[change.service]


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("baseline_seconds", lambda: Plan("dropped-index", baseline_seconds=0.0)),
        ("incident_seconds", lambda: Plan("dropped-index", incident_seconds=math.nan)),
        ("requests_per_second", lambda: Plan("dropped-index", requests_per_second=-1.0)),
        ("seed", lambda: Plan("dropped-index", seed=-1)),
    ],
)
def test_what_cannot_be_run_is_refused(name: str, make: Callable[[], Plan]) -> None:
    with pytest.raises(BadInput, match=name):
        make()


def test_an_unknown_fault_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BadInput, match="dropped-index"):
        Plan("meteor")
