"""What a worker or an executor did, one thing after the other, for programs that watch it. The store and the log have more."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Literal, TypeVar

from pydantic import Field

from middlewatch.approval.desk import Hands
from middlewatch.context_store.worker import Handler, Lease
from middlewatch.records import (
    ActionResult,
    Claim,
    Completion,
    Inspection,
    Order,
    Record,
    Result,
    Scalar,
    TaskKind,
    Undo,
    UtcDatetime,
)

_T = TypeVar("_T")


class Doing(Record):
    """One thing that was done, or tried."""

    at: UtcDatetime = Field(description="when it ended")
    seconds: float
    did: Literal["task", "inspect", "run", "probe"] = Field(
        description="a task of an investigation; looked at a target; acted on it; looked whether that was done"
    )
    problem: str = Field(default="", description="why it failed, in words; empty where it did not")


class TaskDone(Doing):
    """A task that a worker was at. What failed is tried again, and shown to people where it fails too often."""

    investigation: str
    task: str
    kind: TaskKind
    agent: str = Field(default="", description="empty where it is the orchestrator's")
    attempt: int


class HandsDone(Doing):
    """What an executor's hands did."""

    action: str
    target: str
    request: str = Field(default="", description="empty where a target was looked at")
    result: Result | None = Field(default=None, description="null where a target was looked at, or nobody answered")
    detail: str = ""


Told = Callable[[Doing], None]


def telling(handlers: Mapping[TaskKind, Handler], told: Told) -> dict[TaskKind, Handler]:
    """Handlers of tasks that say what they did."""

    def of(handler: Handler) -> Handler:
        def handle(claim: Claim, lease: Lease) -> Completion:
            task = claim.task
            about = {
                "did": "task",
                "investigation": task.investigation,
                "task": task.id,
                "kind": task.kind,
                "agent": task.arguments.get("agent", ""),
                "attempt": claim.attempt,
            }
            return _told(lambda: handler(claim, lease), lambda _, how: told(TaskDone.model_validate(about | how)))

        return handle

    return {kind: of(handler) for kind, handler in handlers.items()}


class TellingHands:
    """Hands that say what they did."""

    def __init__(self, hands: Hands, told: Told) -> None:
        self._hands = hands
        self._told = told

    def inspect(self, action: str, target: str, parameters: dict[str, Scalar]) -> Inspection:
        about = {"did": "inspect", "action": action, "target": target}

        def say(found: Inspection | None, how: dict[str, object]) -> None:
            seen = {"problem": found.problem} if found else {}
            self._told(HandsDone.model_validate(about | how | seen))

        return _told(lambda: self._hands.inspect(action, target, parameters), say)

    def run(self, order: Order) -> ActionResult:
        return self._ordered("run", order, self._hands.run)

    def probe(self, order: Order) -> ActionResult:
        return self._ordered("probe", order, self._hands.probe)

    def undo(self, order: Order) -> Undo | None:
        return self._hands.undo(order)

    def _ordered(self, did: str, order: Order, act: Callable[[Order], ActionResult]) -> ActionResult:
        about = {"did": did, "request": order.request, "action": order.action, "target": order.target}

        def say(found: ActionResult | None, how: dict[str, object]) -> None:
            seen = {"result": found.result, "detail": found.detail} if found else {}
            self._told(HandsDone.model_validate(about | how | seen))

        return _told(lambda: act(order), say)


def _told(act: Callable[[], _T], say: Callable[[_T | None, dict[str, object]], None]) -> _T:
    """Do something, and say how it went, also where it fails."""
    began, found, problem = time.monotonic(), None, ""
    try:
        found = act()
    except BaseException as error:  # whatever it was is told, an interrupt too, and goes on
        problem = str(error) or type(error).__name__
        raise
    finally:
        say(found, {"at": datetime.now(UTC), "seconds": round(time.monotonic() - began, 3), "problem": problem})
    return found
