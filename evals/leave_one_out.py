"""How well a global constant does where it was not chosen: every system is judged with the value that is best for the others."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module

from pydantic import Field

from middlewatch.evals.ablation import is_right
from middlewatch.evals.assessments import Assessed, predicted
from middlewatch.records import AgentName, Record
from middlewatch.records.errors import BadInput

Figures = Mapping[str, float]
"""By system; larger is better."""


class LeftOut(Record):
    """One system, judged with what the others chose."""

    system: str
    chosen: float = Field(description="the value with the best mean over the other systems; the first of equals")
    reached: float = Field(description="the figure of this system with that value")
    present: float = Field(description="the figure with the value that the product has")
    best: float = Field(description="what the value that is best for it would reach: the difference is what choosing was worth")


def leave_one_out(figures: Mapping[float, Figures]) -> tuple[LeftOut, ...]:
    """Judge every system with the value that the others would choose.

    Args:
        figures: what each candidate value reaches on each system, the present value first; at least two systems.
    """
    systems = tuple(next(iter(figures.values())))
    return tuple(
        LeftOut(
            system=system,
            chosen=(chosen := max(figures, key=lambda value: statistics.fmean(figures[value][s] for s in systems if s != system))),
            reached=figures[chosen][system],
            present=next(iter(figures.values()))[system],
            best=max(each[system] for each in figures.values()),
        )
        for system in systems
    )


def share_right(incidents: Sequence[Assessed]) -> Figures:
    """The share of each system's moments that the vote answers rightly: the truth, or nothing where nothing was wrong."""
    right: dict[str, list[bool]] = {}
    for incident in incidents:
        right.setdefault(incident.system, []).append(is_right(incident, predicted(incident, tuple(AgentName))))
    return {system: statistics.fmean(each) for system, each in right.items()}


def squared_error(incidents: Sequence[Assessed]) -> Figures:
    """Minus the mean squared error of each system's confidence in what stands first, inconclusive answers included."""
    errors: dict[str, list[float]] = {}
    for incident in incidents:
        answer = predicted(incident, tuple(AgentName))
        given = answer.model_copy(update={"inconclusive": False})
        right = incident.label.root_cause_service is not None and is_right(incident, given)
        errors.setdefault(incident.system, []).append((answer.confidence - right) ** 2)
    return {system: -statistics.fmean(each) for system, each in errors.items()}


@dataclass(frozen=True, slots=True)
class Judged:
    """A global constant of the vote, and what its candidates are judged by."""

    name: str
    values: tuple[float, ...]
    """Candidates; the present value is added in front."""
    measure: Callable[[Sequence[Assessed]], Figures]
    in_words: str


JUDGED = (
    Judged(
        "agents.voting.SHARE_TEMPERATURE",
        (0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0),
        squared_error,
        "squared error of the confidence, with a minus",
    ),
    Judged(
        "agents.voting.LEAST_CONFIDENCE", (0.1, 0.2, 0.3, 0.35, 0.4, 0.5, 0.6), share_right, "share of moments answered rightly"
    ),
)
"""The constants of the vote that were chosen by looking at results."""


def judge(judged: Judged, incidents: Sequence[Assessed]) -> dict[float, Figures]:
    """What each candidate reaches on every system, the present value first."""
    figures: dict[float, Figures] = {}
    for value in (present(judged.name), *judged.values):
        if value not in figures:
            with constant(judged.name, value):
                figures[value] = judged.measure(incidents)
    return figures


def present(name: str) -> float:
    """The value of a constant of the package, such as `agents.voting.SHARE_TEMPERATURE`.

    Raises:
        BadInput: there is no such number.
    """
    module_name, _, attribute = name.rpartition(".")
    try:
        value = getattr(import_module(f"middlewatch.{module_name}"), attribute)
    except (ImportError, AttributeError):
        value = None
    if isinstance(value, int | float):
        return float(value)
    raise BadInput(f"{name} is no number of the package.", remedy="Name one like agents.voting.SHARE_TEMPERATURE.")


@contextmanager
def constant(name: str, value: float) -> Iterator[None]:
    """Set a constant of the package for as long as the block runs.

    Raises:
        BadInput: there is no such number.
    """
    before = present(name)
    module_name, _, attribute = name.rpartition(".")
    module = import_module(f"middlewatch.{module_name}")
    setattr(module, attribute, value)
    try:
        yield
    finally:
        setattr(module, attribute, before)
