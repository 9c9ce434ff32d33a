"""The metric analysis: saturation, latency, traffic, errors and success of every service against its own history.

What is unusual is decided without fitted thresholds: every deviation is ranked against what the same measure shows over all
services in up to twenty windows before the incident (`metric_scores`).
"""

from __future__ import annotations

import numpy as np

from middlewatch.records import AgentName, Assessment, Brief, Edge, Freshness
from middlewatch.records.errors import MiddlewatchError
from middlewatch.telemetry.sources import Sources
from middlewatch.tools import metric_evidence
from middlewatch.tools.metric_deviations import Deviations, measure
from middlewatch.tools.metric_excess import consequence_shares, excess, load_shares
from middlewatch.tools.metric_phases import Habits, habits
from middlewatch.tools.metric_scores import evidence, own_part, rarities, service_scores, units_of
from middlewatch.tools.metric_series import SeriesMatrix, load_series
from middlewatch.tools.metric_symptom import UNRELATED_SHARE, co_moving, felt_shares, look, symptom_as_usual, symptom_rarity
from middlewatch.tools.service_map import reachable, recent_map


def assess_metrics(sources: Sources, brief: Brief) -> Assessment:
    """Score every service by how unusual its metrics are in the incident.

    Args:
        sources: what may be read; metrics, and traces for the service map only.
        brief: the incident and its baseline, the known earlier incidents that are left out, and the symptom if there is one.

    Returns:
        Scores in nats: 0 for a service whose metrics are as usual; services without metrics are absent. `usual_tops` are the top
        scores of the earlier windows on the same scale, of how rare they are among one another (`metric_scores.rarities`), and
        without the symptom's help.
    """
    edges, notes = _map(sources, brief)
    loaded = load_series(sources, brief, frozenset(name for edge in edges for name in (edge.caller, edge.callee)))
    if not isinstance(loaded, SeriesMatrix):
        return _nothing(loaded.freshness, edges, notes)
    measured = measure(loaded, brief)
    usual = habits(sources, brief, loaded, measured)
    deviations = usual.applied(measured)
    units = units_of(loaded.labels, deviations.families)
    nats = evidence(units, deviations) * felt_shares(units, edges)
    amounts = excess(units, loaded, deviations)
    shares = consequence_shares(units, nats, amounts, deviations.recent(loaded.axis, look(loaded.axis)), edges)
    shares = np.maximum(shares, load_shares(units, loaded, deviations))
    history = service_scores(units, own_part(nats, shares))
    tops = np.max(list(history.values()), axis=0)[1:]
    now, scores = nats[:, 0], {service: float(row[0]) for service, row in history.items()}
    symptom = brief.alert.symptom
    if symptom is not None:
        moved = co_moving(units, now, amounts, loaded, deviations, symptom)
        if moved is not None:
            now, weights = moved
            own = own_part(now, shares[:, 0])
            scores = {s: float(row[0]) for s, row in service_scores(units, own[:, None], weights).items()}
        depends_on = reachable(edges, symptom.service)
        if len(depends_on) > 1:
            scores = {s: score * (1.0 if s in depends_on else UNRELATED_SHARE) for s, score in scores.items()}
    rare = rarities(np.array(list(scores.values())), tops)
    scores = dict(zip(scores, (float(r) for r in rare), strict=True))
    return Assessment(
        agent=AgentName.METRICS,
        scores=scores,
        anomalies=metric_evidence.anomalies(units, now, scores, loaded, deviations, usual),
        usual_tops=tuple(float(r) for r in rarities(tops, tops)),
        symptom_rarity=symptom_rarity(units, loaded, deviations, symptom),
        symptom_as_usual=symptom_as_usual(units, loaded, deviations, symptom),
        freshness=(loaded.answer.freshness,),
        edges=tuple((edge.caller, edge.callee) for edge in edges),
        notes=(*notes, *_limits(loaded, deviations, usual)),
        cleared=metric_evidence.cleared(units, nats[:, 0], loaded, measured, usual),
    )


def _map(sources: Sources, brief: Brief) -> tuple[tuple[Edge, ...], tuple[str, ...]]:
    """The service map, which refines the scores but is not needed for them."""
    try:
        return recent_map(sources, brief), ()
    except MiddlewatchError as error:
        return (), (f"metrics were compared without a service map: {error.message}",)


def _nothing(freshness: Freshness, edges: tuple[Edge, ...], notes: tuple[str, ...]) -> Assessment:
    pairs = tuple((edge.caller, edge.callee) for edge in edges)
    nothing = "no metrics in this telemetry"
    return Assessment(agent=AgentName.METRICS, scores={}, freshness=(freshness,), edges=pairs, notes=(nothing, *notes))


def _limits(matrix: SeriesMatrix, deviations: Deviations, usual: Habits) -> tuple[str, ...]:
    """What the reader has to know about how much could be compared."""
    notes = [matrix.answer.bound, matrix.axis.shortened, usual.note, *metric_evidence.stopped(matrix)]
    if deviations.unusable:
        notes.append(f"{deviations.unusable} of {len(matrix.labels)} metric series have too little history to compare with")
    if deviations.contaminated:
        notes.append("earlier incidents fill the history so much that metrics had to be compared with them, too")
    return tuple(note for note in notes if note)
