"""How a hypothesis explains the symptom: the way the trouble took, in which order, and which facts say the same."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise

from middlewatch.records import (
    Alert,
    AnomalyKind,
    Correlation,
    Edge,
    Evidence,
    Explanation,
    Onset,
    OnsetOrder,
    PathStep,
    UtcDatetime,
)
from middlewatch.tools.wording import clock, listed, quoted

FACTS_OF_ONSET = 5
"""Strongest facts that an onset is the median of; weaker ones are mostly consequences. Chosen, not derived."""


def explain(service: str, alert: Alert, evidence: Sequence[Evidence], edges: Sequence[Edge]) -> Explanation:
    """Explain the symptom by one cause.

    The path is the one along calls, from the cause to its callers and on to the service that alarmed, with the fewest services
    about which no fact says anything, then the shortest. Where nobody said which service alarmed, it is the longest one along
    which facts were seen. A service that does not depend on the cause is looked for among those that the cause calls.

    Args:
        service: the cause.
        alert: for the symptom and the detection.
        evidence: of the round.
        edges: who calls whom.
    """
    shown = _facts_of(evidence)
    symptom = alert.symptom.service if alert.symptom else ""
    names, against = _path(service, symptom, shown, edges)
    steps = tuple(_step(names, place, shown, alert.detected_at) for place in range(len(names)))
    order, remarks = _order(steps)
    unseen = [step.service for step in steps if step.evidence is None and step.service != symptom]  # that one alarmed
    if unseen:
        remarks = (*remarks, f"no fact shows the trouble in {listed(unseen)}")
    return Explanation(
        path=steps,
        reaches_symptom=bool(symptom) and names[-1] == symptom,
        order=order,
        remarks=(*against, *remarks),
        correlations=correlations(about(service, evidence)),
    )


def about(service: str, evidence: Sequence[Evidence]) -> list[Evidence]:
    """The facts about a service, those about its calls included, in their order."""
    return [e for e in evidence if service in (e.anomaly.service, e.anomaly.peer)]


def fact_of_onset(facts: Sequence[Evidence], detected: UtcDatetime | None = None) -> Evidence | None:
    """The fact whose onset `middle_onset` takes. Changes do not count.

    Args:
        facts: about one service.
        detected: as in `middle_onset`.
    """
    timed = [
        (fact, fact.anomaly.onset)
        for fact in sorted(facts, key=lambda fact: fact.id)
        if fact.anomaly.onset is not None and fact.anomaly.kind is not AnomalyKind.CHANGE
    ]
    found = middle_onset([(fact.anomaly.strength, onset) for fact, onset in timed], detected)
    return None if found is None else next(fact for fact, onset in timed if onset == found)


def middle_onset(timed: Sequence[tuple[float, Onset]], detected: UtcDatetime | None = None) -> Onset | None:
    """The median onset of the strongest facts, weighted by their strengths: no outlier moves it, and no number of faint facts.

    Args:
        timed: strength and onset of each fact, in any order.
        detected: where given, what began later is left out, unless all did: it is a consequence of what was detected.
    """
    early = [fact for fact in timed if detected is None or fact[1].at <= detected] or timed
    strongest = sorted(early, key=lambda fact: (-fact[0], *_moments(fact[1])))[:FACTS_OF_ONSET]
    half, reached = sum(strength for strength, _ in strongest) / 2, 0.0
    for strength, onset in sorted(strongest, key=lambda fact: _moments(fact[1])):
        reached += strength
        if reached >= half:
            return onset
    return None


def _moments(onset: Onset) -> tuple[UtcDatetime, UtcDatetime, UtcDatetime]:
    return onset.at, onset.earliest, onset.latest


def correlations(facts: Sequence[Evidence]) -> tuple[Correlation, ...]:
    """Per fact, those of other agents about the same service or the same call whose onsets may be the same moment."""
    found = []
    for fact in facts:
        same = tuple(
            other.id for other in facts if other.agent is not fact.agent and _same_place(fact, other) and _same_time(fact, other)
        )
        if same:
            found.append(Correlation(evidence=fact.id, correlated=same))
    return tuple(found)


def _same_place(one: Evidence, other: Evidence) -> bool:
    ends, others = ({e.anomaly.service, e.anomaly.peer} for e in (one, other))
    return one.anomaly.service == other.anomaly.service or ends == others


def _same_time(one: Evidence, other: Evidence) -> bool:
    first, second = one.anomaly.onset, other.anomaly.onset
    return first is not None and second is not None and first.earliest <= second.latest and second.earliest <= first.latest


def _facts_of(evidence: Sequence[Evidence]) -> Mapping[frozenset[str], list[Evidence]]:
    """Facts by the service, or the two ends of the calls, that they are about; changes left out."""
    shown: dict[frozenset[str], list[Evidence]] = defaultdict(list)
    for fact in evidence:
        if fact.anomaly.kind is not AnomalyKind.CHANGE and fact.anomaly.strength > 0:
            shown[frozenset({fact.anomaly.service, fact.anomaly.peer} - {""})].append(fact)
    return shown


def _path(
    service: str, symptom: str, shown: Mapping[frozenset[str], Collection[Evidence]], edges: Sequence[Edge]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The services on the way, the cause first, and what speaks against it."""
    callers, callees = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
    for edge in edges:
        callers[edge.callee].add(edge.caller)
        callees[edge.caller].add(edge.callee)
    upwards = _ways(service, callers, shown)
    if not symptom:
        seen = [way for unseen, way in upwards.values() if not unseen]
        return max(seen, key=lambda way: (len(way), way), default=(service,)), ()
    if symptom in upwards:
        return upwards[symptom][1], ()
    downwards = _ways(service, callees, shown)
    if symptom in downwards:
        return downwards[symptom][1], (f"{quoted(symptom)} does not depend on {quoted(service)}, which calls it",)
    return (service,), (f"no calls connect {quoted(service)} with {quoted(symptom)}, as far as the service map shows",)


