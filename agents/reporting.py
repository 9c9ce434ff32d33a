"""From a verdict to `middlewatch.report/v1`: what is said, in words, and what it rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import middlewatch
from middlewatch.agents import conclusions
from middlewatch.agents.agent import Agents
from middlewatch.agents.explanation import explain
from middlewatch.agents.model_work import by_rules
from middlewatch.agents.phases import round_of
from middlewatch.agents.several_causes import found_causes
from middlewatch.agents.voting import Assessments, Verdict
from middlewatch.records import (
    Alert,
    Edge,
    Evidence,
    FoundCause,
    Freshness,
    ModelWork,
    Outcome,
    RankedHypothesis,
    Report,
    Snapshot,
    TaskKind,
    Timing,
    UtcDatetime,
)

EXPLAINED = 3
"""Leading hypotheses that are explained; a person reads no more."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What language models did, and what rules alone say."""

    work: ModelWork
    rules: Verdict


def build_report(  # noqa: PLR0913, PLR0917  what a report is made of
    agents: Agents,
    snapshot: Snapshot,
    number: int,
    found: Assessments,
    verdict: Verdict,
    now: UtcDatetime,
    heard: Heard | None = None,
) -> Report:
    """Write the report of an investigation. What models' tool calls found is listed last, and nothing is concluded from it.

    Args:
        agents: who found it.
        snapshot: all that the store holds of it.
        number: the round that is reported.
        found: what each agent found in that round.
        verdict: what the votes add up to.
        now: when it is closed.
        heard: of language models; None where none was asked.
    """
    investigation = snapshot.investigation
    evidence = _ordered(by_rules(snapshot), number, verdict)
    added = tuple(fact for fact in _ordered(snapshot, number, verdict) if fact not in evidence) if heard else ()
    edges = _service_map(found)
    named = partial(found_causes, agents, found, evidence=evidence, edges=edges, detected=investigation.alert.detected_at)
    alone = {cause.service: cause.confidence for cause in named(heard.rules)} if heard else {}
    causes = tuple(_with_rules(_with_change(cause, evidence), alone, heard) for cause in named(verdict))
    listed = (*verdict.ranked, *verdict.proposed) if verdict.ranked else ()  # what has no weight leads nothing, not even a guess
    ranked = tuple(_explained(row, investigation.alert, evidence, edges) for row in listed)
    return Report(
        tenant=investigation.tenant,
        investigation=investigation.id,
        scope=investigation.scope,
        alert=investigation.alert,
        outcome=Outcome.FINDING if causes else Outcome.INCONCLUSIVE,
        answer=conclusions.answer(verdict, found, causes, evidence, investigation.alert.detected_at),
        confidence=causes[0].confidence if causes else verdict.confidence,
        change_probability=verdict.change_probability,
        onset=ranked[0].explanation.path[0].onset if causes and ranked[0].explanation else None,
        causes=causes,
        hypotheses=ranked,
        ranking=verdict.ranking,
        evidence=(*evidence, *added),
        service_map=edges,
        ruled_out=conclusions.ruled_out(verdict, found, causes, evidence),
        missing=(*conclusions.missing(snapshot, number, found), *(heard.work.problems if heard else ())),
        would_decide=conclusions.would_decide(agents, verdict, found, investigation.alert),
        next_steps=conclusions.next_steps(verdict, found, causes, evidence),
        models=heard.work if heard else None,
        freshness=_freshness(found),
        rounds=max((round_of(status.task) for status in snapshot.tasks), default=number),
        timings=_timings(snapshot),
        opened_at=investigation.opened_at or now,
        closed_at=max(now, investigation.opened_at or now),
        engine=f"middlewatch {middlewatch.__version__}",
    )


def _with_rules(cause: FoundCause, alone: Mapping[str, float], heard: Heard | None) -> FoundCause:
    """With what rules alone say of it, where that is something else."""
    said = alone.get(cause.service, 0.0)
    return cause if heard is None or said == cause.confidence else cause.model_copy(update={"by_rules": said})


def _with_change(cause: FoundCause, evidence: Sequence[Evidence]) -> FoundCause:
    change = conclusions.blamed_change(cause.service, evidence)
    return cause if change is None else cause.model_copy(update={"change": change.id})


def _explained(row: RankedHypothesis, alert: Alert, evidence: Sequence[Evidence], edges: Sequence[Edge]) -> RankedHypothesis:
    if row.rank > EXPLAINED:
        return row
    return row.model_copy(update={"explanation": explain(row.hypothesis.service, alert, evidence, edges)})


def _ordered(snapshot: Snapshot, number: int, verdict: Verdict) -> tuple[Evidence, ...]:
    """This round's evidence, the leading hypotheses' first, then by strength."""
    rank = {row.hypothesis.service: row.rank for row in verdict.ranked}
    return tuple(
        sorted(
            (e for e in snapshot.evidence if e.round == number),
            key=lambda e: (rank.get(e.anomaly.service, len(rank) + 1), -e.anomaly.strength, e.id),
        )
    )


def _service_map(found: Assessments) -> tuple[Edge, ...]:
    pairs = sorted({pair for a in found.values() for pair in a.edges})
    return tuple(Edge(caller=caller, callee=callee) for caller, callee in pairs)


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
