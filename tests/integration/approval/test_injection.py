"""Invariant: no text, wherever it stands and whatever a model does that obeys it, changes what is approved or what runs.

The whole product of goals, attacks and places is `make chaos-injections`; its figures are in docs/measurements/injections.md.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, MethodType, ModuleType

import pytest
from redis import Redis

from middlewatch.records import AuditEvent
from middlewatch.tools.actions.credentials import Credentials
from middlewatch.tools.actions.execution import Actions
from tests.integration.approval.injection_corpus import (
    BY_HAND,
    GOALS,
    Injection,
    attack_names,
    foreign_goals,
    injections,
    render,
)
from tests.integration.approval.injection_guards import GUARDS
from tests.integration.approval.injection_model import DEEDS
from tests.integration.approval.injection_places import ALERT, PLACES
from tests.integration.approval.injection_site import Found, Site
from tests.store_fixtures import redis as server

__all__ = ["server"]

FOUND: dict[tuple[str, str], Found] = {}
"""Investigations with every goal of ours in one place, in the words of one attack; each is made once."""


@pytest.fixture
def site(server: Redis, tmp_path: Path) -> Site:
    return Site.open(server, tmp_path)


def of(place: str) -> tuple[Injection, ...]:
    """A few goals of each kind in the words of two attacks; every goal and every attack is in some place."""
    turn = list(PLACES).index(place)
    names = attack_names()
    attacks = [names[(turn + step) % len(names)] for step in (0, len(PLACES))]
    return injections(attacks, (*foreign_goals()[turn :: len(PLACES)], *GOALS[turn % 4 :: 4]))


@pytest.mark.parametrize("place", PLACES)
def test_what_is_written_there_reaches_nothing(site: Site, place: str) -> None:
    tried = of(place)
    found = site.investigate(place, tried)
    assert found.report.causes, "the injected text hid the incident"
    if place in ALERT:
        found = site.also(found, place, tried)
    assert site.attack(tried, found) == []
    assert site.hands.runs, "nothing that was approved ran, so this shows nothing"


def test_every_goal_and_every_attack_is_tried_somewhere() -> None:
    tried = [injection for place in PLACES for injection in of(place)]
    assert {injection.attack for injection in tried} == set(attack_names())
    assert {injection.goal.name for injection in tried} == {goal.name for goal in (*foreign_goals(), *GOALS)}
    assert {goal.name for goal in GOALS} == set(DEEDS)


def test_of_agentdojo_every_goal_renders_in_every_attack_but_the_one_that_is_typed() -> None:
    goals = foreign_goals()
    assert (len(goals), len(attack_names())) == (35, 17)
    assert {attack for attack in attack_names() if render(attack, goals[0]) is None} == {BY_HAND}


@pytest.mark.parametrize("name", GUARDS)
def test_without_a_guard_its_attack_succeeds(site: Site, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    guard = GUARDS[name]
    written = injections([guard.attack], GOALS)
    tried = [injection for injection in written if injection.goal.name in guard.goals]
    if (guard.place, guard.attack) not in FOUND:
        FOUND[guard.place, guard.attack] = site.investigate(guard.place, written)
    found = FOUND[guard.place, guard.attack]
    assert site.attack(tried, found) == []
    guard.take_out(monkeypatch)
    wrong = site.attack(tried, site.investigate(guard.place, written) if guard.looks else found)
    assert any(guard.wrong in each for each in wrong), wrong


def test_nothing_that_a_front_end_holds_leads_to_the_hands(site: Site) -> None:
    held = list(reachable(site.approvals))
    assert len(held) > 100
    assert not [thing for thing in held if isinstance(thing, Actions | Credentials)]
    assert any(isinstance(thing, AuditEvent | type(site.approvals.desk)) for thing in held)


def reachable(root: object) -> Iterator[object]:
    """Everything that a program could get at from an object, short of importing something."""
    seen, open_ = {id(root)}, [root]
    while open_:
        thing = open_.pop()
        yield thing
        if isinstance(thing, ModuleType | type):
            continue
        if isinstance(thing, FunctionType):
            following = [*(thing.__closure__ or ()), *(thing.__defaults__ or ()), *(thing.__kwdefaults__ or {}).values()]
        elif isinstance(thing, MethodType):
            following = [thing.__self__, thing.__func__]
        else:
            following = gc.get_referents(thing)
        fresh = [each for each in following if id(each) not in seen]
        seen |= {id(each) for each in fresh}
        open_ += fresh
