"""Webhooks and supervisors: what speaks middlewatch's own protocol (docs/actions.md) and keeps what became of each request."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from middlewatch.records import ActionResult, Inspection, Order, Result, Scalar
from middlewatch.tools.actions.places import RemotePlace
from middlewatch.tools.actions.preconditions import problem_of
from middlewatch.tools.actions.wire import Answered, NoAnswer, Wire
from middlewatch.tools.wording import quoted

LONGEST_NAME, LONGEST_VALUE = 64, 500
"""Characters of a name and a value in a version: people read them before they approve."""
LARGEST_NUMBER = 2**53 - 1
"""The largest that every reader of JSON keeps exactly (RFC 8785 and RFC 7493, section 2.2)."""


class Looked(Answered):
    """The answer to `/inspect`."""

    version: dict[str, Scalar] = Field(max_length=32)
    problem: str = ""
    notes: tuple[str, ...] = Field(default=(), max_length=16, strict=False)


class Status(Answered):
    """The answer to `/run` and to `/requests/...`."""

    state: Literal["running", "done", "failed"]
    detail: str = ""
    reference: str = ""


@dataclass(frozen=True, slots=True)
class RemoteAdapter:
    """One target at a webhook or a supervisor: implements `Adapter`."""

    place: RemotePlace
    wire: Wire

    def inspect(self, action: str, target: str, parameters: Mapping[str, Scalar]) -> Inspection:
        """Ask the other end. What it says is quoted: it is text that middlewatch did not write."""
        looked = self.wire.call(self.place.inspect_step(action, target, parameters)).read(Looked)
        if unfit := _unfit(looked.version):
            return Inspection(problem=unfit)
        problem = f"It says {quoted(looked.problem)}." if looked.problem else ""
        problem = problem or problem_of(action, parameters, looked.version, self.place.min_replicas, self.place.max_replicas)
        return Inspection(version=looked.version, problem=problem, notes=tuple(f"It says {quoted(note)}." for note in looked.notes))

    def run(self, order: Order) -> ActionResult:
        """One signed call. The other end recognises the request by its digest and refuses it if the version is another one."""
        step = self.place.run_step(order.action, order.target, order.parameters, order.version, order.digest)
        reply = self.wire.call(step)
        if reply.result is not Result.DONE:
            return reply.outcome
        try:
            status = reply.read(Status)
        except NoAnswer as error:
            return ActionResult(result=Result.UNKNOWN, detail=error.message)
        taken = status.model_copy(update={"state": "done"}) if status.state == "running" else status
        return _result(taken)

    def probe(self, order: Order) -> ActionResult:
        """Ask what became of the digest. One that was never received did not happen."""
        reply = self.wire.call(self.place.status_step(order.digest))
        if reply.absent:
            return ActionResult(result=Result.NOT_DONE, detail="It was never received.")
        return _result(reply.read(Status))


def _unfit(version: Mapping[str, Scalar]) -> str:
    """Why an approval cannot be bound to a version; empty where it can."""
    for name, value in version.items():
        if len(name) > LONGEST_NAME or (isinstance(value, str) and len(value) > LONGEST_VALUE):
            return "Its version has a name or a value that is too long to be shown."
        if isinstance(value, int | float) and (not math.isfinite(value) or abs(value) > LARGEST_NUMBER):
            return f"The number {quoted(name)} of its version is too large to be exact; it should be sent as text."
    return ""


def _result(status: Status) -> ActionResult:
    said = f"It says {quoted(status.detail)}." if status.detail else ""
    result = {"running": Result.UNKNOWN, "done": Result.DONE, "failed": Result.NOT_DONE}[status.state]
    return ActionResult(
        result=result, detail=said or ("It is under way." if status.state == "running" else ""), reference=status.reference[:500]
    )
