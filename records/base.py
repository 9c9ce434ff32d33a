"""The base of every record, and the types that records share."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, StringConstraints, model_validator

DEFAULT_TENANT = "default"

Tenant = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
"""Who the data belongs to. Lower case and without braces, so that it is safe inside a Redis hash tag."""

Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$")]
"""An id that middlewatch makes; never text from telemetry, alerts or models."""


class _Quoting:
    """Marks text that middlewatch wrote, and in which the text of others stands only as a quotation."""


QUOTING = _Quoting()
Sentence = Annotated[str, QUOTING]
"""A sentence or two by middlewatch. What telemetry, alerts, models or people wrote stands in it only in quotation marks, and has
none itself; so whoever passes it on can tell the two apart. Prose by others is no `Sentence`."""


def _utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        message = "the time is too early or too late to be written in UTC"
        raise ValueError(message) from None


UtcDatetime = Annotated[AwareDatetime, AfterValidator(_utc)]
"""A timezone-aware instant, normalised to UTC."""


class Record(BaseModel):
    """A frozen value. Unknown fields are refused, so that a misspelt one is an error and not a silence."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Window(Record):
    """A half-open span of time, ``start <= t < end``, in UTC."""

    start: UtcDatetime
    end: UtcDatetime

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.end <= self.start:
            message = f"a window must end after it starts, and {self.end.isoformat()} is not after {self.start.isoformat()}"
            raise ValueError(message)
        return self

    @property
    def seconds(self) -> float:
        return (self.end - self.start).total_seconds()

    def contains(self, moment: datetime) -> bool:
        return self.start <= moment < self.end


class Scope(Record):
    """Whose telemetry is read: a tenant's live telemetry (``recording`` empty) or one of its imported recordings.

    Every query filters on both, so two recordings of one tenant never mix.
    """

    tenant: Tenant
    recording: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{0,80}$")] = ""


def digest_of(*parts: object) -> str:
    """Hexadecimal SHA-256 of the parts' canonical JSON: the same parts give the same digest in every process."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=str, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
