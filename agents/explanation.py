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
    steps, early = _steps(names, shown, alert.detected_at)
    unseen = [step.service for step in steps if step.evidence is None and step.service != symptom]  # that one alarmed
    remarks = (*against, *early, *([f"no fact shows the trouble in {listed(unseen)}"] if unseen else []))
    return Explanation(
        path=steps,
        reaches_symptom=bool(symptom) and names[-1] == symptom,
        order=OnsetOrder.CONTRADICTED if early else _order(steps),
        remarks=remarks,
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


def _steps(
    names: Sequence[str], shown: Mapping[frozenset[str], list[Evidence]], detected: UtcDatetime
) -> tuple[tuple[PathStep, ...], tuple[str, ...]]:
    """Each service on the way with the fact that shows its trouble, and which of them deviated before their cause did.

    What clearly began before the cause is no effect of it: it shows no step. Where that is most of what is seen of a service, it
    is said, for it may also mean that the trouble came another way.
    """
    facts = [fact for ends, found in shown.items() if names[0] in ends for fact in found]
    steps = [_step(names[0], facts, fact_of_onset(facts, detected))]
    remarks = []
    for below, service in pairwise(names):
        facts = [*shown.get(frozenset({service}), ()), *shown.get(frozenset({below, service}), ())]
        cause = next((step for step in reversed(steps) if step.onset is not None), None)
        middle = fact_of_onset(facts)
        if cause is not None and cause.onset is not None:
            if middle is not None and _precedes(middle, cause.onset) and middle.anomaly.onset is not None:
                since = clock(middle.anomaly.onset.at)
                remarks.append(
                    f"{quoted(service)} deviates since {since}, before {quoted(cause.service)}: another matter, or not the way"
                )
            facts = [fact for fact in facts if not _precedes(fact, cause.onset)]
        steps.append(_step(service, facts, fact_of_onset(facts)))
    return tuple(steps), tuple(remarks)


def _step(service: str, facts: Sequence[Evidence], timed: Evidence | None) -> PathStep:
    proof = timed or max(facts, key=lambda fact: fact.anomaly.strength, default=None)
    return PathStep(service=service, onset=timed.anomaly.onset if timed else None, evidence=proof.id if proof else None)


def _order(steps: Sequence[PathStep]) -> OnsetOrder:
    """Whether the last service on the way began after the first, as far as the intervals tell."""
    timed = [step.onset for step in steps if step.onset is not None]
    ordered = len(timed) > 1 and _before(timed[0], timed[-1])
    return OnsetOrder.CONSISTENT if ordered else OnsetOrder.UNKNOWN


def _precedes(fact: Evidence, cause: Onset) -> bool:
    return fact.anomaly.onset is not None and _before(fact.anomaly.onset, cause)


def _before(first: Onset, second: Onset) -> bool:
    return first.latest < second.earliest
