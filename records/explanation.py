"""How a cause explains a symptom: the path between them, in which order it happened, and which facts belong together."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field, model_validator

from middlewatch.records.base import Identifier, Record, Sentence
from middlewatch.records.evidence import Onset


class OnsetOrder(StrEnum):
    """Whether the cause began before its effects."""

    CONSISTENT = "consistent"
    CONTRADICTED = "contradicted"
    UNKNOWN = "unknown"


class PathStep(Record):
    """One service on the way from the cause to the symptom."""

    service: str
    onset: Onset | None = Field(default=None, description="when its trouble began; null where no fact says so")
    evidence: Identifier | None = Field(default=None, description="the fact that shows the trouble; null where there is none")


class Correlation(Record):
    """Facts of other agents about the same service or call that began when this one did."""

    evidence: Identifier
    correlated: tuple[Identifier, ...]


class Explanation(Record):
    """How a hypothesis explains what was seen."""

    path: tuple[PathStep, ...] = Field(
        description="from the cause to the symptom along calls; the cause alone where nothing connects them"
    )
    reaches_symptom: bool = Field(description="whether the path ends at the service that alarmed; false also where none is known")
    order: OnsetOrder = Field(
        description="whether the onsets along the path are in the order of the path, as far as their intervals tell"
    )
    remarks: tuple[Sentence, ...] = Field(default=(), description="what speaks against the path, in words")
    correlations: tuple[Correlation, ...] = ()


class FoundCause(Record):
    """One cause that the finding names. Several only where none of them explains the others."""

    service: str
    hypothesis: Identifier
    confidence: float = Field(ge=0.0, le=1.0, description="probability that this service is a true cause")
    by_rules: float | None = Field(
        default=None,
        ge=0.0,
        le=1.0,
        description="the same by rules alone, 0 where they name another service; null where language models made no difference",
    )
    evidence: tuple[Identifier, ...] = Field(
        default=(), description="ids of the facts about the service that no other cause explains, changes left out"
    )
    change: Identifier | None = Field(
        default=None,
        description="evidence id of the change of this service that is more likely than not the trigger; null where none is",
    )

    @property
    def enough_to_act(self) -> float:
        """The confidence that tiers and floors of policy go by: no language model makes it higher."""
        return self.confidence if self.by_rules is None else min(self.confidence, self.by_rules)

    @model_validator(mode="before")
    @classmethod
    def _without_undo(cls, data: object) -> object:
        """Reports that were stored before only what is to be undone was named say `undo` as well."""
        return {key: value for key, value in data.items() if key != "undo"} if isinstance(data, dict) else data
