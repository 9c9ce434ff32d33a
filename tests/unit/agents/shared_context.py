"""A shared context in memory: runs an investigation's tasks one after the other, without a store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from middlewatch.agents.agent import Agent
from middlewatch.agents.orchestrator import Orchestrator
from middlewatch.agents.phases import assessments, phase_task
from middlewatch.app import AGENTS
from middlewatch.records import (
    AgentName,
    Alert,
    Anomaly,
    AnomalyKind,
    Assessment,
    Completion,
    Evidence,
    Family,
    Investigation,
    Onset,
    Query,
    Scope,
    Snapshot,
    Task,
    TaskKind,
    TaskState,
    TaskStatus,
    UtcDatetime,
    Window,
    evidence_id,
)

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
WINDOW = Window(start=NOW - timedelta(minutes=5), end=NOW)


def alert() -> Alert:
    return Alert(
        tenant="default", source="test", source_id="1", title="slow", detected_at=NOW - timedelta(minutes=1), window_end=NOW
    )


def investigation(agents: tuple[AgentName, ...] = tuple(AgentName)) -> Investigation:
    return Investigation(tenant="default", id="inv-1", scope=Scope(tenant="default"), alert=alert(), agents=agents, opened_at=NOW)


def began(*, minutes_ago: float) -> Onset:
    at = NOW - timedelta(minutes=minutes_ago)
    return Onset(at=at, earliest=at - timedelta(seconds=15), latest=at + timedelta(seconds=15))


def anomaly(service: str, strength: float, kind: AnomalyKind = AnomalyKind.METRIC, subject: str = "latency") -> Anomaly:
    return Anomaly(
        kind=kind,
        service=service,
        subject=subject,
        family=Family.LATENCY,
        baseline=1.0,
        observed=2.0,
        factor=2.0,
        onset=began(minutes_ago=2),
        strength=strength,
        window=WINDOW,
        summary=f'{subject} of "{service}" rose from 1 ms to 2 ms',
        query=Query(source="test", name="series", window=WINDOW),
    )


def assessment(agent: AgentName, scores: Mapping[str, float], **rest: object) -> Assessment:
    anomalies = tuple(anomaly(service, score) for service, score in scores.items() if score > 0)
    return Assessment.model_validate(
        {"agent": agent, "scores": dict(scores), "anomalies": anomalies, "usual_tops": (0.1,) * 20, **rest}
    )


Finding = Callable[[AgentName, int], Assessment | None]
"""What an agent finds in a round; None where its task dies."""


class SharedContext:
    """Runs every task of an investigation in the order in which a store would hand them out."""

    def __init__(self, findings: Finding, asked: tuple[AgentName, ...] = tuple(AgentName), *, error: str = "boom") -> None:
        self.findings = findings
        self.error = error
        self.finished_at: UtcDatetime | None = None
        """When every task is said to have ended."""
        self.snapshot = Snapshot(investigation=investigation(asked))
        self.orchestrator = Orchestrator(AGENTS, clock=lambda: NOW)

    def run(self) -> Snapshot:
        self._run(phase_task(self.snapshot, TaskKind.PLAN, 1))
        return self.snapshot

    def _run(self, task: Task) -> None:
        completion = self._do(task)
        state = TaskState.DEAD if completion is None else TaskState.DONE
        status = TaskStatus(
            task=task,
            state=state,
            attempts=1,
            error="" if completion else self.error,
            finished_at=self.finished_at,
            result=completion.result if completion else None,
        )
        done = completion or Completion()
        self.snapshot = self.snapshot.model_copy(
            update={
                "tasks": (*self.snapshot.tasks, status),
                "evidence": (*self.snapshot.evidence, *done.evidence),
                "hypotheses": (*self.snapshot.hypotheses, *done.hypotheses),
                "votes": (*self.snapshot.votes, *done.votes),
                "preliminary": done.preliminary or self.snapshot.preliminary,
                "report": done.report,
            }
        )
        if done.fan_out is not None:
            for child in done.fan_out.tasks:
                self._run(child)
            assert done.fan_out.then is not None
            self._run(done.fan_out.then)

    def _do(self, task: Task) -> Completion | None:
        if task.kind not in (TaskKind.INVESTIGATE, TaskKind.VOTE):
            return self.orchestrator.run(self.snapshot, task)
        name, number = AgentName(str(task.arguments["agent"])), int(str(task.arguments["round"]))
        agent: Agent = AGENTS[name]
        if task.kind is TaskKind.VOTE:
            own = assessments(self.snapshot, number).get(name)
            return Completion(
                votes=tuple(agent.vote(h, own, self.snapshot.evidence) for h in self.snapshot.hypotheses if h.round == number)
            )
        found = self.findings(name, number)
        if found is None:
            return None
        facts = tuple(
            Evidence(
                tenant="default",
                investigation="inv-1",
                id=evidence_id(task.id, a),
                agent=name,
                round=number,
                anomaly=a,
            )
            for a in found.anomalies
        )
        return Completion(result={"assessment": found.model_copy(update={"anomalies": ()}).model_dump(mode="json")}, evidence=facts)
