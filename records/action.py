"""Actions: what the catalogue offers, what is found out about a target before one is approved, and what came of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, JsonValue, StringConstraints

from middlewatch.records.base import Identifier, Record, Sentence, Tenant, UtcDatetime, digest_of
from middlewatch.records.cause import CauseKind
from middlewatch.records.telemetry import ChangeKind

ActionName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
"""The exact name of an entry of the catalogue. Names match whole, never by a prefix."""

Scalar = str | int | float | bool
"""What a parameter or a piece of a target's version may be."""


class RiskTier(StrEnum):
    """How dangerous an action is; decides who may approve it."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def level(self) -> int:
        """0 for the lowest tier; tiers compare by this, never by their names."""
        return list(RiskTier).index(self)

    @classmethod
    def at(cls, level: int) -> RiskTier:
        """The tier of a level; the nearest one where there is none of it."""
        return list(cls)[max(0, min(level, len(cls) - 1))]


class ActionSpec(Record):
    """One entry of the catalogue, as people and the gateway see it. Its digest is part of what an approval is bound to."""

    id: ActionName
    title: str = Field(description="in the imperative, such as 'Roll back a deploy'")
    tier: RiskTier = Field(description="the base tier; policy and low confidence may change it")
    parameters_schema: dict[str, JsonValue] = Field(description="JSON schema of the parameters")
    blast_radius: str = Field(description="what is touched while it runs, in words")
    precondition: str = Field(description="what must hold before it may start, in words")
    effect: str = Field(description="how it is known that it worked, in words")
    undo: ActionName | None = Field(default=None, description="the action that takes it back; null where nothing does")
    undoes: tuple[ChangeKind, ...] = Field(default=(), description="kinds of recorded changes that it takes back")
    mends: tuple[CauseKind, ...] = Field(default=(), description="kinds of causes that it relieves where no change is blamed")

    @property
    def digest(self) -> str:
        """SHA-256 over the whole entry."""
        return digest_of(self.model_dump(mode="json"))


class Inspection(Record):
    """What the executor found out about a target before anybody is asked. Reading changes nothing."""

    version: dict[str, Scalar] = Field(
        default_factory=dict, description="what the approval is bound to: an action begins only where it is still the same"
    )
    problem: str = Field(default="", description="why the action cannot be done, in words; empty where it can")
    notes: tuple[Sentence, ...] = Field(default=(), description="what a person should know of the target as it is, in words")


class Order(Record):
    """What the executor is to do: an approved request, as an adapter sees it."""

    tenant: Tenant
    request: Identifier
    digest: str = Field(description="of the approved request; names this execution at the other end, so that it is done once")
    action: ActionName
    target: str
    parameters: dict[str, Scalar] = Field(default_factory=dict)
    version: dict[str, Scalar] = Field(default_factory=dict, description="of the target, as it was approved")
    since: UtcDatetime | None = Field(
        default=None, description="by the store's clock: when the request was made, so nothing of it is older; null where not known"
    )


class Result(StrEnum):
    """What came of an execution, as far as can be known."""

    DONE = "done"
    NOT_DONE = "not_done"
    UNKNOWN = "unknown"


class ActionResult(Record):
    """What an adapter says of an execution. `unknown` where a request was sent and no answer came: never tried again blindly."""

    result: Result
    detail: Sentence = Field(default="", description="one sentence")
    reference: str = Field(default="", description="what to look for at the other end: a ticket's address, a revision, a run")


class Undo(Record):
    """The action that takes an execution back."""

    action: ActionName
    parameters: dict[str, Scalar] = Field(default_factory=dict)


class PastAction(Record):
    """An earlier execution of the same action, and what came of it."""

    request: Identifier
    target: str
    at: UtcDatetime
    outcome: str = Field(description="in words, such as 'recovered after 310 s', 'no effect' or 'failed'")
    recovered: bool
