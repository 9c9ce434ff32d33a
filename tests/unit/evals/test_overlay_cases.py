"""Invariants: the cause is the only change that came in time in the service that broke; the same seed gives the same changes."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.evals.labels import Label
from middlewatch.evals.overlay_cases import (
    LONGEST_LAG_SECONDS,
    SAME_MOMENT_SECONDS,
    SHORTEST_LAG_SECONDS,
    Placed,
    Role,
    Sort,
    System,
    place,
    sorts,
)
from middlewatch.records import Incident
from tests.telemetry_data import incident_row, moment

INCIDENT = Incident.model_validate(incident_row(1200, 120))
FAULT = moment(1080)
LABEL = Label(incident="incident-1", root_cause_service="cart", root_cause_kind="slow", started_at=FAULT)
QUIET = Label(incident="incident-1", root_cause_service=None)
SYSTEM = System(
    frozenset({"shop", "cart", "stock", "mail", "pay"}),
    {"cart": frozenset({"shop", "stock"}), "shop": frozenset({"cart"}), "stock": frozenset({"cart"})},
)
SEEDS = st.integers(0, 10_000)


def placed(sort: Sort, seed: int, label: Label = LABEL) -> tuple[Placed, ...]:
    return place(INCIDENT, label, sort, SYSTEM, seed)


@given(SEEDS)
def test_a_true_deploy_comes_shortly_before_its_fault_with_decoys_around_it(seed: int) -> None:
    changes = placed(Sort.TRUE_DEPLOY, seed)
    (cause,) = (change for change in changes if change.role is Role.CAUSE)
    lag = (FAULT - cause.time).total_seconds()
    assert cause.service == "cart"
    assert lag + 0.01 >= SHORTEST_LAG_SECONDS
    assert lag <= LONGEST_LAG_SECONDS
    same_moment = [change for change in changes if change.role is Role.SAME_MOMENT]
    assert {change.service for change in same_moment} == {"shop", "stock"}
    assert all(abs((change.time - cause.time).total_seconds()) <= SAME_MOMENT_SECONDS + 0.01 for change in same_moment)
    assert Counter(change.role for change in changes) == Counter(
        {Role.CAUSE: 1, Role.SAME_MOMENT: 2, Role.BEFORE: 2, Role.AFTER: 1, Role.OWN_BEFORE: 1}
        | {Role.OWN_ROLLED_BACK: 1, Role.OWN_ROLLBACK: 1}
    )


@given(SEEDS, st.sampled_from([Sort.TRUE_DEPLOY, Sort.DECOYS]))
def test_no_innocent_change_of_the_broken_service_stays_and_comes_in_time(seed: int, sort: Sort) -> None:
    for change in placed(sort, seed):
        if change.service == "cart" and change.role not in (Role.CAUSE, Role.OWN_ROLLED_BACK, Role.OWN_ROLLBACK):
            assert change.time >= FAULT or change.time <= FAULT - timedelta(minutes=30)


@given(SEEDS)
def test_a_rollback_brings_back_the_version_from_before(seed: int) -> None:
    versions = {change.role: change.version for change in placed(Sort.TRUE_DEPLOY, seed) if change.service == "cart"}
    bad, back, cause = (int(versions[role].split(".")[1]) for role in (Role.OWN_ROLLED_BACK, Role.OWN_ROLLBACK, Role.CAUSE))
    assert (back, cause) == (bad - 1, bad + 1)


@given(SEEDS)
def test_decoys_alone_hold_no_cause_and_one_after_the_onset(seed: int) -> None:
    roles = Counter(change.role for change in placed(Sort.DECOYS, seed))
    assert (roles[Role.CAUSE], roles[Role.OWN_AFTER]) == (0, 1)


@given(SEEDS, st.sampled_from(list(Sort)))
def test_the_same_seed_gives_the_same_changes_in_order(seed: int, sort: Sort) -> None:
    changes = placed(sort, seed, QUIET if sort is Sort.QUIET else LABEL)
    assert changes == placed(sort, seed, QUIET if sort is Sort.QUIET else LABEL)
    assert [change.time for change in changes] == sorted(change.time for change in changes)
    assert all(change.service in SYSTEM.services for change in changes)


def test_without_deploys_there_are_none_and_quiet_moments_have_only_decoys() -> None:
    assert placed(Sort.NONE, 0) == ()
    assert {change.role for change in placed(Sort.QUIET, 0, QUIET)} == {Role.QUIET}


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (LABEL, (Sort.TRUE_DEPLOY, Sort.DECOYS, Sort.NONE)),
        (QUIET, (Sort.QUIET,)),
        (LABEL.model_copy(update={"started_at": None}), ()),
    ],
)
def test_what_is_known_of_a_fault_decides_which_cases_can_be_made(label: Label, expected: tuple[Sort, ...]) -> None:
    assert sorts(label) == expected


def test_a_service_without_neighbours_has_no_decoys_at_its_moment() -> None:
    alone = place(INCIDENT, LABEL, Sort.TRUE_DEPLOY, System(frozenset({"cart"}), {}), 0)
    assert {change.service for change in alone} == {"cart"}
