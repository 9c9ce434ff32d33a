"""Invariant: a run is fully determined by its plan, its faults are where they say, and every other change is innocent."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.evals.lab.changes import FIRST_SETTINGS, FIRST_VERSIONS, HARMLESS_SETTINGS, ShopChange
from middlewatch.evals.lab.faults import FAULTS, QUIET, SUITE, FaultKind, faults
from middlewatch.evals.lab.schedule import Plan, schedule, suite
from middlewatch.evals.lab.shop import ShopOptions
from middlewatch.evals.lab.versions import release
from middlewatch.evals.lab.ways import Changed
from middlewatch.records import ChangeKind
from middlewatch.records.errors import BadInput

INCIDENTS = st.lists(st.sampled_from(SUITE), min_size=1, max_size=6).map(tuple)


def is_harmless(change: ShopChange) -> bool:
    if change.kind is ChangeKind.DEPLOY:
        return (
            release(change.version) == release(FIRST_VERSIONS[change.service]) and change.version != FIRST_VERSIONS[change.service]
        )
    name, values = HARMLESS_SETTINGS[change.service]
    return set(change.settings) == {name} and change.settings[name] in values


@given(INCIDENTS, st.integers(0, 2**63), st.floats(5, 5000), st.floats(5, 5000))
def test_harmless_changes_concern_other_services_than_the_faults(
    incidents: tuple[str, ...], seed: int, baseline: float, recovery: float
) -> None:
    plan = Plan(incidents, baseline_seconds=baseline, recovery_seconds=recovery, shop=ShopOptions(seed=seed))
    episodes = schedule(plan)
    assert tuple(episode.name for episode in episodes) == incidents
    for number, episode in enumerate(episodes):
        assert episode.healthy_seconds == (recovery if number else baseline)
        assert episode.before
        times = [step.at_seconds for step in episode.before]
        assert times == sorted(times)
        assert times[-1] < episode.healthy_seconds
        concerned = [step.change.service for step in (*episode.before, *episode.after)]
        concerned += [way.service for _, way in episode.faults]
        assert len(set(concerned)) == len(concerned)
        assert all(is_harmless(step.change) for step in (*episode.before, *episode.after))


def test_the_same_seed_makes_the_same_run_and_seeds_differ() -> None:
    runs = [schedule(Plan(("dropped-index", QUIET), shop=ShopOptions(seed=seed))) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


@given(st.integers(0, 2**32), st.integers(1, 30))
def test_a_suite_has_every_incident_once_in_recordings_of_like_length(seed: int, each: int) -> None:
    recordings = suite(SUITE, seed=seed, each=each)
    assert sorted(name for incidents in recordings for name in incidents) == sorted(SUITE)
    lengths = {len(incidents) for incidents in recordings}
    assert max(lengths) <= min(each, min(lengths) + 1)


def test_every_kind_of_cause_can_be_recorded() -> None:
    assert {fault.kind for fault in faults()} == set(FaultKind)


def test_every_change_of_a_fault_is_a_real_one() -> None:
    for change in (way.change for fault in faults() for way in fault.ways if isinstance(way, Changed)):
        assert not is_harmless(change)
        if change.kind is ChangeKind.DEPLOY:
            assert release(change.version) != release(FIRST_VERSIONS[change.service])
        else:
            assert change.settings.items() - FIRST_SETTINGS[change.service].items() == change.settings.items()
            assert change.settings.keys() <= FIRST_SETTINGS[change.service].keys()


def test_the_services_of_faults_exist() -> None:
    assert {way.service for fault in FAULTS.values() for way in fault.ways} == set(FIRST_VERSIONS)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("baseline_seconds", lambda: Plan(("dropped-index",), baseline_seconds=0.0)),
        ("recovery_seconds", lambda: Plan(("dropped-index",), recovery_seconds=0.0)),
        ("incident_seconds", lambda: Plan(("dropped-index",), incident_seconds=math.nan)),
        ("requests_per_second", lambda: Plan(("dropped-index",), shop=ShopOptions(requests_per_second=-1.0))),
        ("seed", lambda: Plan(("dropped-index",), shop=ShopOptions(seed=-1))),
        ("nothing to record", lambda: Plan(())),
        ("in one service", lambda: Plan(("missing-market+cache-off",))),
    ],
)
def test_what_cannot_be_run_is_refused(name: str, make: Callable[[], Plan]) -> None:
    with pytest.raises(BadInput, match=name):
        make()


@pytest.mark.parametrize("incident", ["meteor", "dropped-index+meteor", "dropped-index+quiet", ""])
def test_an_unknown_fault_is_refused_with_the_known_ones(incident: str) -> None:
    with pytest.raises(BadInput, match=r"dropped-index.*quiet"):
        Plan((incident,))
