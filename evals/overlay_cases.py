"""Semi-synthetic deploys: real telemetry of real faults, and changes that nobody made. Beside them, changes that were really made.

Public recordings of injected faults hold no changes, so changes are laid over them: one where the fault really began, as if it had
brought the fault, and others that are innocent by construction. Everything is drawn from a seed.

How many of each, and when, is chosen, not derived.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from middlewatch.evals.labels import Label
from middlewatch.records import ChangeKind, Incident, Record, UtcDatetime

SHORTEST_LAG_SECONDS, LONGEST_LAG_SECONDS = 5.0, 300.0
"""From a true deploy to the beginning of its fault, as the label has it."""
SAME_MOMENT_SECONDS = 10.0
"""How far decoys of the same moment are from it, at most."""
NEIGHBOURS = 2
BEFORE, BEFORE_SECONDS = 2, (300.0, 7200.0)
"""Decoys in services drawn at random, and how long before the fault."""
LONG_BEFORE_SECONDS = (1800.0, 14_400.0)
"""How long before the fault the service that breaks was changed without harm."""
ROLLED_BACK_SECONDS, ROLLBACK_SECONDS = (900.0, 1800.0), (300.0, 600.0)
"""How long before the fault a version of that service was deployed that did not stay, and after how long it was taken back."""
QUIET = 4
"""Decoys at a quiet moment."""
QUIET_SECONDS = 600.0
"""How far around a quiet moment they are."""
DECOY_KINDS = {ChangeKind.DEPLOY: 6, ChangeKind.CONFIG: 2, ChangeKind.FLAG: 1, ChangeKind.SCALE: 1}
"""How often each kind is drawn for a decoy."""


class Sort(StrEnum):
    """What the changes of one case are like."""

    TRUE_DEPLOY = "true deploy"
    DECOYS = "decoys only"
    NONE = "no deploys"
    QUIET = "quiet moment"
    REAL = "real changes"


class Role(StrEnum):
    """What a change is there for. All but the cause are innocent."""

    CAUSE = "cause"
    SAME_MOMENT = "neighbour, same moment"
    BEFORE = "elsewhere, before"
    AFTER = "elsewhere, after the onset"
    OWN_BEFORE = "same service, long before"
    OWN_ROLLED_BACK = "same service, rolled back before"
    OWN_ROLLBACK = "same service, rollback"
    OWN_AFTER = "same service, after the onset"
    QUIET = "at a quiet moment"
    REAL = "really made, innocent"


class Placed(Record):
    """A change, and what it is there for."""

    incident: str
    sort: Sort
    role: Role
    time: UtcDatetime
    service: str
    kind: ChangeKind = ChangeKind.DEPLOY
    version: str = ""


@dataclass(frozen=True, slots=True)
class System:
    """Which services there are, and who calls or is called by whom."""

    services: frozenset[str]
    neighbours: Mapping[str, frozenset[str]]


def sorts(label: Label) -> tuple[Sort, ...]:
    """The sorts of case that can be made of a labelled moment; none where it is not known when its fault began."""
    if label.root_cause_service is None:
        return (Sort.QUIET,)
    return () if label.started_at is None else (Sort.TRUE_DEPLOY, Sort.DECOYS, Sort.NONE)


def place(incident: Incident, label: Label, sort: Sort, system: System, seed: int) -> tuple[Placed, ...]:
    """The changes of one case, oldest first.

    Args:
        incident: the moment that is asked about.
        label: what really happened.
        sort: one of `sorts(label)`.
        system: where decoys may be put.
        seed: everything is drawn from it.
    """
    draw = random.Random(f"{seed}:{sort}:{incident.id}")  # noqa: S311  nothing secret
    placed = _Case(incident, label, sort, system, draw).changes()
    return _with_versions(sorted(placed, key=lambda change: (change.time, change.service, change.role)))


@dataclass(frozen=True, slots=True)
class _Case:
    """One case and what is drawn for it."""

    incident: Incident
    label: Label
    sort: Sort
    system: System
    draw: random.Random

    def changes(self) -> Iterator[Placed]:
        if self.sort is Sort.QUIET:
            for service in self._some(self.system.services, QUIET):
                yield self._change(Role.QUIET, self.draw.uniform(-QUIET_SECONDS, QUIET_SECONDS), service)
        elif self.sort is not Sort.NONE:
            moment = -self._spread(SHORTEST_LAG_SECONDS, LONGEST_LAG_SECONDS)
            if self.sort is Sort.TRUE_DEPLOY:
                yield self._change(Role.CAUSE, moment, self._broken)
            yield from self._elsewhere(moment)
            yield from self._in_the_same_service()

    def _elsewhere(self, moment: float) -> Iterator[Placed]:
        others = self.system.services - {self._broken}
        for neighbour in self._some(self.system.neighbours.get(self._broken, frozenset()), NEIGHBOURS):
            yield self._change(Role.SAME_MOMENT, moment + self.draw.uniform(-SAME_MOMENT_SECONDS, SAME_MOMENT_SECONDS), neighbour)
        for other in self._some(others, BEFORE):
            yield self._change(Role.BEFORE, -self._spread(*BEFORE_SECONDS), other)
        for other in self._some(others, 1):
            yield self._change(Role.AFTER, self._after_the_onset(), other)

    def _in_the_same_service(self) -> Iterator[Placed]:
        yield self._change(Role.OWN_BEFORE, -self._spread(*LONG_BEFORE_SECONDS), self._broken)
        rolled_back = -self.draw.uniform(*ROLLED_BACK_SECONDS)
        yield self._change(Role.OWN_ROLLED_BACK, rolled_back, self._broken)
        yield self._change(Role.OWN_ROLLBACK, rolled_back + self.draw.uniform(*ROLLBACK_SECONDS), self._broken)
        if self.sort is Sort.DECOYS:  # beside a true deploy nobody could tell which of two came just in time
            yield self._change(Role.OWN_AFTER, self._after_the_onset(), self._broken)

    @property
    def _broken(self) -> str:
        return self.label.root_cause_service or ""

    @property
    def _fault(self) -> UtcDatetime:
        return self.label.started_at or self.incident.detected_at

    def _after_the_onset(self) -> float:
        return self.draw.uniform(0.0, (self.incident.window_end - self._fault).total_seconds())

    def _change(self, role: Role, seconds: float, service: str) -> Placed:
        """A change so many seconds after the fault began."""
        certain = role in {Role.CAUSE, Role.OWN_ROLLED_BACK, Role.OWN_ROLLBACK}
        kind = ChangeKind.DEPLOY if certain else self.draw.choices(list(DECOY_KINDS), list(DECOY_KINDS.values()))[0]
        time = self._fault + timedelta(seconds=round(seconds, 3))
        return Placed(incident=self.incident.id, sort=self.sort, role=role, time=time, service=service, kind=kind)

    def _some(self, services: frozenset[str], most: int) -> list[str]:
        return self.draw.sample(sorted(services), min(most, len(services)))

    def _spread(self, least: float, most: float) -> float:
        """Evenly likely on a logarithmic scale."""
        return float(least * (most / least) ** self.draw.random())


def _with_versions(changes: Sequence[Placed]) -> tuple[Placed, ...]:
    """Every deploy of a service brings its next version, and a rollback the one from before."""
    deployed: dict[str, int] = defaultdict(int)
    kept: dict[str, int] = {}
    versioned: list[Placed] = []
    for change in changes:
        version = ""
        if change.kind is ChangeKind.DEPLOY:
            if change.role is Role.OWN_ROLLED_BACK:
                kept[change.service] = deployed[change.service]
            deployed[change.service] += change.role is not Role.OWN_ROLLBACK
            version = f"1.{kept[change.service] if change.role is Role.OWN_ROLLBACK else deployed[change.service]}.0"
        versioned.append(change.model_copy(update={"version": version}))
    return tuple(versioned)
