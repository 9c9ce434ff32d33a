"""What reports of tests are made of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from middlewatch.records import (
    AgentName,
    Anomaly,
    AnomalyKind,
    Cause,
    ChangeKind,
    Evidence,
    Explanation,
    Family,
    Hypothesis,
    Mechanism,
    Onset,
    Position,
    Query,
    RankedHypothesis,
    Sample,
    Vote,
    Window,
    evidence_id,
)

INVESTIGATION = "inv-20261121-015200-7be1"
DETECTED = datetime(2026, 11, 21, 1, 52, tzinfo=UTC)
WINDOW = Window(start=DETECTED - timedelta(minutes=6), end=DETECTED + timedelta(minutes=4))
BASELINE = Window(start=DETECTED - timedelta(hours=2), end=WINDOW.start)
OPENED = datetime(2026, 11, 21, 1, 56, 2, tzinfo=UTC)


def at(clock: str) -> datetime:
    """A time in the night of the incident."""
    return datetime.fromisoformat(f"2026-11-21T{clock}+00:00")


def began(clock: str) -> Onset:
    """An onset that is known to a quarter of a minute."""
    step = timedelta(seconds=15)
    return Onset(at=at(clock), earliest=at(clock) - step, latest=at(clock) + step)


def fact(
    agent: AgentName,
    kind: AnomalyKind,
    service: str,
    subject: str,
    values: tuple[float | None, float | None, str],
    *,
    summary: str,
    strength: float,
    onset: str | None = None,
    query: str = "metric_series",
    samples: tuple[Sample, ...] = (),
    **more: str,
) -> Evidence:
    """One fact; `values` are the baseline, the observed value and their unit."""
    baseline, observed, unit = values
    anomaly = Anomaly(
        kind=kind,
        service=service,
        subject=subject,
        family=Family(more.get("family", "other")),
        peer=more.get("peer", ""),
        instance=more.get("instance", ""),
        unit=unit,
        mechanism=Mechanism(more["mechanism"]) if "mechanism" in more else None,
        baseline=baseline,
        observed=observed,
        factor=observed / baseline if baseline and observed is not None else None,
        onset=began(onset) if onset else None,
        strength=strength,
        window=WINDOW,
        baseline_window=None if kind is AnomalyKind.CHANGE else BASELINE,
        summary=summary,
        clause=more.get("clause", ""),
        change=ChangeKind(more["change"]) if "change" in more else None,
        query=Query(
            source="clickhouse",
            name=query,
            window=BASELINE,
            parameters={"step_seconds": 30, "services": [service]},
            text="SELECT 1",
        ),
        samples=samples,
    )
    return Evidence(
        tenant="default", investigation=INVESTIGATION, id=evidence_id("investigate", anomaly), agent=agent, round=1, anomaly=anomaly
    )


def ranked(
    rank: int,
    service: str,
    statement: str,
    share: float,
    votes: Sequence[tuple[Position, float, str]],
    facts: Sequence[Evidence],
) -> RankedHypothesis:
    """A hypothesis with one vote of each agent, in the agents' order."""
    about = [f for f in facts if service in (f.anomaly.service, f.anomaly.peer)]
    id_ = f"hy-{rank}"
    cast = tuple(
        Vote(
            tenant="default",
            investigation=INVESTIGATION,
            hypothesis=id_,
            agent=agent,
            round=1,
            position=position,
            strength=strength,
            reason=reason,
            evidence=tuple(f.id for f in about if f.agent is agent)[:3],
        )
        for agent, (position, strength, reason) in zip(AgentName, votes, strict=False)
    )
    sign = {Position.SUPPORT: 1, Position.OPPOSE: -1, Position.ABSTAIN: 0}
    return RankedHypothesis(
        rank=rank,
        hypothesis=Hypothesis(
            tenant="default",
            investigation=INVESTIGATION,
            id=id_,
            round=1,
            service=service,
            statement=statement,
            evidence=tuple(f.id for f in about),
        ),
        votes=cast,
        score=sum(sign[v.position] * v.strength for v in cast),
        share=share,
        dissent=tuple(v.agent for v in cast if v.position is Position.OPPOSE),
    )


def explained(row: RankedHypothesis, cause: Cause, explanation: Explanation) -> RankedHypothesis:
    """The same hypothesis with its kind of cause and its path."""
    hypothesis = row.hypothesis.model_copy(update={"cause": cause})
    return row.model_copy(update={"hypothesis": hypothesis, "explanation": explanation})


FOR, AGAINST, ABSTAIN = Position.SUPPORT, Position.OPPOSE, Position.ABSTAIN
