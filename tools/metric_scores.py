"""From deviations to nats per service.

Deviations in scales cannot be compared between metrics or between services: where many services idle, the largest ones are on
nothing. So each is ranked against the analysis' own false-alarm history, over all services and the windows before the incident;
the logarithm of that rank is its evidence, and the size of the effect limits and refines it.

Constants without a source are chosen, not derived, and not measured one by one. Whole configurations were compared on development
recordings, so what is reached there does not confirm them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from middlewatch.records import Family
from middlewatch.tools.baseline import Floats, tail_rank
from middlewatch.tools.metric_deviations import Deviations
from middlewatch.tools.metric_series import Group, Labels
from middlewatch.tools.service_map import blame_ends

EXPECTED_NATS = 1.0
"""The mean of -ln p where nothing is wrong (p is uniform, so -ln p is a unit exponential); only what exceeds it is evidence."""
USUAL_DEVIATION = 2.0
"""Scales: a quiet window is often this high (`baseline.burst`), so the effect is counted from here."""
EFFECT_SHARE = 0.15
"""What the size of the effect adds to the rank, per nat: it orders deviations that are all without precedent."""
FEWEST_WINDOWS = 4
"""With fewer earlier windows a series' own history says nothing about its habits."""
TOP_SHARES = (0.7, 0.2, 0.1)
"""Weights of a service's three strongest metrics of one voice: the first decides, the others confirm."""
VOICE_SHARES = (1.0, 0.5, 0.25)
"""Weights of a service's voices, strongest first; metrics of different voices are more independent than those of one."""
EXPLAINED_SHARE = 0.8
"""How much of a service's latency and failures its worst callee's explain away."""
TOP_SHAPE = 3
"""Shape of the gamma distribution of quiet windows' top scores: on the development recordings their 90 % quantile is twice their
median, as this shape has it."""
TOP_MEDIAN = 2.674
"""Median of the gamma distribution of shape 3 and scale 1."""
USUAL_TOP = 1.1
"""The top score of a quiet window, in nats, before anything is known of the system: the median over the development recordings."""
USUAL_WINDOWS = 5
"""Windows that this counts for, so that a short history neither vouches for a score nor kills it."""


class Voice(Enum):
    """Families that say the same thing about a service."""

    LOCAL = "local"
    LATENCY = "latency"
    FAILURES = "failures"

    @property
    def spreads(self) -> bool:
        """Whether a callee's trouble shows in its callers, too."""
        return self is not Voice.LOCAL

    @classmethod
    def of(cls, family: Family) -> Voice:
        return {Family.LATENCY: cls.LATENCY, Family.SUCCESS: cls.FAILURES, Family.ERRORS: cls.FAILURES}.get(family, cls.LOCAL)


@dataclass(frozen=True, slots=True)
class Unit:
    """What is ranked: one quantity of one service (or edge), over all of its series; the worst of them counts."""

    service: str
    peer: str
    group: Group
    family: Family
    rows: tuple[int, ...]


def units_of(labels: Sequence[Labels], families: Sequence[Family]) -> tuple[Unit, ...]:
    """Gather the series into units, in a fixed order."""
    rows: dict[tuple[str, str, Group], list[int]] = defaultdict(list)
    for row, label in enumerate(labels):
        rows[label.service, label.peer, label.group].append(row)
    return tuple(Unit(service, peer, group, families[r[0]], tuple(r)) for (service, peer, group), r in sorted(rows.items()))


def evidence(units: Sequence[Unit], deviations: Deviations) -> Floats:
    """What each unit says, in nats, in the incident (column 0) and in each earlier window.

    With r the unit's deviation in a window, p = the rank of r among all units of the same quantity and all windows, and
    own = its rank among its own windows::

        surprise = max(0, -ln p - 1)
        effect   = ln(1 + max(0, r - 2))
        nats     = (min(surprise, effect) + 0.15 effect) * min(1, -ln own / ln((windows + 1) / 2))    where surprise > 0

    where `windows` counts the earlier ones, at least 4. The last factor takes back what is rare among the services but a habit of
    this one; it is full where at most one earlier window was as high.

    Returns:
        Shape (units, 1 + windows).
    """
    top = np.array([deviations.tops[list(unit.rows)].max(axis=0) for unit in units])
    nats = np.zeros_like(top)
    groups: dict[Group, list[int]] = defaultdict(list)
    for index, unit in enumerate(units):
        groups[unit.group].append(index)
    for rows in groups.values():
        r = top[rows]
        surprise = np.maximum(0.0, -np.log(tail_rank(r, r)) - EXPECTED_NATS)
        effect = np.log1p(np.maximum(0.0, r - USUAL_DEVIATION))
        nats[rows] = np.minimum(surprise, effect) + EFFECT_SHARE * effect * (surprise > 0)
    windows = top.shape[1] - 1
    if windows >= FEWEST_WINDOWS:
        own = np.count_nonzero(top[:, None, :] >= top[:, :, None] * (1 - 1e-12), axis=2) / top.shape[1]
        nats *= np.minimum(1.0, -np.log(own) / np.log((windows + 1) / 2))
    return nats


