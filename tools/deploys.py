"""The deploy correlator: what was changed shortly before, and what of it is innocent.

A change alone proves nothing, so it earns little: at most the odds that any incident stems from a change. Whether the changed
service deviates is for the analyses of the other signals to say.

The weight of a change is the product of how common its kind is among triggers, how recent it is, whether the symptom's service
depends on the changed one, and how often the same kind of change of the same service went well before. A service is given
``ln(1 + 7/3 * its share of the weights)`` nats.

Constants without a source are chosen, not measured: the development recordings hold no changes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from middlewatch.records import AgentName, Anomaly, AnomalyKind, Assessment, Brief, ChangeKind, Onset, Sample, Window
from middlewatch.records.errors import MiddlewatchError
from middlewatch.telemetry.sources import Answer, Sources
from middlewatch.tools.metric_symptom import symptom_onset
from middlewatch.tools.service_map import reachable, recent_map
from middlewatch.tools.wording import clock, duration, quoted

LOOKBACK_SECONDS = 1800.0
"""Changes are suspects from this long before the incident. By then their weight has fallen to a twentieth."""
PROMPT_SECONDS = 120.0
"""Mean time to the effect of a change that breaks with its first requests: a roll-out takes a minute or two to take them."""
SLOW_SECONDS = 900.0
"""Mean time to the effect of one that breaks later: leaks, caches, slow roll-outs. A release is commonly watched for a quarter of
an hour. Both means, and that either kind is as common as the other, are chosen, not measured."""
CHANGE_ODDS = 0.7 / 0.3
"""Odds that an incident stems from a change at all: roughly 70 % of outages do (Beyer et al., Site Reliability Engineering, 2016,
chapter 1). All suspects share them."""
KIND_WEIGHTS = {
    ChangeKind.DEPLOY: 1.0,
    ChangeKind.MIGRATION: 1.0,
    ChangeKind.CONFIG: 31 / 37,
    ChangeKind.FLAG: 31 / 37,
    ChangeKind.SCALE: 5 / 37,
}
"""Outage triggers at Google, 2010-2017: binary push 37 %, configuration push 31 %, capacity management 5 % (Beyer et al., The Site
Reliability Workbook, 2018, appendix C). A flag is configuration; a migration is not listed and counts as what it ships with."""
AFTER_ONSET = 0.1
"""Weight of a change after the symptom's metric had changed its level: an effect does not precede its cause, but one metric may
have been restless before."""
UNREACHABLE_WEIGHT = 0.1
"""Weight of a change to a service that the symptom's does not depend on, as far as the service map shows: trouble travels along
calls, rarely through what services share without calling one another."""
CLEARED_NATS = 0.25
"""A change that raises the odds by less than about a quarter (e^0.25 = 1.28) is cleared."""
ROUTINE = 3
"""So many changes of the same kind to the same service before are worth a word."""
FACTS = 10
"""Changes shown as evidence, the most suspect first."""


@dataclass(frozen=True, slots=True)
class _Change:
    """One row of the answer."""

    time: datetime
    service: str
    kind: str
    version: str
    actor: str
    description: str

    @property
    def name(self) -> str:
        version = f" {quoted(self.version)}" if self.version else ""
        return f"{self.kind}{version} of {quoted(self.service)} at {clock(self.time)}"


@dataclass(frozen=True, slots=True)
class _Scene:
    """What changes are held against."""

    onset: Window
    """When the trouble began at the earliest and at the latest."""
    dependencies: dict[str, int]
    """What the symptom's service depends on, see `reachable`; empty where that is not known."""
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Suspect:
    """A change with its weight, and in words what speaks for or against it."""

    change: _Change
    weight: float
    remarks: tuple[str, ...]


