"""The typed, read-only tools that agents, other programs and models share: one definition of each.

A tool is a name, a description, a record of arguments, a record of results, and a function that reads and changes nothing. The
tenant is the application's and never the caller's; what is read of an investigation ends where its window does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from middlewatch.records import Chart, Record, Waterfall
from middlewatch.records.question import Asked, PatternsAnswer

if TYPE_CHECKING:
    from middlewatch.records import Snapshot


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool."""

    name: str
    title: str
    description: str
    arguments: type[Record]
    result: type[Record]
    run: Callable[[Toolbox, Any], Record]
    """(toolbox, arguments) -> result."""


class Toolbox:
    """The tools over the telemetry of one tenant."""

    def __init__(self, snapshot: Callable[[str], Snapshot]) -> None:
        self._snapshot = snapshot

    @property
    def tools(self) -> Mapping[str, Tool]:
        """Every tool by its name."""
        return {}

    def call(self, name: str, arguments: Mapping[str, JsonValue]) -> Record:
        """Run a tool with arguments as they came from outside. The answer is redacted.

        Raises:
            BadInput: there is no such tool, the arguments do not fit, or the window is nonsense.
            UnknownInvestigation: there is none.
            Unavailable: the source does not answer.
            BoundExceeded: the question costs more than one query may.
        """
        raise NotImplementedError

    def chart_of(self, investigation: str, evidence: str | None = None) -> Chart:
        """The course of what a fact of an investigation is about; of its strongest fact that has one where none is named.

        Where nothing can be drawn (a change, telemetry that is gone), the chart is empty and its `reason` says why.

        Raises:
            BadInput: the investigation has no such fact.
            UnknownInvestigation: there is none.
        """
        raise NotImplementedError

    def trace_of(self, investigation: str, *, evidence: str | None = None, trace: str | None = None) -> Waterfall:
        """One request as a waterfall: the trace that is named, else the sample of the fact, else of the strongest fact with one.

        Raises:
            BadInput: the investigation has no such fact.
            UnknownInvestigation: there is none.
        """
        raise NotImplementedError

    def patterns_of(self, investigation: str, *, services: tuple[str, ...] = (), limit: int = 20) -> PatternsAnswer:
        """Log patterns before and after the onset of an investigation, those first whose rate changed most.

        Raises:
            UnknownInvestigation: there is none.
        """
        raise NotImplementedError


__all__ = ["Asked", "Tool", "Toolbox"]
