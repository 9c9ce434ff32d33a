"""The seam to the catalogue of actions, as the gateway sees it: what may be proposed, and what exactly would run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from middlewatch.records import ActionSpec, Anomaly, Scalar


class Catalogue(Protocol):
    """Every action there is. Names match whole."""

    def spec(self, action: str) -> ActionSpec:
        """An entry.

        Raises:
            Refused: there is none of this name.
        """
        ...

    def offers(self, target: str) -> tuple[str, ...]:
        """The actions that can be done to a target as the operator configured it; none for a target that nobody configured."""
        ...

    def checked(self, action: str, target: str, parameters: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """The parameters with their defaults, if the action takes them and the target allows it.

        Raises:
            Refused: no such action, the target does not offer it, or a parameter is not one of its schema.
        """
        ...

    def plan(self, action: str, target: str, parameters: Mapping[str, Scalar], version: Mapping[str, Scalar]) -> tuple[str, ...]:
        """What would run, in full, one line a step: a pure function of its arguments and the configuration."""
        ...

    def parameters_to_undo(self, action: str, target: str, change: Anomaly) -> dict[str, Scalar] | None:
        """What undoing a recorded change takes, out of the configuration alone; None where the action does not undo this one."""
        ...