def assess_deploys(sources: Sources, brief: Brief) -> Assessment:
    """Score every service that was changed shortly before the incident, and clear the changes that are innocent.

    Args:
        sources: what may be read; changes, traces for the service map only, and metrics for the symptom's onset only.
        brief: the incident. Its onset is taken from the alarming metric where the alert names one, and lies anywhere between the
            start of `incident` and the detection otherwise.

    Returns:
        Scores in nats of the changed services only; 0 for one whose changes are cleared. That nothing changed clears nobody.
    """
    answer = sources.changes.changes(Window(start=_history_start(brief), end=brief.incident.end))
    changes = _rows(answer)
    suspicious_from = brief.incident.start - timedelta(seconds=LOOKBACK_SECONDS)
    recent = [change for change in changes if change.time >= suspicious_from]
    notes = (answer.bound,) if answer.bound else ()
    if not changes and answer.freshness.watermark is None:
        nothing = "no change events in this telemetry"
        return Assessment(agent=AgentName.DEPLOYS, scores={}, freshness=(answer.freshness,), notes=(nothing, *notes))
    if not recent:
        nothing = f"no change was recorded between {clock(suspicious_from)} and {clock(brief.incident.end)}"
        return Assessment(agent=AgentName.DEPLOYS, scores={}, freshness=(answer.freshness,), notes=notes, cleared=(nothing,))
    scene = _scene(sources, brief)
    suspects = [_suspect(change, changes, scene, brief) for change in recent]
    total = max(1.0, sum(suspect.weight for suspect in suspects))
    nats = [math.log1p(CHANGE_ODDS * suspect.weight / total) for suspect in suspects]
    weights: dict[str, float] = {change.service: 0.0 for change in recent}
    for suspect, strength in zip(suspects, nats, strict=True):
        if strength >= CLEARED_NATS:
            weights[suspect.change.service] += suspect.weight
    blamed = sorted(((n, s) for n, s in zip(nats, suspects, strict=True) if n >= CLEARED_NATS), key=lambda pair: -pair[0])
    return Assessment(
        agent=AgentName.DEPLOYS,
        scores={service: math.log1p(CHANGE_ODDS * weight / total) for service, weight in sorted(weights.items())},
        anomalies=tuple(_anomaly(suspect, strength, answer, brief) for strength, suspect in blamed[:FACTS]),
        freshness=(answer.freshness,),
        notes=(*notes, *scene.notes),
        cleared=tuple(_cleared(s) for n, s in zip(nats, suspects, strict=True) if n < CLEARED_NATS),
    )


def recency(change: datetime, earliest: datetime, latest: datetime) -> float:
    """The weight of a change by its time: how likely its effect, which comes after it, begins when the onset may be.

    The onset may be anywhere in ``[earliest, latest]``. The delay from a change to its effect is exponential with a mean of 2 min
    or of 15 min, evenly likely. The weight is the probability that the effect falls into the interval, over that of a change at its
    beginning, the likeliest. 0 for a change at or after its end.

    Args:
        change: when the change was made.
        earliest: the earliest onset.
        latest: the latest onset.
    """
    if change >= latest:
        return 0.0
    to_first = max((earliest - change).total_seconds(), 0.0)
    to_last = (latest - change).total_seconds()
    span = max((latest - earliest).total_seconds(), 1.0)
    return min((_effect_within(to_last) - _effect_within(to_first)) / _effect_within(span), 1.0)


def _effect_within(seconds: float) -> float:
    """The probability that a harmful change has shown its effect after so long."""
    return 1.0 - (math.exp(-seconds / PROMPT_SECONDS) + math.exp(-seconds / SLOW_SECONDS)) / 2.0


