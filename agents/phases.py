"""What the phases of an investigation hand to one another: tasks by round, and the assessments that the agents handed in."""

from __future__ import annotations

from middlewatch.agents.agent import Agents
from middlewatch.agents.voting import Assessments, Verdict, tally
from middlewatch.records import AgentName, Assessment, Challenge, Snapshot, Task, TaskKind, Voice


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


def verdict_of(agents: Agents, snapshot: Snapshot, number: int, challenge: Challenge | None = None) -> Verdict:
    """What the votes of a round add up to, those of models with their weights."""
    return tally(
        agents,
        assessments(snapshot, number),
        [h for h in snapshot.hypotheses if h.round == number],
        [v for v in snapshot.votes if v.round == number],
        challenge,
    )


def rules_verdict(agents: Agents, snapshot: Snapshot, number: int) -> Verdict:
    """What the votes of rules alone add up to."""
    votes = tuple(vote for vote in snapshot.votes if vote.voice is Voice.RULES)
    return verdict_of(agents, snapshot.model_copy(update={"votes": votes}), number)