def _ways(
    start: str, neighbours: Mapping[str, set[str]], shown: Mapping[frozenset[str], Collection[Evidence]]
) -> dict[str, tuple[int, tuple[str, ...]]]:
    """Per service in reach, the best way to it and how many services on it no fact shows (Dijkstra 1959)."""
    best: dict[str, tuple[int, tuple[str, ...]]] = {}
    queue: list[tuple[int, int, tuple[str, ...]]] = [(0, 1, (start,))]
    while queue:
        unseen, length, way = heapq.heappop(queue)
        here = way[-1]
        if here in best:
            continue
        best[here] = (unseen, way)
        for following in neighbours.get(here, ()):
            if following not in best:
                dark = not any(places in shown for places in (frozenset({following}), frozenset({here, following})))
                heapq.heappush(queue, (unseen + dark, length + 1, (*way, following)))
    return best


def _step(names: Sequence[str], place: int, shown: Mapping[frozenset[str], list[Evidence]], detected: UtcDatetime) -> PathStep:
    service = names[place]
    if place == 0:
        facts = [fact for ends, found in shown.items() if service in ends for fact in found]
        fact = fact_of_onset(facts, detected)
    else:
        facts = [*shown.get(frozenset({service}), ()), *shown.get(frozenset({names[place - 1], service}), ())]
        fact = fact_of_onset(facts)
    strongest = max(facts, key=lambda fact: fact.anomaly.strength, default=None)
    proof = fact or strongest
    return PathStep(service=service, onset=fact.anomaly.onset if fact else None, evidence=proof.id if proof else None)


def _order(steps: Sequence[PathStep]) -> tuple[OnsetOrder, tuple[str, ...]]:
    """Whether each service on the way began after the one before it, as far as the intervals tell."""
    timed = [(step.service, step.onset) for step in steps if step.onset is not None]
    wrong = [(first, second) for first, second in pairwise(timed) if _before(second[1], first[1])]
    remarks = tuple(
        f"{quoted(effect)} began at {clock(early.at)} already, before {quoted(cause)} at {clock(late.at)}"
        for (cause, late), (effect, early) in wrong
    )
    if wrong:
        return OnsetOrder.CONTRADICTED, remarks
    ordered = len(timed) > 1 and _before(timed[0][1], timed[-1][1])
    return (OnsetOrder.CONSISTENT if ordered else OnsetOrder.UNKNOWN), ()


def _before(first: Onset, second: Onset) -> bool:
    return first.latest < second.earliest
