"""The deploy correlator: what was changed shortly before, and what of it is innocent.

A change alone proves nothing, so it earns little: at most the odds that any incident stems from a change. Every change is held
against the behaviour of the service that was changed. It is cleared, in words, where that service behaves as before, where its
trouble or the symptom began before the change, where the change was undone in time, where it always has such an effect, or where
older instances fare no better. What is left is suspect, with a weight: how well its effect would have come when the trouble did,
how common its kind is among triggers, and whether the symptom's service depends on the changed one. A service is given
``ln(1 + 7/3 * its share of the weights)`` nats. How likely a change is the trigger if its service is the cause is asked apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta

from middlewatch.records import AgentName, Anomaly, AnomalyKind, Assessment, Brief, Onset, Sample, Window
from middlewatch.records.errors import MiddlewatchError
from middlewatch.telemetry.sources import Answer, Sources
from middlewatch.tools.change_behaviour import ANALYSES, Analyses, Behaviour
from middlewatch.tools.change_comparison import ServiceMetrics
from middlewatch.tools.change_records import History, changes_of
from middlewatch.tools.change_verdicts import CHANGE_ODDS, LOOKBACK_SECONDS, Scene, Verdict, history_start
from middlewatch.tools.metric_symptom import symptom_onset
from middlewatch.tools.service_map import reachable, recent_map
from middlewatch.tools.wording import clock

FACTS = 10
"""Changes shown as evidence, the most suspect first."""
SERVICES_COMPARED = 3
"""Most suspect services whose metrics are compared before and after their changes; each takes two queries."""


def assess_deploys(sources: Sources, brief: Brief, analyses: Analyses = ANALYSES) -> Assessment:
    """Score every service that was changed shortly before the incident, and clear the changes that are innocent.

    Args:
        sources: what may be read. What is asked of metrics, logs and traces is what the other analyses ask, and the metrics of the
            most suspect services.
        brief: the incident.
        analyses: of the other signals, by a word for what they look at.

    Returns:
        Scores in nats of the changed services only; 0 for one whose changes are cleared. That nothing changed clears nobody.
        Suspect changes are anomalies, with strengths above 0: ``-ln(1 - c)``, c being the probability that one is the trigger where
        its service is the cause, for then the changes of other services no longer compete, and how often it is changed counts.
    """
    answer = sources.changes.changes(Window(start=history_start(brief), end=brief.incident.end))
    history = History.of(changes_of(answer.table))
    suspicious_from = brief.incident.start - timedelta(seconds=LOOKBACK_SECONDS)
    recent = [change for change in history.changes if change.time >= suspicious_from]
    notes = (answer.bound,) if answer.bound else ()
    if not history.changes and answer.freshness.watermark is None:
        nothing = "no change events in this telemetry"
        return Assessment(agent=AgentName.DEPLOYS, scores={}, freshness=(answer.freshness,), notes=(nothing, *notes))
    if not recent:
        nothing = f"no change was recorded between {clock(suspicious_from)} and {clock(brief.incident.end)}"
        return Assessment(agent=AgentName.DEPLOYS, scores={}, freshness=(answer.freshness,), notes=notes, cleared=(nothing,))
    scene, gaps = _scene(sources, brief, history, analyses)
    verdicts, known, more = _compared(sources, scene, [scene.judge(change) for change in recent])
    total = max(1.0, sum(verdict.weight for verdict in verdicts))
    weights: dict[str, float] = {change.service: 0.0 for change in recent}
    for verdict in verdicts:
        weights[verdict.change.service] += verdict.weight
    suspects = sorted((v for v in verdicts if v.weight > 0), key=lambda v: -v.weight)
    usually = max(known.values(), default=None)
    odds = {verdict: scene.odds(verdict.change, known.get(verdict.change.service, usually)) for verdict in suspects}
    of_service = {s: sum(o for v, o in odds.items() if v.change.service == s) for s in weights}
    return Assessment(
        agent=AgentName.DEPLOYS,
        scores={service: _nats(weight / total) for service, weight in sorted(weights.items())},
        anomalies=tuple(
            _anomaly(each, -math.log1p(-odds[each] / (1 + of_service[each.change.service])), scene, answer)
            for each in suspects[:FACTS]
        ),
        freshness=(answer.freshness,),
        notes=(*notes, *gaps, *more),
        cleared=tuple(_cleared(verdict) for verdict in verdicts if verdict.weight == 0),
    )


def _scene(sources: Sources, brief: Brief, history: History, analyses: Analyses) -> tuple[Scene, tuple[str, ...]]:
    """What the changes are held against, and what of it was missing."""
    behaviour = Behaviour.of(sources, brief, analyses)
    symptom, notes = brief.alert.symptom, list(behaviour.notes)
    onset = dependencies = None
    if symptom is not None:
        try:
            dependencies = reachable(recent_map(sources, brief), symptom.service)
        except MiddlewatchError as error:
            notes.append(f"changes were judged without a service map: {error.message}")
        try:
            onset = symptom_onset(sources, brief)
        except MiddlewatchError as error:
            notes.append(f"changes were judged without the symptom's metric: {error.message}")
    return Scene(brief, history, behaviour, onset, dependencies), tuple(notes)


def _compared(
    sources: Sources, scene: Scene, verdicts: Sequence[Verdict]
) -> tuple[list[Verdict], dict[str, float], tuple[str, ...]]:
    """The verdicts after a closer look at the metrics of the most suspect services, how long those have been known, and what was
    missing for it.
    """
    suspects = sorted((v for v in verdicts if v.weight > 0), key=lambda v: -v.weight)
    chosen = list(dict.fromkeys(v.change.service for v in suspects))[:SERVICES_COMPARED]
    read: dict[str, ServiceMetrics | None] = {}
    notes: list[str] = []
    for service in chosen:
        try:
            read[service] = ServiceMetrics.of(sources, scene.brief, service)
        except MiddlewatchError as error:
            notes.append(f"changes were judged without the metrics of their instances: {error.message}")
    closer = [_closer(v, scene, read.get(v.change.service)) if v.weight > 0 else v for v in verdicts]
    return closer, {service: metrics.known_seconds for service, metrics in read.items() if metrics is not None}, tuple(notes)


def _closer(verdict: Verdict, scene: Scene, metrics: ServiceMetrics | None) -> Verdict:
    """One verdict after the comparison with earlier changes and with older instances."""
    if metrics is None:
        return verdict
    if usual := metrics.usual_effect(verdict.change, scene.harmless(verdict.change)):
        return verdict.cleared(usual)
    canary = metrics.instances(verdict.change)
    if canary is not None and canary.alike:
        return verdict.cleared(canary.alike)
    return verdict.remarked(canary.only_new) if canary is not None and canary.only_new else verdict


def _nats(share: float) -> float:
    return math.log1p(CHANGE_ODDS * share)


def _cleared(verdict: Verdict) -> str:
    first, *others = verdict.remarks
    linked = first if first.startswith("came") else f"was made {first}"
    return f"{verdict.change.name} {linked}{''.join(f'; {remark}' for remark in others)}"


def _anomaly(verdict: Verdict, strength: float, scene: Scene, answer: Answer) -> Anomaly:
    change, incident = verdict.change, scene.brief.incident
    described = f"{change.kind} {change.version} by {change.actor or 'unknown'}: {change.description}"
    return Anomaly(
        kind=AnomalyKind.CHANGE,
        service=change.service,
        subject=f"{change.kind} {change.version} at {change.time.isoformat()}"[:2000],
        onset=Onset(at=change.time, earliest=change.time, latest=change.time),
        strength=strength,
        window=Window(start=incident.start - timedelta(seconds=LOOKBACK_SECONDS), end=incident.end),
        summary=f"{change.name}, {'; '.join((*verdict.remarks, *scene.to_explain(change)))}",
        clause=change.name,
        change=change.known,
        query=answer.query,
        samples=(Sample(time=change.time, text=described[:2000]),),
    )
