"""Who calls whom, and what an edge says about its two ends."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import cast

import numpy as np

from middlewatch.records import Brief, Edge, Symptom, Window
from middlewatch.telemetry.sources import Answer, Sources
from middlewatch.tools.baseline import Floats

COARSEST_STEPS = 4
"""Steps that the map's window is read in. The map needs totals only, and few steps are few rows."""

SERVICES_CLEARED = 5
"""Of those in which nothing was found: a person reads no more. Chosen, not derived."""

MAP_SECONDS = 900.0
"""How far back from the end of the window calls are looked at where no window is asked for; a map needs minutes, not the whole
history."""


def service_map(sources: Sources, window: Window) -> tuple[Edge, ...]:
    """The edges that traces show in a window, and those that a topology declares, by caller and callee.

    Args:
        sources: what may be read.
        window: where calls are counted.
    """
    step_seconds = max(1, math.ceil(window.seconds / COARSEST_STEPS))
    return edges_of(sources.traces.edges(window, step_seconds=step_seconds))


def recent_map(sources: Sources, brief: Brief) -> tuple[Edge, ...]:
    """The service map of the incident and at least the quarter of an hour before the end of it."""
    end = brief.incident.end
    start = max(min(brief.incident.start, end - timedelta(seconds=MAP_SECONDS)), brief.baseline.start)
    return service_map(sources, Window(start=start, end=end))


def edges_of(answer: Answer) -> tuple[Edge, ...]:
    """The service map in an answer of `TraceSource.edges`. Calls of a service to itself are no edges."""
    calls: dict[tuple[str, str], int] = {}
    columns = (cast("list[object]", answer.table.column(name).to_pylist()) for name in ("caller", "callee", "calls"))
    for caller, callee, count in zip(*columns, strict=True):
        if caller and callee and caller != callee:
            pair = (str(caller), str(callee))
            calls[pair] = calls.get(pair, 0) + int(cast("int", count) or 0)
    return tuple(Edge(caller=caller, callee=callee, calls=count) for (caller, callee), count in sorted(calls.items()))


def callees(edges: Iterable[Edge]) -> dict[str, set[str]]:
    """Whom each caller calls directly."""
    called: dict[str, set[str]] = defaultdict(set)
    for edge in edges:
        called[edge.caller].add(edge.callee)
    return dict(called)


def reachable(edges: Iterable[Edge], service: str) -> dict[str, int]:
    """The services that `service` depends on, itself included, each with its distance in calls."""
    called = callees(edges)
    distance = {service: 0}
    frontier = [service]
    while frontier:
        nearest = frontier.pop(0)
        for callee in sorted(called.get(nearest, ())):
            if callee not in distance:
                distance[callee] = distance[nearest] + 1
                frontier.append(callee)
    return distance


def blame_ends(evidence: Mapping[tuple[str, str], Floats]) -> dict[str, Floats]:
    """Turn evidence about edges into evidence about services: the common endpoint wins.

    A slow edge speaks against both of its ends. A service is blamed with the mean of its edges' evidence times the square root of
    their share of all evidence, so that one that explains every slow edge beats one that explains some; the best of all its
    edges, those towards it, and (of several) those from it counts.

    Args:
        evidence: per (caller, callee), in nats, at least 0; arrays of one shape, one value per window. Unremarkable edges belong
            here too, with 0: they speak for their ends.

    Returns:
        Per service, arrays of the same shape.
    """
    if not evidence:
        return {}
    services = sorted({end for pair in evidence for end in pair})
    number = {service: i for i, service in enumerate(services)}
    values = np.array(list(evidence.values()), dtype=np.float64)
    total = np.maximum(values.sum(axis=0), np.finfo(np.float64).tiny)
    # Arrays over all services, since this is asked about every edge hundreds of times.
    sums, edges = np.zeros((2, len(services), *values.shape[1:])), np.zeros((2, len(services), *[1] * (values.ndim - 1)))
    for side in (0, 1):  # away from the service, and towards it
        ends = np.array([number[pair[side]] for pair in evidence], dtype=np.intp)
        np.add.at(sums[side], ends, values)
        np.add.at(edges[side], ends, 1.0)

    def blame(evidence_of: Floats, edges_of: Floats) -> Floats:
        return np.asarray(evidence_of / np.maximum(edges_of, 1.0) * np.sqrt(evidence_of / total), dtype=np.float64)

    away = np.where(edges[0] > 1, blame(sums[0], edges[0]), 0.0)
    blamed = np.max([blame(sums.sum(axis=0), edges.sum(axis=0)), blame(sums[1], edges[1]), away], axis=0)
    return dict(zip(services, blamed, strict=True))


def innocent(seen: Mapping[str, Sequence[float]], scores: Mapping[str, float], symptom: Symptom | None) -> list[str]:
    """The services worth clearing in words: of those in which nothing was found the symptom's own, and the busiest others.

    Args:
        seen: how often each kind of thing was seen in every service.
        scores: of every service, in nats.
        symptom: what alarmed, where that is known.
    """
    unremarkable = (service for service in seen if scores.get(service, 0.0) == 0.0)
    return sorted(unremarkable, key=lambda s: (symptom is None or s != symptom.service, -sum(seen[s]), s))[:SERVICES_CLEARED]
