"""What language models did in an investigation, out of what their tasks handed in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from middlewatch.records import (
    AgentReasoning,
    Challenge,
    ModelCall,
    ModelWork,
    Report,
    Snapshot,
    TaskKind,
    TaskState,
    TaskStatus,
)

REASONING, CHALLENGE, CALLS, PROBLEM, ADDED = "reasoning", "challenge", "calls", "problem", "added"
"""Names in the results of their tasks."""
_SEVERAL = {"was": "were", "is": "are"}


def model_work(snapshot: Snapshot) -> ModelWork:
    """All of it, before the report is put into words."""
    reasoning = tuple(_reasoning(snapshot))
    problems = _told({one.agent.value: one.problem for one in reasoning if one.problem})
    failed = [problem for status in _done(snapshot, TaskKind.CHALLENGE) if (problem := (status.result or {}).get(PROBLEM))]
    problems += [f"The challenger's model {problem}; nobody tried to refute the answer." for problem in failed]
    return ModelWork(reasoning=reasoning, challenge=challenge_of(snapshot), problems=tuple(problems), calls=tuple(_calls(snapshot)))


def _told(problems: Mapping[str, str]) -> list[str]:
    """By agent, what became of its model: those of which the same is to be said are told of together."""
    agents: dict[str, list[str]] = {}
    for agent, problem in problems.items():
        agents.setdefault(problem, []).append(agent)
    return [
        f"The {names[0]} agent's model {problem}; its rules stand alone."
        if len(names) == 1
        else f"The models of the {', '.join(names[:-1])} and {names[-1]} agents {_plural(problem)}; their rules stand alone."
        for problem, names in agents.items()
    ]


def _plural(problem: str) -> str:
    """As it is said of several models."""
    first, _, rest = problem.partition(" ")
    return f"{_SEVERAL.get(first, first)} {rest}"


def with_problem(work: ModelWork, problem: str) -> ModelWork:
    """The same where the writer's model failed."""
    return work.model_copy(update={"problems": (*work.problems, f"The writer's model {problem}; the rules' words stand.")})


def with_calls(report: Report, kept: Iterable[ModelCall]) -> Report:
    """The report with calls that no task handed in, whose workers died or failed over them; each once, by its name."""
    work = report.models or ModelWork()
    there = {call.id for call in work.calls}
    missing = [call for call in kept if call.id not in there]
    return report.model_copy(update={"models": work.model_copy(update={"calls": (*work.calls, *missing)})}) if missing else report


def challenge_of(snapshot: Snapshot) -> Challenge | None:
    """The attempt to refute the leading hypothesis, where there was one."""
    for status in _done(snapshot, TaskKind.CHALLENGE):
        if status.result and status.result.get(CHALLENGE):
            return Challenge.model_validate(status.result[CHALLENGE])
    return None


def by_rules(snapshot: Snapshot) -> Snapshot:
    """The same without the evidence that models' tool calls found: rules judge by what they found themselves."""
    added = added_by_models(snapshot)
    kept = tuple(fact for fact in snapshot.evidence if fact.id not in added)
    return snapshot.model_copy(update={"evidence": kept}) if added else snapshot


def added_by_models(snapshot: Snapshot) -> frozenset[str]:
    """The ids of the evidence that models' tool calls found."""
    found: set[str] = set()
    for kind in (TaskKind.REASON, TaskKind.CHALLENGE):
        for status in _done(snapshot, kind):
            added = (status.result or {}).get(ADDED)
            found |= {str(one) for one in added} if isinstance(added, list) else set()
    return frozenset(found)


def _reasoning(snapshot: Snapshot) -> Iterator[AgentReasoning]:
    for status in snapshot.tasks:
        if status.task.kind is not TaskKind.REASON:
            continue
        if status.state is TaskState.DEAD:
            problem = f"was given up after {status.attempts} attempts"
            yield AgentReasoning.model_validate({"agent": status.task.arguments["agent"], "problem": problem})
        elif status.result and REASONING in status.result:
            yield AgentReasoning.model_validate(status.result[REASONING])


def _calls(snapshot: Snapshot) -> Iterator[ModelCall]:
    for kind in (TaskKind.REASON, TaskKind.CHALLENGE):
        for status in _done(snapshot, kind):
            calls = (status.result or {}).get(CALLS)
            yield from map(ModelCall.model_validate, calls if isinstance(calls, list) else [])


def _done(snapshot: Snapshot, kind: TaskKind) -> list[TaskStatus]:
    return [status for status in snapshot.tasks if status.task.kind is kind and status.state is TaskState.DONE]
