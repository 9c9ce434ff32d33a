"""What happens when in a run. Everything is drawn from the seed before the run starts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from middlewatch.evals.lab.changes import FIRST_VERSIONS, HARMLESS_PURPOSES, HARMLESS_SETTINGS, ShopChange, configure, deploy
from middlewatch.evals.lab.detection import CUSTOMERS_OBJECTIVES, AlertRule
from middlewatch.evals.lab.faults import DECOYS, INNOCENT_DEPLOY, QUIET, Fault, fault_named
from middlewatch.evals.lab.shop import ShopOptions
from middlewatch.evals.lab.versions import release
from middlewatch.evals.lab.ways import Way
from middlewatch.records.errors import BadInput

_DECOY_SHARES = ((0.25, 0.5), (0.75, 0.9))
"""When harmless changes happen, as shares of the healthy time: one in its middle, one not long before the fault."""
_BOTH_DECOYS = 0.6
"""How often both of them happen; otherwise the second one alone."""
_LATE_DECOY = 0.4
"""How often a harmless change also happens after the fault."""
_LATE_DECOY_SECONDS = (3.0, 15.0)
_INNOCENT_SECONDS = (3.0, 6.0)
"""How long before a false alarm the innocent release of an `innocent-deploy` goes out."""
_CONFIG_SHARE = 0.25
"""How many of the harmless changes concern settings; the others are deploys."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to record: for each incident some healthy time, then what goes wrong until it was investigated, then recovery."""

    incidents: tuple[str, ...]
    """For each of them a fault's name, several joined by `+` that happen at once, or one of `DECOYS`."""
    baseline_seconds: float = 60.0
    """Healthy time before the first incident."""
    recovery_seconds: float = 45.0
    """Healthy time before each later one, counted from when the fault before it was taken back."""
    incident_seconds: float = 90.0
    """How long to wait for the alert."""
    investigation_seconds: float = 20.0
    """How long after the detection the incident's window ends, and the fault is taken back."""
    warm_up_seconds: float = 12.0
    """Load before the recording starts: the first requests fill caches and open connections."""
    calm_seconds: float = 15.0
    """No fault is done before the alert has kept silent for so long; on a busy machine the healthy time grows."""
    quiet_moments: bool = False
    """Whether the end of each healthy time, as long as an investigation's, is also kept: as a moment at which nothing was wrong."""
    alert: AlertRule = field(default_factory=AlertRule)
    shop: ShopOptions = field(default_factory=ShopOptions)

    def __post_init__(self) -> None:
        """Refuse what cannot be run.

        Raises:
            BadInput: an unknown fault, two at once in one service, or a time or rate that makes no sense.
        """
        if not self.incidents:
            raise BadInput("There is nothing to record.", remedy="Name at least one fault.")
        for incident in self.incidents:
            _combinations(incident)
        bounds = (
            ("baseline_seconds", self.baseline_seconds, 5.0, 86_400.0),
            ("recovery_seconds", self.recovery_seconds, 5.0, 86_400.0),
            ("incident_seconds", self.incident_seconds, 5.0, 86_400.0),
            ("requests_per_second", self.shop.requests_per_second, 0.5, 200.0),
            ("seed", self.shop.seed, 0, 2**63),
        )
        for name, value, lowest, highest in bounds:
            if not lowest <= value <= highest:
                raise BadInput(f"{name} is {value}.", remedy=f"Choose a value from {lowest:g} to {highest:g}.")

    @property
    def usual_seconds(self) -> float:
        """About how long the recording takes: where every alert fires as soon as it can, and nothing else disturbs the shop."""
        healthy = self.baseline_seconds + self.recovery_seconds * (len(self.incidents) - 1)
        return healthy + len(self.incidents) * (self.alert.hold_seconds + self.investigation_seconds)


@dataclass(frozen=True, slots=True)
class Step:
    """A harmless change and when it is made, in seconds after the healthy time, or the fault, began."""

    at_seconds: float
    change: ShopChange


