"""From a verdict to `middlewatch.report/v1`: what is said, in words, and what it rests on."""

from __future__ import annotations

from collections.abc import Sequence

import middlewatch
from middlewatch.agents.agent import Agents
from middlewatch.agents.explanation import about, explain
from middlewatch.agents.phases import round_of
from middlewatch.agents.several_causes import found_causes
from middlewatch.agents.voting import Assessments, Verdict
from middlewatch.records import (
    AgentName,
    AnomalyKind,
    Edge,
    Evidence,
    Freshness,
    Outcome,
    Position,
    RankedHypothesis,
    Report,
    Signal,
    Snapshot,
    TaskKind,
    TaskState,
    TaskStatus,
    Timing,
    UtcDatetime,
)

STALE_SECONDS = 120.0
"""A signal whose newest item is older than this at the end of the window is called stale; two scrapes of the slowest common
interval (60 s)."""
EXPLAINED = 3
"""Leading hypotheses that are explained; a person reads no more."""
MEASURED = {AnomalyKind.METRIC, AnomalyKind.OPERATION, AnomalyKind.EDGE}
RULED_OUT = 5
"""Services that are named as ruled out; more is a list that nobody reads."""


def build_report(agents: Agents, snapshot: Snapshot, number: int, found: Assessments, verdict: Verdict, now: UtcDatetime) -> Report:
    """Write the report of an investigation.

    Args:
        agents: who found it.
        snapshot: all that the store holds of it.
        number: the round that is reported.
        found: what each agent found in that round.
        verdict: what the votes add up to.
        now: when it is closed.
    """
    investigation = snapshot.investigation
    leading = verdict.ranked[0] if verdict.ranked else None
    evidence = _ordered(snapshot, number, verdict)
    conclusive = leading is not None and not verdict.inconclusive
    edges = _service_map(found)
    causes = found_causes(agents, found, verdict, evidence, edges, investigation.alert.detected_at)
    ranked = tuple(
        row.model_copy(update={"explanation": explain(row.hypothesis.service, investigation.alert, evidence, edges)})
        if row.rank <= EXPLAINED
        else row
        for row in verdict.ranked
    )
    return Report(
        tenant=investigation.tenant,
        investigation=investigation.id,
        scope=investigation.scope,
        alert=investigation.alert,
        outcome=Outcome.FINDING if conclusive else Outcome.INCONCLUSIVE,
        answer=_finding(leading, evidence) if leading is not None and conclusive else _inconclusive(verdict, found),
        confidence=causes[0].confidence if causes else verdict.confidence,
        change_probability=verdict.change_probability,
        onset=ranked[0].explanation.path[0].onset if conclusive and ranked[0].explanation else None,
        causes=causes,
        hypotheses=ranked,
        ranking=verdict.ranking,
        evidence=evidence,
        service_map=edges,
        ruled_out=_ruled_out(verdict, found),
        missing=_missing(snapshot, number, found),
        next_steps=_next_steps(leading if conclusive else None, evidence, found),
        freshness=_freshness(found),
        rounds=max((round_of(status.task) for status in snapshot.tasks), default=number),
        timings=_timings(snapshot),
        opened_at=investigation.opened_at or now,
        closed_at=max(now, investigation.opened_at or now),
        engine=f"middlewatch {middlewatch.__version__}",
    )


def _ordered(snapshot: Snapshot, number: int, verdict: Verdict) -> tuple[Evidence, ...]:
    """This round's evidence, the leading hypotheses' first, then by strength."""
    rank = {row.hypothesis.service: row.rank for row in verdict.ranked}
    return tuple(
        sorted(
            (e for e in snapshot.evidence if e.round == number),
            key=lambda e: (rank.get(e.anomaly.service, len(rank) + 1), -e.anomaly.strength, e.id),
        )
    )


def _finding(leading: RankedHypothesis, evidence: Sequence[Evidence]) -> str:
    service = leading.hypothesis.service
    facts_about = about(service, evidence)
    supporters = [v.agent for v in sorted(leading.votes, key=lambda v: -v.strength) if v.position is Position.SUPPORT]
    facts = [e for agent in supporters for e in facts_about if e.agent is agent and e.anomaly.kind is not AnomalyKind.CHANGE]
    # A measured value against its usual one is understood at once, so it goes before a pattern in logs.
    proof = min(facts, key=lambda e: e.anomaly.kind not in MEASURED, default=None)
    change = next((e for e in facts_about if e.anomaly.kind is AnomalyKind.CHANGE and e.anomaly.strength > 0), None)
    answer = f'"{service}" is the most likely root cause'
    if proof is not None:
        answer += f": {proof.anomaly.summary.rstrip('.')}"
    if change is not None:
        answer += f"; just before: {change.anomaly.summary.partition(', ')[0]}"
    return answer + "."