def voice_values(units: Sequence[Unit], nats: Floats, voice: Voice) -> dict[str, Floats]:
    """What each service's own metrics of one voice say together, per service of shape (windows,)."""
    own: dict[str, list[Floats]] = defaultdict(list)
    for unit, row in zip(units, nats, strict=True):
        if Voice.of(unit.family) is voice and not unit.peer:
            own[unit.service].append(row)
    return {service: _weighted(rows, TOP_SHARES) for service, rows in own.items()}


def service_scores(units: Sequence[Unit], nats: Floats, voice_weights: Mapping[Voice, float] | None = None) -> dict[str, Floats]:
    """Add the units up to services, in every window alike.

    Args:
        units: what was ranked.
        nats: their evidence less what is a consequence (`own_part`), shape (units, windows).
        voice_weights: how much each voice counts; 1 where absent.

    Returns:
        Per service, shape (windows,). Every service of a unit is there, also with 0; so is every peer.
    """
    nothing = np.zeros(nats.shape[1])
    services = sorted({u.service for u in units} | {u.peer for u in units if u.peer})
    spoken: dict[str, list[Floats]] = {service: [] for service in services}
    for voice in Voice:
        edges: dict[tuple[str, str], Floats] = {}
        for unit, row in zip(units, nats, strict=True):
            if Voice.of(unit.family) is voice and unit.peer:
                pair = (unit.service, unit.peer)
                edges[pair] = np.maximum(edges.get(pair, nothing), row)
        own, blamed = voice_values(units, nats, voice), blame_ends(edges)
        weight = (voice_weights or {}).get(voice, 1.0)
        for service in services:
            spoken[service].append(weight * np.maximum(own.get(service, nothing), blamed.get(service, nothing)))
    return {service: _weighted(rows, VOICE_SHARES) for service, rows in spoken.items()}


def own_part(nats: Floats, shares: Floats) -> Floats:
    """Evidence less what the services behind explain of it, see `metric_excess.consequence_shares`."""
    return nats * (1.0 - EXPLAINED_SHARE * shares)


def rarities(scores: Floats, earlier_tops: Floats) -> Floats:
    """-ln of the probability that the top service of a quiet window scores as high.

    Quiet tops are taken to follow a gamma distribution of shape 3 (they are maxima over many services, so small ones are rarer than
    the exponential distribution has it). Its scale is known from n = windows + 5 tops: those of the earlier windows by their
    median, which tolerates undiscovered faults in half of them, and as if five more of the usual size had been seen. Then
    s / (s + sum of the tops) follows a beta distribution, and with x for it::

        p = (1 - x)^(3 n) (1 + 3 n x + 3 n (3 n + 1) / 2 x^2)

    Args:
        scores: any shape, at least 0.
        earlier_tops: shape (windows,); may be empty.
    """
    windows = earlier_tops.size
    seen = windows * float(np.median(earlier_tops)) if windows else 0.0
    total = (seen + USUAL_WINDOWS * USUAL_TOP) * TOP_SHAPE / TOP_MEDIAN
    size = TOP_SHAPE * (windows + USUAL_WINDOWS)
    share = scores / (scores + total)
    return np.asarray(-size * np.log1p(-share) - np.log1p(size * share * (1 + (size + 1) / 2 * share)), dtype=np.float64)


def _weighted(rows: Sequence[Floats], shares: Sequence[float]) -> Floats:
    """The strongest rows of each window, by weight."""
    strongest = -np.sort(-np.asarray(rows), axis=0)[: len(shares)]
    return np.asarray((strongest * np.array(shares[: len(strongest)])[:, None]).sum(axis=0), dtype=np.float64)
