"""Invariant: whatever a handler or the hands do is told once, also where it fails, and nothing that they do changes by it."""

from __future__ import annotations

from typing import Any, cast

import pytest

from middlewatch.context_store.worker import Lease
from middlewatch.doings import Doing, HandsDone, TaskDone, TellingHands, telling
from middlewatch.records import ActionResult, Claim, Completion, FencingToken, Inspection, Order, Result, Task, TaskKind
from middlewatch.records.errors import SourceUnavailable

TASK = Task(tenant="default", investigation="inv-1", id="investigate-logs", kind=TaskKind.INVESTIGATE, arguments={"agent": "logs"})
CLAIM = Claim(task=TASK, owner="worker-1", token=FencingToken(epoch=1, counter=2), attempt=3, lease_seconds=5.0)
ORDER = Order(tenant="default", request="apr-1", digest="ab" * 32, action="scale_up", target="cart")


class Hands:
    """Hands that do, or fail."""

    def __init__(self, problem: Exception | None = None) -> None:
        self.problem = problem

    def _done(self) -> ActionResult:
        if self.problem:
            raise self.problem
        return ActionResult(result=Result.DONE, detail="It was scaled.")

    def inspect(self, action: str, target: str, parameters: dict[str, Any]) -> Inspection:
        del action, target, parameters
        return Inspection(problem="There is none.")

    def run(self, order: Order) -> ActionResult:
        del order
        return self._done()

    probe = run

    def undo(self, order: Order) -> None:
        del order


def test_a_task_is_told_with_whose_it_was_and_what_came_of_it() -> None:
    told: list[Doing] = []
    done = Completion()

    def handle(_claim: Claim, _lease: Lease) -> Completion:
        if len(told) == 1:
            raise SourceUnavailable("It does not answer.")
        return done

    handler = telling({TaskKind.INVESTIGATE: handle}, told.append)[TaskKind.INVESTIGATE]
    assert handler(CLAIM, cast("Lease", None)) is done
    with pytest.raises(SourceUnavailable):
        handler(CLAIM, cast("Lease", None))
    assert [(one.did, one.agent, one.attempt, one.problem) for one in told if isinstance(one, TaskDone)] == [
        ("task", "logs", 3, ""),
        ("task", "logs", 3, "It does not answer."),
    ]


def test_what_hands_do_is_told_and_handed_on() -> None:
    told: list[Doing] = []
    hands = TellingHands(Hands(), told.append)
    assert hands.inspect("scale_up", "cart", {}).problem == "There is none."
    assert hands.run(ORDER).result is hands.probe(ORDER).result is Result.DONE
    assert hands.undo(ORDER) is None
    with pytest.raises(SourceUnavailable):
        TellingHands(Hands(SourceUnavailable("Gone.")), told.append).run(ORDER)
    assert [(one.did, one.request, one.result, one.problem) for one in told if isinstance(one, HandsDone)] == [
        ("inspect", "", None, "There is none."),
        ("run", "apr-1", Result.DONE, ""),
        ("probe", "apr-1", Result.DONE, ""),
        ("run", "apr-1", None, "Gone."),
    ]