def _inconclusive(verdict: Verdict, found: Assessments) -> str:
    if not any(a.scores for a in found.values()):
        return "I don't know: there was no telemetry to look at in this window."
    if not verdict.ranked:
        return "I don't know: nothing deviates from its baseline in what could be seen."
    return (
        f'I don\'t know: nothing stands out enough. The least unlikely is "{verdict.ranked[0].hypothesis.service}", '
        f"at {verdict.confidence:.0%}, which is no finding."
    )


def _service_map(found: Assessments) -> tuple[Edge, ...]:
    pairs = sorted({pair for a in found.values() for pair in a.edges})
    return tuple(Edge(caller=caller, callee=callee) for caller, callee in pairs)


def _ruled_out(verdict: Verdict, found: Assessments) -> tuple[str, ...]:
    lines = [text for a in found.values() for text in a.cleared]
    for row in verdict.ranked[1:]:
        against = [v for v in row.votes if v.position is Position.OPPOSE]
        if against and row.score <= 0:
            lines.append(f'"{row.hypothesis.service}": opposed by {" and ".join(v.agent for v in against)}')
    named = {row.hypothesis.service for row in verdict.ranked}
    quiet = [row.service for row in verdict.ranking if row.service not in named and row.score <= 0]
    if quiet:
        shown = ", ".join(f'"{s}"' for s in quiet[:RULED_OUT])
        more = f" and {len(quiet) - RULED_OUT} more" if len(quiet) > RULED_OUT else ""
        lines.append(f"nothing unusual in {shown}{more}")
    return tuple(lines)


def _missing(snapshot: Snapshot, number: int, found: Assessments) -> tuple[str, ...]:
    lines = [
        f"{status.task.arguments.get('agent', status.task.kind)}: gave up after {status.attempts} attempts ({status.error})"
        for status in _dead(snapshot, number)
    ]
    for assessment in found.values():
        lines += [note for note in assessment.notes if note not in lines]
        for fresh in assessment.freshness:
            lag = fresh.lag_seconds
            if fresh.signal is Signal.CHANGES:
                continue  # changes are rare: none for a while is no gap
            if lag is not None and lag > STALE_SECONDS and fresh.watermark is not None:
                lines.append(f"no {fresh.signal} after {fresh.watermark:%H:%M:%S} UTC, {lag:.0f} s before the end of the window")
    absent = [name for name in AgentName if name not in snapshot.investigation.agents]
    if absent:
        lines.append(f"not asked: {', '.join(absent)}")
    return tuple(dict.fromkeys(lines))


def _dead(snapshot: Snapshot, number: int) -> list[TaskStatus]:
    return [s for s in snapshot.tasks if s.state is TaskState.DEAD and s.task.arguments.get("round") == number]


def _next_steps(leading: RankedHypothesis | None, evidence: Sequence[Evidence], found: Assessments) -> tuple[str, ...]:
    if leading is None:
        absent = dict.fromkeys(fresh.signal for a in found.values() for fresh in a.freshness if fresh.watermark is None)
        steps = [f"Connect a source of {signal}: this investigation had none." for signal in absent]
        if not any(a.scores for a in found.values()):
            return (*steps, "Run `middlewatch doctor`: it says which telemetry is configured and how far it reaches.")
        return (*steps, "Investigate again with a later end, or with the symptom's service and metric named.")
    service = leading.hypothesis.service
    change = next((e for e in about(service, evidence) if e.anomaly.kind is AnomalyKind.CHANGE and e.anomaly.strength > 0), None)
    steps = [f"Consider undoing this change: {change.anomaly.summary}"] if change is not None else []
    steps += [f'Look at "{service}" first: {e.anomaly.summary}' for e in about(service, evidence)[:1]]
    if leading.dissent:
        steps.append(
            f"Before acting, read why {_agents(leading.dissent)} {'disagree' if len(leading.dissent) > 1 else 'disagrees'}."
        )
    return tuple(steps)


def _agents(names: Sequence[AgentName]) -> str:
    return " and ".join(f"the {name} agent" for name in names)


def _freshness(found: Assessments) -> tuple[Freshness, ...]:
    newest: dict[str, Freshness] = {}
    for fresh in (f for a in found.values() for f in a.freshness):
        newest.setdefault(fresh.signal, fresh)
    return tuple(newest.values())


def _timings(snapshot: Snapshot) -> tuple[Timing, ...]:
    rows = []
    for status in snapshot.tasks:
        seconds = (status.result or {}).get("seconds")
        if status.task.kind is TaskKind.INVESTIGATE and isinstance(seconds, int | float):
            rows.append(Timing(name=f"round {status.task.arguments['round']}: {status.task.arguments['agent']}", seconds=seconds))
    return tuple(sorted(rows, key=lambda t: t.name))
