"""Work that is claimed: tasks, claims and fencing tokens."""

from __future__ import annotations

from enum import StrEnum
from functools import total_ordering

from pydantic import Field, JsonValue

from middlewatch.records.base import Identifier, Record, Tenant, UtcDatetime


class TaskKind(StrEnum):
    """What a task asks for. `agent` in its arguments says of whom, where that matters."""

    PLAN = "plan"
    INVESTIGATE = "investigate"
    HYPOTHESISE = "hypothesise"
    VOTE = "vote"
    CONCLUDE = "conclude"
    REASON = "reason"
    """By an agent's language model."""
    CHALLENGE = "challenge"
    WRITE = "write"


ASKS_MODELS = frozenset({TaskKind.REASON, TaskKind.CHALLENGE, TaskKind.WRITE})
"""What asks a language model: it waits for somebody else, and what it is worth is over soon."""


class TaskState(StrEnum):
    """Where a task stands. `dead` is a poison task: it failed too often, and a person is shown it."""

    READY = "ready"
    CLAIMED = "claimed"
    DONE = "done"
    DEAD = "dead"


class Task(Record):
    """One piece of work. No task waits for another: the finish that completes a group enqueues what comes next."""

    tenant: Tenant
    investigation: Identifier
    id: Identifier
    kind: TaskKind
    arguments: dict[str, JsonValue] = Field(default_factory=dict)


class FanOut(Record):
    """Tasks to enqueue together, and the task that follows when every one of them is done or dead."""

    tasks: tuple[Task, ...]
    then: Task | None = None


@total_ordering
class FencingToken(Record):
    """The rising number that is checked on every write: the operator's epoch first, then the store's counter."""

    epoch: int = Field(ge=0)
    counter: int = Field(ge=0)

    def __lt__(self, other: FencingToken) -> bool:
        return (self.epoch, self.counter) < (other.epoch, other.counter)


class Claim(Record):
    """Ownership of a task, for as long as its lease lasts."""

    task: Task
    owner: str
    token: FencingToken
    attempt: int = Field(ge=1)
    lease_seconds: float = Field(gt=0)


class TaskStatus(Record):
    """A task as the store has it."""

    task: Task
    state: TaskState
    attempts: int = Field(ge=0)
    owner: str = ""
    error: str = ""
    result: dict[str, JsonValue] | None = None
    finished_at: UtcDatetime | None = None
