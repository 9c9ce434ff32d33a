"""What kind of cause a service is suspected of, and what shows it."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from middlewatch.records.base import Identifier, Record
from middlewatch.records.evidence import AnomalyKind


class CauseKind(StrEnum):
    """What went wrong in the service."""

    SATURATION = "saturation"
    DEPENDENCY = "dependency"
    NETWORK = "network"
    CODE = "code"
    CONFIGURATION = "configuration"
    LOAD = "load"
    DATA = "data"
    INFRASTRUCTURE = "infrastructure"
    UNKNOWN = "unknown"


class KindChance(Record):
    """One kind of cause and how likely it is, given that the service is the cause."""

    kind: CauseKind
    detail: str = Field(
        default="",
        description="which resource; of code `exception`, `wrong_result` or `slow_path`; of data `lag` or `poison_message`",
    )
    probability: float = Field(ge=0.0, le=1.0)


class Cause(Record):
    """The likeliest kind of cause of one service, with the fact that shows it, and the other kinds that it may be."""

    kind: CauseKind
    detail: str = Field(default="", description="as in `alternatives`; empty where the telemetry does not say more")
    probability: float = Field(ge=0.0, le=1.0, description="that the kind is right, given that the service is the cause")
    why: str = Field(description="one sentence")
    shown_by: AnomalyKind | None = Field(default=None, description="what `subject` is; null where no fact shows the kind")
    subject: str = Field(default="", description="the operation, log pattern, metric or change that shows it")
    instance: str = Field(default="", description="the instance that shows it, where it is not all of them")
    evidence: tuple[Identifier, ...] = Field(default=(), description="ids of the facts that it follows from")
    alternatives: tuple[KindChance, ...] = Field(default=(), description="the other kinds, most likely first")
