"""What a report says in sentences: the answer, what was ruled out, what was missing, what would decide, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence

from middlewatch.agents.agent import Agents
from middlewatch.agents.causes import is_blamed, trigger_probability
from middlewatch.agents.explanation import about, fact_of_onset
from middlewatch.agents.voting import Assessments, Verdict
from middlewatch.records import (
    AgentName,
    Alert,
    AnomalyKind,
    CauseKind,
    Evidence,
    FoundCause,
    Position,
    RankedHypothesis,
    Signal,
    Snapshot,
    TaskKind,
    TaskState,
    TaskStatus,
    UtcDatetime,
    Voice,
    Vote,
)
from middlewatch.tools.change_timing import PROMPT_SECONDS
from middlewatch.tools.wording import duration, listed, quoted

STALE_SECONDS = 120.0
"""A signal whose newest item is older than this at the end of the window is called stale; two scrapes of the slowest common
interval (60 s)."""
MEASURED = {AnomalyKind.METRIC, AnomalyKind.OPERATION, AnomalyKind.EDGE}
OPEN_QUESTIONS = 2
"""Leading hypotheses of an inconclusive answer for which it is said what would decide; a person follows up no more. Chosen."""
LEAST_HISTORY = 5
"""Quiet moments below which an agent hardly knows what is usual in this system. Chosen, not derived."""
WOULD_SHOW = {
    Signal.METRICS: "whether it ran short of something, or was asked for more",
    Signal.LOGS: "what it says when it fails",
    Signal.TRACES: "whether it loses the time itself or waits for others",
    Signal.CHANGES: "whether it was changed just before",
}


def answer(
    verdict: Verdict, found: Assessments, causes: Sequence[FoundCause], evidence: Sequence[Evidence], detected: UtcDatetime
) -> str:
    """One sentence, or two where there are two causes."""
    if causes:
        change = blamed_change(causes[0].service, evidence)
        text = f"{quoted(causes[0].service)} is the most likely root cause"
        if proof := _proof(causes[0], verdict, evidence):
            text += f": {proof}"
        if change is not None:
            text += f"; {_how_long_before(change, evidence, detected)}: {change.anomaly.in_short}"
        for other in causes[1:]:
            proof = _proof(other, verdict, evidence)
            text += f". {quoted(other.service)} is a second cause, which the first does not explain" + (
                f": {proof}" if proof else ""
            )
        return text + "."
    if not any(a.scores for a in found.values()):
        return "I don't know: there was no telemetry to look at in this window."
    if not verdict.ranked:
        return (
            "I don't know: nothing deviates from its baseline in what could be seen. Half of all alerts are taken to be about "
            f"something; that nothing is seen leaves {verdict.change_probability:.0%}."
        )
    return (
        f"I don't know: nothing stands out enough. The least unlikely is {quoted(verdict.ranked[0].hypothesis.service)}, "
        f"at {verdict.confidence:.0%}, which is no finding."
    )


def ruled_out(verdict: Verdict, found: Assessments, causes: Sequence[FoundCause], evidence: Sequence[Evidence]) -> tuple[str, ...]:
    """What was looked at and is innocent: by an agent's own word, by the votes, or because nobody noticed anything."""
    lines = [text for a in found.values() for text in a.cleared]
    lines += _cleared_by_the_finding(causes, evidence)
    for row in verdict.ranked if verdict.inconclusive else verdict.ranked[1:]:
        against = [v for v in _of_rules(row) if v.position is Position.OPPOSE]
        if against and row.score <= 0:
            lines.append(f"{quoted(row.hypothesis.service)}: opposed by {' and '.join(v.agent for v in against)}")
    named = {row.hypothesis.service for row in verdict.ranked}
    quiet = [row.service for row in verdict.ranking if row.service not in named and row.score <= 0]
    if quiet:
        lines.append(f"nothing unusual in {listed(quiet)}")
    return tuple(lines)