@dataclass(frozen=True, slots=True)
class Episode:
    """One incident: healthy time with harmless changes, then the faults, with none of them where it is a false alarm."""

    healthy_seconds: float
    before: tuple[Step, ...]
    faults: tuple[tuple[Fault, Way], ...]
    after: tuple[Step, ...]
    false_alarm: int
    """Which of the alert's objectives is said to be missed if there is no fault."""
    decoy: str = QUIET
    """Which one it is if there is no fault."""
    harmless: tuple[Way, ...] = ()
    """What is done to the shop in a false alarm, and harms nobody."""

    @property
    def name(self) -> str:
        """As in the plan."""
        return "+".join(fault.name for fault, _ in self.faults) or self.decoy


def schedule(plan: Plan) -> tuple[Episode, ...]:
    """The run's incidents in order. Harmless changes concern services that are not at fault in the incident."""
    draw = np.random.default_rng(plan.shop.seed)
    life = _OrdinaryLife(draw)
    episodes = []
    for number, incident in enumerate(plan.incidents):
        healthy = plan.recovery_seconds if number else plan.baseline_seconds
        combinations = _combinations(incident)
        faults = combinations[int(draw.integers(len(combinations)))]
        ways = DECOYS.get(incident, ())
        harmless = (ways[int(draw.integers(len(ways)))],) if ways else ()
        others = [service for service in FIRST_VERSIONS if service not in {way.service for _, way in faults}]
        wanted = [str(name) for name in draw.permutation(others)]
        spans = _DECOY_SHARES if draw.random() < _BOTH_DECOYS else _DECOY_SHARES[1:]
        before = tuple(Step(float(draw.uniform(*span)) * healthy, life.change(wanted.pop())) for span in spans)
        if incident == INNOCENT_DEPLOY:
            at = max(before[-1].at_seconds, healthy - float(draw.uniform(*_INNOCENT_SECONDS)))
            before = (*before[:-1], Step(at, life.release(wanted.pop())))
        late = draw.random() < _LATE_DECOY
        after = (Step(float(draw.uniform(*_LATE_DECOY_SECONDS)), life.change(wanted.pop())),) if late else ()
        alarm = int(draw.integers(len(CUSTOMERS_OBJECTIVES)))
        episodes.append(Episode(healthy, before, faults, after, alarm, incident if incident in DECOYS else QUIET, harmless))
    return tuple(episodes)


def _combinations(incident: str) -> list[tuple[tuple[Fault, Way], ...]]:
    """Every way to have an incident's faults at once, each in another service.

    Raises:
        BadInput: an unknown fault, or there is no such way.
    """
    if incident in DECOYS:
        return [()]
    found: list[tuple[tuple[Fault, Way], ...]] = [()]
    for word in incident.split("+"):
        name, _, service = word.partition("@")
        fault = fault_named(name)
        found = [
            (*chosen, (fault, way))
            for chosen in found
            for way in fault.ways
            if way.service not in {each.service for _, each in chosen} and service in ("", way.service)
        ]
    if not found:
        raise BadInput(
            f"The faults of {incident} are in one service, or cannot be done there.",
            remedy="Faults at the same time need different services.",
        )
    return found


class _OrdinaryLife:
    """Draws harmless changes; the patches of a service follow one another."""

    def __init__(self, draw: np.random.Generator) -> None:
        self._draw = draw
        self._changes: Counter[str] = Counter()

    def change(self, service: str) -> ShopChange:
        """A deploy of the service's next patch, or a change of one of its settings."""
        if self._draw.random() >= _CONFIG_SHARE:
            return self.release(service)
        self._changes[service] += 1
        name, values = HARMLESS_SETTINGS[service]
        return configure(service, **{name: values[self._changes[service] % len(values)]})

    def release(self, service: str) -> ShopChange:
        """A deploy of the service's next patch."""
        self._changes[service] += 1
        first = FIRST_VERSIONS[service]
        patch = int(first.rpartition(".")[2]) + self._changes[service]
        purpose = HARMLESS_PURPOSES[int(self._draw.integers(len(HARMLESS_PURPOSES)))]
        return deploy(service, f"{release(first)}.{patch}", purpose)


def suite(incidents: Iterable[str], *, seed: int, each: int) -> tuple[tuple[str, ...], ...]:
    """Incidents in an order that is drawn, ``each`` or one fewer to a recording."""
    drawn = [str(name) for name in np.random.default_rng([seed, 2]).permutation(list(incidents))]
    recordings = -(-len(drawn) // each)
    return tuple(tuple(drawn[number::recordings]) for number in range(recordings))
