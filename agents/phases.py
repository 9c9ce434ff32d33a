"""What the phases of an investigation hand to one another: tasks by round, and the assessments that the agents handed in."""

from __future__ import annotations

from middlewatch.agents.voting import Assessments
from middlewatch.records import AgentName, Assessment, Snapshot, Task, TaskKind


def phase_task(snapshot: Snapshot, kind: TaskKind, number: int) -> Task:
    """The task that runs one phase of the orchestration."""
    investigation = snapshot.investigation
    return Task(
        tenant=investigation.tenant, investigation=investigation.id, id=f"r{number}-{kind}", kind=kind, arguments={"round": number}
    )


def assessments(snapshot: Snapshot, number: int) -> Assessments:
    """What each agent found in one round; an agent whose task died is absent."""
    found: dict[AgentName, Assessment] = {}
    for status in snapshot.tasks:
        if status.task.kind is TaskKind.INVESTIGATE and round_of(status.task) == number and status.result is not None:
            assessment = Assessment.model_validate(status.result["assessment"])
            found[assessment.agent] = assessment
    return {name: found[name] for name in AgentName if name in found}


def round_of(task: Task) -> int:
    """Which round a task belongs to."""
    number = task.arguments["round"]
    assert isinstance(number, int)  # noqa: S101  only the orchestrator writes it
    return number
