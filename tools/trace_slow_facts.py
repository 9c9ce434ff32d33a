"""Where time is lost, in numbers and in a sentence."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from middlewatch.records import AnomalyKind, Family, Mechanism
from middlewatch.tools.baseline import Floats
from middlewatch.tools.instances import stood_still
from middlewatch.tools.missing_time import MissingTime, missing_time
from middlewatch.tools.structure import Key
from middlewatch.tools.trace_ground import Fact, Ground, on_instance
from middlewatch.tools.trace_requests import Mask
from middlewatch.tools.trace_views import Scores
from middlewatch.tools.wording import quantity, quoted

ANSWERED_SHARE = 0.5
"""Where calls that were answered became slower by less than this share of what all did, time is lost in waiting in vain. Chosen."""


def slow(ground: Ground, service: str, onset: int) -> Iterator[Fact]:
    """The operations of a service whose own time grew, and its edges on which time is lost."""
    slowness = ground.views.slowness
    shift = slowness.latencies.shift(onset, ground.timeline.question.end)
    number = {place: i for i, place in enumerate(slowness.places)}
    for place, evidence in slowness.evidence(shift).items():
        if service not in (place.service, place.callee):
            continue
        own = np.flatnonzero(slowness.place == number[place])
        if not place.callee:
            yield from (_slow_operation(ground, index, onset) for index in own[shift.bound[own] > 0].tolist())
        elif evidence > 0:
            yield _slow_edge(ground, int(own[np.argmax(shift.bound[own])]), onset, service)


def _slow_operation(ground: Ground, index: int, onset: int) -> Fact:
    key, requests = _key(ground, index), ground.credit.requests
    before, after = ground.spans(key, onset)
    lost = missing_time(requests, key[1], before, after)
    if lost.mechanism is Mechanism.OWN_CODE and key[0] in requests.services:
        now = ground.credit.bucket >= onset
        if stood_still(requests, requests.services.index(key[0]), ~now, now):
            lost = MissingTime(Mechanism.GARBAGE_COLLECTION, "in pauses of the whole process, in which nothing in it goes on")
    instance = ground.instance(np.log(requests.self_ns / 1e6 + ground.views.slowness.floor_ms), before, after)
    return _fact(ground, index, onset, "", lost, instance)


def _slow_edge(ground: Ground, index: int, onset: int, service: str) -> Fact:
    requests, slowness = ground.credit.requests, ground.views.slowness
    place = slowness.places[slowness.place[index]]
    called = np.full(requests.size, -1)
    called[requests.parent[requests.children]] = requests.children
    before, after = ground.spans(_key(ground, index), onset)
    lost = np.log(requests.self_ns / 1e6 + slowness.floor_ms)
    instance = ground.instance(lost, before, after, None if service == place.service else called)
    peer = place.callee if service == place.service else place.service
    only_unanswered = _rise(lost, before, after & (called >= 0)) < ANSWERED_SHARE * _rise(lost, before, after)
    mechanism = Mechanism.UNREACHABLE if only_unanswered else Mechanism.NETWORK
    return _fact(ground, index, onset, peer, MissingTime(mechanism), instance)


def _rise(value: Floats, before: Mask, after: Mask) -> float:
    """By how much a mean rose; 0 where there is nothing to compare."""
    return float(value[after].mean() - value[before].mean()) if before.any() and after.any() else 0.0


def _fact(ground: Ground, index: int, onset: int, peer: str, lost: MissingTime, instance: str) -> Fact:
    slowness = ground.views.slowness
    place, operation = slowness.places[slowness.place[index]], slowness.operations[index]
    shift = slowness.latencies.shift(onset, ground.timeline.question.end)
    before, after = (max(0.0, float(np.exp(y[index]) - slowness.floor_ms)) for y in (shift.before, shift.after))
    count, total = (np.diff(x[index]) for x in (slowness.latencies.count, slowness.latencies.total))
    course = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    what = f"own time of {quoted(operation)} in {quoted(place.service)}"
    between = f"time between {quoted(place.service)} and {quoted(place.callee)} in {quoted(operation)}"
    times = f" ({quantity(after / before)}x)" if before > 0 else ""
    where = f", {lost.where}" if lost.where else ""
    return Fact(
        kind=AnomalyKind.EDGE if place.callee else AnomalyKind.OPERATION,
        family=Family.LATENCY,
        peer=peer,
        spoken_by=place.service,
        operation=operation,
        unit="ms",
        baseline=before,
        observed=after,
        strength=ground.surprises.nats(Scores(float(shift.bound[index]), 0.0)).slower,
        course=(course - shift.before[index]) / np.sqrt(shift.sampling[index] + shift.drift[index]),
        summary=f"{between if place.callee else what} rose from {quantity(before, 'ms')} to {quantity(after, 'ms')}{times}, "
        f"over {quantity(float(shift.spans[index]))} spans{where}{on_instance(instance)}",
        query=ground.behaviours,
        mechanism=lost.mechanism,
        instance=instance,
    )


def _key(ground: Ground, index: int) -> Key:
    slowness = ground.views.slowness
    return slowness.places[slowness.place[index]].service, slowness.operations[index], slowness.parents[index]
