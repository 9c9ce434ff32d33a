"""The seam to actions: what is known of one from the configuration alone, and what only the executor can do with it.

The first half, `Action`, opens no credential and no connection: the gateway shows people what would run with it. The second half,
`Executable`, is made by `middlewatch.tools.actions.execution`, in the executor's process alone. Both go through the same pure
`Place.steps`, so that what is shown is what is sent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote

from pydantic import JsonValue

from middlewatch.records import ActionResult, ActionSpec, Inspection, Order, Scalar, Undo
from middlewatch.records.errors import Refused

REQUEST = "<digest of this request>"
"""Stands in a plan for the order's digest, which names the execution at the other end."""

CONFIGURED = "configuration"
"""In every target's version: a digest of the settings that decide where a call goes. Who changes them voids what was approved."""


@dataclass(frozen=True, slots=True)
class Step:
    """One call or command that changes something, in full."""

    method: str
    """Of HTTP; `EXEC` for a command of this machine."""
    place: str
    """Scheme, host and the configured part of the path; `unix:` and the path of a socket; empty for a command."""
    path: str
    """What follows the place, with every name in it percent-encoded."""
    body: JsonValue = None
    content_type: str = "application/json"

    def __str__(self) -> str:
        """The line that people approve: ASCII without control characters, whatever stands in a name."""
        separator = " " if self.place.startswith("unix:") else ""
        sent = () if self.body is None else (*((self.content_type,) if self.method != "EXEC" else ()), canonical(self.body))
        where = f"{self.place}{separator}{self.path}"
        return " ".join((self.method, *((where,) if where else ()), *sent)).encode("ascii", "backslashreplace").decode("ascii")


def segment(name: str) -> str:
    """A name as one segment of a path.

    Raises:
        Refused: it is one that leads elsewhere even when it is encoded.
    """
    if name in {"", ".", ".."}:
        raise Refused("This is not a name that anything can have.")
    return quote(name, safe="")


def canonical(body: JsonValue) -> str:
    """JSON as it is sent and as it is shown: keys in order, no spaces, ASCII."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


class Action(Protocol):
    """One entry of the catalogue, as far as the configuration alone tells."""

    @property
    def spec(self) -> ActionSpec: ...

    def checked(self, target: str, parameters: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """The parameters with their defaults.

        Raises:
            Refused: the target does not offer the action, or a parameter is not one of its schema or not of this target.
        """
        ...

    def plan(self, target: str, parameters: Mapping[str, Scalar], version: Mapping[str, Scalar]) -> tuple[str, ...]:
        """What would run, in full, one line a step. Pure. What is known only at the moment of execution stands in `<>`."""
        ...


class Executable(Protocol):
    """One action on one target, with a connection to what does it. Only the executor has these."""

    def inspect(self, parameters: Mapping[str, Scalar]) -> Inspection:
        """Look at the target: its version, and whether the precondition holds. Reads only.

        Raises:
            Unavailable: the other end does not answer now; what it refuses for good is a `problem` of the inspection.
        """
        ...

    def run(self, order: Order) -> ActionResult:
        """Do it, at most once per order, if the target's version is still the approved one.

        Returns:
            `done` where the other end has taken it on, `not_done` where nothing was sent or it was refused, `unknown` where it was
            sent and no clear answer came. Nothing is tried again.
        """
        ...

    def probe(self, order: Order) -> ActionResult:
        """Look whether the order was carried out. Reads only; may be asked at any time, by another process, after a crash.

        Returns:
            `done` where its effect is there; `not_done` where it never happened, or happened and failed for good; `unknown` while
            it is under way, and where nobody can tell.
        """
        ...

    def undo(self, order: Order) -> Undo | None:
        """What takes it back, out of the order alone; None where nothing does."""
        ...
