"""Changed services that behave as a test wants, without telemetry: analyses that answer from a few words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from middlewatch.records import AgentName, Anomaly, AnomalyKind, Assessment, Brief, Family, Onset, Query, Window
from middlewatch.telemetry.sources import Sources
from middlewatch.tools.change_behaviour import Analyses
from middlewatch.tools.change_records import Change
from middlewatch.tools.wording import quoted
from tests.unit.tools.synthetic_telemetry import DETECTED, END

SPAN = timedelta(seconds=7)


def change(minutes: float, service: str = "pricing", kind: str = "deploy", version: str = "2.0") -> Change:
    """A change so many minutes after the detection."""
    return Change(DETECTED + timedelta(minutes=minutes), service, kind, version, "somebody", "a change")


def began(minutes: float) -> Onset:
    """An onset so many minutes after the detection, known to about 15 s."""
    at = DETECTED + timedelta(minutes=minutes)
    return Onset(at=at, earliest=at - SPAN, latest=at + SPAN)


def fact(service: str, onset: Onset | None, strength: float = 5.0, peer: str = "") -> Anomaly:
    window = Window(start=DETECTED - timedelta(minutes=4), end=END)
    return Anomaly(
        kind=AnomalyKind.OPERATION,
        service=service,
        peer=peer,
        subject="work",
        family=Family.LATENCY,
        onset=onset,
        strength=strength,
        window=window,
        summary=f'own time of "work" in {quoted(service)} rose from 2 ms to 40 ms.',
        query=Query(source="synthetic", name="span_behaviours", window=window),
    )


def assessment(
    troubled: Mapping[str, float], calm: Iterable[str] = (), *, edges: Iterable[tuple[str, str]] = (), quiet_top: float = 1.0
) -> Assessment:
    """Services with trouble that began so many minutes after the detection, and services without."""
    return Assessment(
        agent=AgentName.TRACES,
        scores={**dict.fromkeys(calm, 0.0), **dict.fromkeys(troubled, 5.0)},
        anomalies=tuple(fact(service, began(minutes)) for service, minutes in troubled.items()),
        usual_tops=(quiet_top,) * 5,
        edges=tuple(edges),
    )


def behaving(troubled: Mapping[str, float], calm: Iterable[str] = (), *, edges: Iterable[tuple[str, str]] = ()) -> Analyses:
    """One analysis, of spans, that says so."""
    found = assessment(troubled, calm, edges=edges)

    def analysis(_sources: Sources, _brief: Brief) -> Assessment:
        return found

    return {"spans": analysis}


def seconds_before_detection(moment: datetime) -> float:
    return (DETECTED - moment).total_seconds()
