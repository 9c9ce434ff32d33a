"""Storms of alerts over made-up systems, of which it is known what caused them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime

from middlewatch.records import AlertMessage, Edge
from middlewatch.tools.bursts import Calls
from tests.alert_data import make_message


@dataclass(frozen=True, slots=True)
class Storm:
    """What alerts, and why."""

    edges: frozenset[tuple[str, str]]
    """Who calls whom, as far as traces show it."""
    causes: frozenset[str]
    alerting: frozenset[str]
    messages: tuple[AlertMessage, ...]


def make_storm(
    seed: int, *, services: int = 30, causes: int = 3, alerts: int = 1000, silent: float = 0.0, lost: float = 0.0
) -> Storm:
    """A system in layers with causes that do not reach one another; all that reach one alert.

    Args:
        seed: of everything that is random.
        services: that alert.
        causes: how many, at most.
        alerts: messages, each of an alert of its own; every service that alerts has one.
        silent: share of the services above a cause that do not alert, though they suffer.
        lost: share of the calls that no trace shows.
    """
    chance = random.Random(seed)
    planted = [f"cause-{n}" for n in range(causes)]
    names = [f"svc-{n:02}" for n in range(services - causes)]
    chance.shuffle(names)
    edges: set[tuple[str, str]] = set()
    below = list(planted)
    for name in names:  # each calls one or two of those that are there already, so that it reaches a cause
        edges |= {(name, callee) for callee in chance.sample(below, k=min(len(below), chance.choice((1, 1, 2))))}
        below.append(name)
    healthy = [f"well-{n}" for n in range(10)]
    edges |= {(chance.choice(names), one) for one in healthy} if names else set()
    alerting = {*planted, *(name for name in names if chance.random() >= silent)}
    ordered = sorted(alerting)
    of = [*ordered, *(chance.choice(ordered) for _ in range(alerts - len(ordered)))]
    chance.shuffle(of)
    now = datetime.now(UTC)
    messages = tuple(make_message(f"fp-{seed}-{n}", service=service, at=now) for n, service in enumerate(of))
    seen = frozenset(edge for edge in edges if chance.random() >= lost)
    return Storm(seen, frozenset(planted), frozenset(alerting), messages)


def merged(storm: Storm, homes: dict[str, set[str]]) -> list[tuple[str, str]]:
    """Pairs of causes that one investigation was opened for.

    Args:
        storm: what was planted.
        homes: investigations by the cause whose alerts they are first of all about.
    """
    causes = sorted(storm.causes & Calls.of(Edge(caller=a, callee=b) for a, b in storm.edges).services)
    return [(a, b) for n, a in enumerate(causes) for b in causes[n + 1 :] if homes.get(a, set()) & homes.get(b, set())]
