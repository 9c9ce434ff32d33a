"""What operations do otherwise than they did, in numbers and in a sentence: other calls, failures, calls in a loop.

The constants are chosen: they bound what is shown.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from middlewatch.records import AnomalyKind, Family, Mechanism
from middlewatch.tools.baseline import Floats
from middlewatch.tools.fan_out import fan_outs
from middlewatch.tools.structure import Kind, Structure
from middlewatch.tools.timeline import BUCKETS_PER_MINUTE, RECENT_BUCKETS
from middlewatch.tools.trace_ground import Fact, Ground, on_instance, percent
from middlewatch.tools.trace_requests import Mask, Requests
from middlewatch.tools.trace_views import Scores
from middlewatch.tools.wording import listed, quantity, quoted

NAMES_SHOWN = 3
LEAST_BUCKETS = 3
"""On either side of an onset, to say whether more requests begin."""
LEAST_TIMES = 1.5
"""A smaller rise of the number of requests is not worth telling."""


def other_behaviour(ground: Ground, service: str, onset: int) -> Iterator[Fact]:
    """The behaviours that speak against a service."""
    structure, question = ground.views.children, ground.timeline.question
    change = structure.change(onset, question.end, min(question.onsets))
    for i, nats in ground.credit.left(structure.evidence(change), onset).items():
        behaviour = structure.behaviours[i]
        if behaviour.blamed != service:
            continue
        before, after = (float(share[i]) for share in (change.before, change.after))
        what, mechanism = _told(structure, i, onset)
        own = ground.credit.behaviour == i
        decides = behaviour.service == service
        instance = ground.instance(own.astype(np.float64), *ground.spans(behaviour.key, onset)) if decides else ""
        yield Fact(
            kind=AnomalyKind.STRUCTURE,
            family=Family.OTHER,
            peer="" if decides else behaviour.service,
            spoken_by=behaviour.service,
            operation=behaviour.operation,
            unit="1",
            baseline=before,
            observed=after,
            strength=ground.surprises.nats(Scores(0.0, nats)).otherwise,
            course=_course(structure, i),
            summary=f"{what} in {percent(after)} of its requests, {percent(before)} before{on_instance(instance)}",
            query=ground.behaviours,
            mechanism=mechanism,
            instance=instance,
            examples=ground.examples(own & (ground.credit.bucket >= onset)),
            passed=ground.passed(np.logical_or(*ground.spans(behaviour.key, onset))) if decides else (),
        )


def failures(ground: Ground, service: str, onset: int) -> Iterator[Fact]:
    """The operations that fail more often and speak against a service."""
    structure, question = ground.views.failures, ground.timeline.question
    change = structure.change(onset, question.end, min(question.onsets))
    evidence = structure.evidence(change)
    for i in np.flatnonzero(evidence > 0).tolist():
        behaviour = structure.behaviours[i]
        if behaviour.blamed != service:
            continue
        callee = behaviour.children[0][0] if behaviour.children else ""
        before, after = (float(share[i]) for share in (change.before, change.after))
        failed, (earlier, later) = ground.credit.requests.failed, ground.spans(behaviour.key, onset)
        instance = "" if callee else ground.instance(failed.astype(np.float64), earlier, later)
        own = behaviour.blamed == behaviour.service
        unanswered = bool(callee) and not _answered(ground, later & failed)
        gives_up = bool(callee) and own and not unanswered
        why = ", and nothing answers" if unanswered else ": it gives up sooner than it was answered before" if gives_up else ""
        why += ", as it does others" if unanswered and own else ""
        towards = f" towards {quoted(callee)}" if callee else ""
        yield Fact(
            kind=AnomalyKind.EDGE if callee else AnomalyKind.OPERATION,
            family=Family.ERRORS,
            peer=callee if own else behaviour.service,
            spoken_by=behaviour.service,
            operation=behaviour.operation,
            unit="1",
            baseline=before,
            observed=after,
            strength=ground.surprises.nats(Scores(0.0, float(evidence[i]))).otherwise,
            course=_course(structure, i),
            summary=f"{quoted(behaviour.operation)} of {quoted(behaviour.service)}{towards} fails in {percent(after)} of its "
            f"spans, {percent(before)} before{why}{on_instance(instance)}",
            query=ground.behaviours,
            mechanism=Mechanism.UNREACHABLE if unanswered else Mechanism.CONFIGURATION if gives_up else Mechanism.EXCEPTION,
            instance=instance,
        )


def loops(ground: Ground, service: str, onset: int, most: float) -> Iterator[Fact]:
    """Calls that are made more often per run. They are no part of a score, so they are at most as strong as what is."""
    requests, seen = ground.credit.requests, ground.credit.bucket >= 0
    now = ground.credit.bucket >= onset
    for number in _callers(requests, service):
        caller = requests.services[number]
        for found in fan_outs(requests, number, seen & ~now, now):
            about = found.callee if found.repeats else caller
            if about != service:
                continue
            why = ", and they fail: it repeats them" if found.repeats else ""
            yield Fact(
                kind=AnomalyKind.STRUCTURE,
                family=Family.TRAFFIC,
                peer=caller if about != caller else "",
                spoken_by=caller,
                operation=found.operation,
                unit="1",
                baseline=found.before,
                observed=found.after,
                strength=min(most, ground.surprises.nats(Scores(0.0, found.nats)).otherwise),
                course=np.full(ground.timeline.size, np.nan),
                summary=f"{quoted(found.operation)} of {quoted(caller)} makes {quantity(found.after)} calls of "
                f"{quoted(found.callee)} per run, {quantity(found.before)} before{why}",
                query=ground.requests,
                mechanism=Mechanism.RETRIES if found.repeats else Mechanism.OTHER_PATH,
            )


def busier(ground: Ground, service: str, onset: int, most: float) -> Iterator[Fact]:
    """Requests that begin in a service more often than in the hour before, against how much their number wanders from bucket to
    bucket. They are no part of a score, so they are at most as strong as what is, and no more than by the share that is extra.
    """
    counts = ground.views.slowness.begun(service)
    usual, now = (part[part > 0] for part in (counts[max(0, onset - RECENT_BUCKETS) : onset], counts[onset:]))
    if min(len(usual), len(now)) < LEAST_BUCKETS or now.mean() < LEAST_TIMES * usual.mean():
        return
    before, after = float(usual.mean()), float(now.mean())
    deviation = (after - before) / max(float(usual.std()), before**0.5)
    yield Fact(
        kind=AnomalyKind.OPERATION,
        family=Family.TRAFFIC,
        peer="",
        spoken_by=service,
        operation="requests",
        unit="/min",
        baseline=before * BUCKETS_PER_MINUTE,
        observed=after * BUCKETS_PER_MINUTE,
        strength=min(most, deviation**2 / 2) * (1 - before / after),
        course=np.where(counts > 0, (counts - before) / max(float(usual.std()), before**0.5), np.nan),
        summary=f"{quantity(after * BUCKETS_PER_MINUTE)} requests a minute begin in {quoted(service)}, "
        f"{quantity(before * BUCKETS_PER_MINUTE)} before ({quantity(after / before)}x)",
        query=ground.behaviours,
        mechanism=Mechanism.LOAD,
    )


def _callers(requests: Requests, service: str) -> list[int]:
    """The service and those that call it, as numbers: no other's calls can be about it."""
    if service not in requests.services:
        return []
    number = requests.services.index(service)
    caller, callee, _ = requests.calls
    reaches = requests.service == number
    reaches[caller[callee == number]] = True
    parents = requests.parent[requests.children[reaches[requests.children]]]
    return sorted({number, *requests.service[parents].tolist()})