def _cleared_by_the_finding(causes: Sequence[FoundCause], evidence: Sequence[Evidence]) -> list[str]:
    """Changes that came in time to be the cause, and are none because another service or another change is.

    Those of a service that is the cause are cleared by none but a change that is blamed.
    """
    if not causes:
        return []
    services = {cause.service for cause in causes}
    blamed = {cause.change for cause in causes}
    opened = {cause.service for cause in causes if cause.change is None}
    changes = [e for e in evidence if e.anomaly.kind is AnomalyKind.CHANGE]
    others = [e for e in changes if e.id not in blamed and e.anomaly.service not in opened]
    where = listed([cause.service for cause in causes])
    return [
        f"{e.anomaly.in_short} came in time, "
        + ("but another change explains more" if e.anomaly.service in services else f"but the trouble began in {where}")
        for e in others
    ]


def missing(snapshot: Snapshot, number: int, found: Assessments) -> tuple[str, ...]:
    """What could not be seen: agents that gave up or were not asked, what they say themselves, and signals that end early."""
    lines = [
        f"{status.task.arguments.get('agent', status.task.kind)}: gave up after {status.attempts} attempts ({quoted(status.error)})"
        for status in _dead(snapshot, number)
    ]
    for assessment in found.values():
        lines += assessment.notes
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


def would_decide(agents: Agents, verdict: Verdict, found: Assessments, alert: Alert) -> tuple[str, ...]:
    """Which data would decide what stayed open: which service, or what is wrong in it."""
    leading = [row.hypothesis for row in verdict.ranked[: OPEN_QUESTIONS if verdict.inconclusive else 1]]
    if not verdict.inconclusive and leading[0].cause is not None and leading[0].cause.kind is not CauseKind.UNKNOWN:
        return ()
    lines = []
    for name, agent in agents.items():
        assessment = found.get(name)
        nothing = assessment is None or all(fresh.watermark is None for fresh in assessment.freshness)
        unseen = [h.service for h in leading if assessment is None or h.service not in assessment.scores]
        if nothing and (leading or agent.signal is not Signal.CHANGES):
            lines.append(f"{agent.signal}, of which there were none: of a service they show {WOULD_SHOW[agent.signal]}")
        elif unseen and agent.signal is not Signal.CHANGES:  # most services are not changed, which is no gap
            lines.append(f"{agent.signal} of {listed(unseen)}: they would show {WOULD_SHOW[agent.signal]}")
    if verdict.inconclusive:
        voices = {agents[n].signal: a for n, a in found.items() if a.scores and agents[n].signal is not Signal.CHANGES}
        short = [signal for signal, a in voices.items() if len(a.usual_tops) < LEAST_HISTORY]
        if short:
            lines.append(f"more {' and '.join(short)} from before the incident: so few quiet moments do not show what is usual")
        if alert.symptom is None or alert.symptom.metric is None:
            lines.append("the service and the metric that alarmed: how rare its value is, and on whom it depends, would count")
    return tuple(lines)


def next_steps(verdict: Verdict, found: Assessments, causes: Sequence[FoundCause], evidence: Sequence[Evidence]) -> tuple[str, ...]:
    """What a person might do, most useful first."""
    if not causes:
        absent = dict.fromkeys(fresh.signal for a in found.values() for fresh in a.freshness if fresh.watermark is None)
        steps = [f"Check this change first, which nothing clears: {e.anomaly.summary}" for e in _open_change(evidence)]
        silent = not any(a.scores for a in found.values())
        steps += ["Run middlewatch doctor: it says which telemetry is configured and how far it reaches."] if silent else []
        steps += [f"Connect a source of {signal}: this investigation had none." for signal in absent]
        again = "Investigate again with a later end, or with the symptom's service and metric named."
        return tuple(steps) if silent else (*steps, again)
    steps = []
    for cause, which in zip(causes, ("first", "as well"), strict=False):
        suspected = _suspected(cause.service, evidence)
        undo = [] if cause.change is None else suspected[:1]
        steps += [f"Consider undoing this change: {change.anomaly.summary}" for change in undo]
        proven = {fact.id for fact in _facts_for(cause, verdict, evidence)}
        facts = [e for e in evidence if e.id in proven]
        steps += [f"Look at {quoted(cause.service)} {which}: {fact.anomaly.summary}" for fact in facts[:1]]
        steps += [_to_check(change) for change in suspected] if not undo else []
    dissent = verdict.ranked[0].dissent
    if dissent:
        names = " and ".join(f"the {name} agent" for name in dissent)
        steps.append(f"Before acting, read why {names} {'disagree' if len(dissent) > 1 else 'disagrees'}.")
    return tuple(steps)