def _suspect(change: _Change, history: Sequence[_Change], scene: _Scene, brief: Brief) -> _Suspect:
    detected = brief.alert.detected_at
    if change.time >= detected:
        return _Suspect(change, 0.0, (f"came {duration(change.time - detected)} after the detection, so it cannot be the cause",))
    late = change.time >= scene.onset.end
    recent = AFTER_ONSET if late else recency(change.time, scene.onset.start, scene.onset.end)
    weight = _kind_weight(change.kind) * recent
    remarks = [f"{duration(detected - change.time)} before the detection"]
    if late:
        remarks.append(f"after the symptom had begun at about {clock(scene.onset.end)}")
    elif (scene.onset.start - change.time).total_seconds() > SLOW_SECONDS:
        remarks.append("long for a change to take effect")
    symptom = brief.alert.symptom
    if symptom is not None and len(scene.dependencies) > 1:
        distance = scene.dependencies.get(change.service)
        if distance is None:
            weight *= UNREACHABLE_WEIGHT
            remarks.append(f"{quoted(symptom.service)} does not depend on it as far as the service map shows")
        elif distance:
            remarks.append(f"{quoted(symptom.service)} depends on it")
        else:
            remarks.append("it is the service with the symptom")
    before = sum(1 for c in history if c.time < change.time and (c.service, c.kind) == (change.service, change.kind))
    # Rule of succession: the chance that the next one goes wrong after n that went well, over the same at n = 0.
    weight *= 2.0 / (before + 2.0)
    if before >= ROUTINE:
        remarks.append(f"a routine, {before} of its kind went before it")
    return _Suspect(change, weight, tuple(remarks))


def _kind_weight(kind: str) -> float:
    return next((weight for known, weight in KIND_WEIGHTS.items() if known.value == kind), KIND_WEIGHTS[ChangeKind.CONFIG])


def _history_start(brief: Brief) -> datetime:
    return min(brief.baseline.start, brief.incident.start - timedelta(seconds=LOOKBACK_SECONDS))


def _scene(sources: Sources, brief: Brief) -> _Scene:
    """What the changes are held against. The map and the symptom's metric refine it, but are not needed for it."""
    symptom, start, end = brief.alert.symptom, brief.incident.start, brief.alert.detected_at
    anywhere = Window(start=min(start, end - timedelta(seconds=1)), end=end)
    if symptom is None:
        return _Scene(onset=anywhere, dependencies={}, notes=())
    notes: list[str] = []
    onset, dependencies = None, dict[str, int]()
    try:
        dependencies = reachable(recent_map(sources, brief), symptom.service)
    except MiddlewatchError as error:
        notes.append(f"changes were judged without a service map: {error.message}")
    try:
        onset = symptom_onset(sources, brief)
    except MiddlewatchError as error:
        notes.append(f"changes were judged without the symptom's metric: {error.message}")
    seen = Window(start=onset.earliest, end=onset.latest) if onset is not None else anywhere
    return _Scene(onset=seen, dependencies=dependencies, notes=tuple(notes))


def _cleared(suspect: _Suspect) -> str:
    first, *others = suspect.remarks
    linked = first if first.startswith("came") else f"was made {first}"
    return f"{suspect.change.name} {linked}{''.join(f'; {remark}' for remark in others)}"


def _anomaly(suspect: _Suspect, strength: float, answer: Answer, brief: Brief) -> Anomaly:
    change = suspect.change
    described = f"{change.kind} {change.version} by {change.actor or 'unknown'}: {change.description}"
    return Anomaly(
        kind=AnomalyKind.CHANGE,
        service=change.service,
        subject=f"{change.kind} {change.version} at {change.time.isoformat()}"[:2000],
        onset=Onset(at=change.time, earliest=change.time, latest=change.time),
        strength=strength,
        window=Window(start=brief.incident.start - timedelta(seconds=LOOKBACK_SECONDS), end=brief.incident.end),
        summary=f"{change.name}, {'; '.join(suspect.remarks)}",
        query=answer.query,
        samples=(Sample(time=change.time, text=described[:2000]),),
    )


def _rows(answer: Answer) -> list[_Change]:
    texts = [
        cast("list[str | None]", answer.table.column(name).to_pylist())
        for name in ("service", "kind", "version", "actor", "description")
    ]
    times = cast("list[datetime]", answer.table.column("time").to_pylist())
    return [_Change(time, *(text or "" for text in row)) for time, *row in zip(times, *texts, strict=True)]