def _told(structure: Structure, index: int, onset: int) -> tuple[str, Mechanism]:
    """What a behaviour is, and what it points to."""
    behaviour = structure.behaviours[index]
    name = f"{quoted(behaviour.operation)} of {quoted(behaviour.service)}"
    if behaviour.blamed != behaviour.service:
        return f"{name} gets no span of {quoted(behaviour.blamed)}", Mechanism.UNREACHABLE
    missing, more = _difference(structure, index, onset)
    parts = [f"without {_kinds(missing, behaviour.service)}"] if missing else []
    parts += [f"with {_kinds(more, behaviour.service)}"] if more else []
    return f"{name} runs {' and '.join(parts) or 'as it seldom did'}", Mechanism.OTHER_PATH


def _difference(structure: Structure, behaviour: int, onset: int) -> tuple[list[Kind], list[Kind]]:
    """What spans of a behaviour do not call that most spans of the operation did, and what they call that most did not."""
    same = [i for i, b in enumerate(structure.behaviours) if b.key == structure.behaviours[behaviour].key]
    runs = {i: float(structure.presence.present[i, onset]) for i in same}
    called: dict[Kind, float] = defaultdict(float)
    for i in same:
        for kind in structure.behaviours[i].children:
            called[kind] += runs[i]
    usual = {kind for kind, count in called.items() if count > sum(runs.values()) / 2}
    now = set(structure.behaviours[behaviour].children)
    return sorted(usual - now), sorted(now - usual)


def _kinds(kinds: list[Kind], service: str) -> str:
    return listed([operation if owner == service else f"{operation} of {owner}" for owner, operation in kinds], NAMES_SHOWN)


def _answered(ground: Ground, calls: Mask) -> bool:
    """Whether any of these calls reached a span of another service; also where none of them is in the sample."""
    requests = ground.credit.requests
    child = requests.children[requests.service[requests.children] != requests.service[requests.parent[requests.children]]]
    return not calls.any() or bool(calls[requests.parent[child]].any())


def _course(structure: Structure, index: int) -> Floats:
    units, present = (np.diff(x[index]) for x in (structure.presence.units, structure.presence.present))
    return np.where(units > 0, present / np.maximum(units, 1), np.nan)