def blamed_change(service: str, evidence: Sequence[Evidence]) -> Evidence | None:
    """The change that is blamed where this service is: the most suspect one, where it is likely enough to be named."""
    return next((e for e in _suspected(service, evidence) if is_blamed(e.anomaly)), None)


def _to_check(change: Evidence) -> str:
    chance = trigger_probability(change.anomaly)
    return f"Check this change ({chance:.0%} that it is the trigger): {change.anomaly.summary}"


def _how_long_before(change: Evidence, evidence: Sequence[Evidence], detected: UtcDatetime) -> str:
    """How long before the trouble of its service a change was made: what takes longer than any roll-out was not just before."""
    fact = fact_of_onset([e for e in about(change.anomaly.service, evidence) if e.anomaly.strength > 0], detected)
    began = detected if fact is None or fact.anomaly.onset is None else fact.anomaly.onset.at
    made = began if change.anomaly.onset is None else change.anomaly.onset.at
    ahead = began - made
    return "just before" if ahead.total_seconds() <= PROMPT_SECONDS else f"{duration(ahead)} before"


def _open_change(evidence: Sequence[Evidence]) -> list[Evidence]:
    """The most suspect change of all, if there is any."""
    services = {e.anomaly.service for e in evidence}
    suspected = [e for service in sorted(services) for e in _suspected(service, evidence)]
    return sorted(suspected, key=lambda e: -e.anomaly.strength)[:1]


def _suspected(service: str, evidence: Sequence[Evidence]) -> list[Evidence]:
    """The changes of a service that the deploy correlator did not clear, most suspect first."""
    changes = [e for e in evidence if e.anomaly.kind is AnomalyKind.CHANGE and e.anomaly.service == service]
    return sorted((e for e in changes if e.anomaly.strength > 0), key=lambda e: -e.anomaly.strength)


def _proof(cause: FoundCause, verdict: Verdict, evidence: Sequence[Evidence]) -> str:
    """The strongest fact of the agents that support a cause, most convinced first."""
    # A measured value against its usual one is understood at once, so it goes before a pattern in logs.
    proof = min(_facts_for(cause, verdict, evidence), key=lambda e: e.anomaly.kind not in MEASURED, default=None)
    return proof.anomaly.summary.rstrip(".") if proof is not None else ""


def _facts_for(cause: FoundCause, verdict: Verdict, evidence: Sequence[Evidence]) -> list[Evidence]:
    """What proves a cause: facts that no other cause explains, of the agents that support it, most convinced first."""
    row = next(row for row in verdict.ranked if row.hypothesis.id == cause.hypothesis)
    supporters = [v.agent for v in sorted(_of_rules(row), key=lambda v: -v.strength) if v.position is Position.SUPPORT]
    facts = [e for e in evidence if e.id in cause.evidence]
    return [e for agent in supporters for e in facts if e.agent is agent]


def _of_rules(row: RankedHypothesis) -> list[Vote]:
    """The votes that follow from what agents measured: only those say which facts prove what."""
    return [vote for vote in row.votes if vote.voice is Voice.RULES]


def _dead(snapshot: Snapshot, number: int) -> list[TaskStatus]:
    dead = [s for s in snapshot.tasks if s.state is TaskState.DEAD and s.task.arguments.get("round") == number]
    return [s for s in dead if s.task.kind is not TaskKind.REASON]  # of what is told of models
