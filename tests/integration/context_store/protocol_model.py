"""claims.md as plain Python, for `test_protocol_model`."""

from __future__ import annotations

from dataclasses import dataclass, field

from middlewatch.records import Claim, Completion, FanOut, InvestigationState, Task, TaskState

MAX_ATTEMPTS = 3

Name = tuple[str, str, str]
"""Tenant, investigation, task."""


@dataclass
class ModelTask:
    """A task as the model has it."""

    task: Task
    parent: Name | None = None
    state: TaskState = TaskState.READY
    attempts: int = 0
    paused: bool = False
    expired: bool = False
    newest: Claim | None = None
    result: dict[str, object] | None = None
    finished_with: Completion | None = None
    failed: tuple[Claim, TaskState] | None = None


@dataclass
class ModelInvestigation:
    """An investigation as the model has it."""

    alert: str
    state: InvestigationState = InvestigationState.OPEN
    tasks: dict[str, ModelTask] = field(default_factory=dict)
    waiting: dict[Name, tuple[set[str], Task]] = field(default_factory=dict)
    evidence: set[str] = field(default_factory=set)
    archived: bool = False

    @property
    def live(self) -> bool:
        return any(task.state in {TaskState.READY, TaskState.CLAIMED} for task in self.tasks.values())


class Model:
    """What should have happened so far."""

    def __init__(self) -> None:
        super().__init__()
        self.epoch = 1
        self.model: dict[tuple[str, str], ModelInvestigation] = {}

    def _claimable(self) -> list[Name]:
        return [name for name, task in self._open_tasks() if task.state is TaskState.READY and not task.paused]

    def _may_write(self, claim: Claim) -> bool:
        task = self._task(claim)
        return (
            task is not None
            and task.state is TaskState.CLAIMED
            and task.newest == claim
            and claim.token.epoch == self.epoch
            and self._of(claim).state is InvestigationState.OPEN
        )

    def _finished(self, claim: Claim, completion: Completion) -> None:
        name, task, model = self._name(claim), self._task(claim), self._of(claim)
        assert task is not None
        task.state, task.result, task.finished_with = TaskState.DONE, dict(completion.result), completion
        model.evidence |= {item.id for item in completion.evidence}
        fan_out = completion.fan_out or FanOut(tasks=())
        for child in fan_out.tasks:
            self._enqueue(child, name)
        if fan_out.then is not None:
            if fan_out.tasks:
                model.waiting[name] = ({child.id for child in fan_out.tasks}, fan_out.then)
            else:
                self._enqueue(fan_out.then, None)
        self._left(name, task)
        if completion.report is not None:
            model.state = InvestigationState.CLOSED

    def _retried(self, name: Name, task: ModelTask, *, paused: bool) -> TaskState:
        task.state, task.paused = TaskState.READY, paused
        if task.attempts >= MAX_ATTEMPTS:
            task.state = TaskState.DEAD
            self._left(name, task)
        return task.state

    def _left(self, name: Name, task: ModelTask) -> None:
        model = self.model[name[0], name[1]]
        if task.parent in model.waiting:
            left, then = model.waiting[task.parent]
            left.discard(name[2])
            if not left:
                del model.waiting[task.parent]
                self._enqueue(then, None)

    def _enqueue(self, task: Task, parent: Name | None) -> None:
        self.model[task.tenant, task.investigation].tasks[task.id] = ModelTask(task, parent)

    def _name(self, claim: Claim) -> Name:
        return claim.task.tenant, claim.task.investigation, claim.task.id

    def _of(self, claim: Claim) -> ModelInvestigation:
        return self.model[claim.task.tenant, claim.task.investigation]

    def _task(self, claim: Claim) -> ModelTask | None:
        return self._of(claim).tasks.get(claim.task.id)

    def _open_tasks(self) -> list[tuple[Name, ModelTask]]:
        return [
            ((tenant, identifier, name), task)
            for (tenant, identifier), model in self.model.items()
            if model.state is InvestigationState.OPEN
            for name, task in list(model.tasks.items())
        ]
