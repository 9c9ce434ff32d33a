"""What each action takes. The models are the schemas that people see, and nothing else of a request becomes part of a call."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

LARGEST_STEP = 100
"""Instances that one request may add or take away; chosen, not derived. The target's own bounds are usually tighter."""

INSTANCE = r"^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$"
"""The name of an instance: at most 253 characters, as a pod's name, a host name or a process's name is made of."""


class Parameters(BaseModel):
    """No parameter is converted from another type, and an unknown one is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class NoParameters(Parameters):
    """The target says it all."""


class InstanceParameters(Parameters):
    """One instance of the target."""

    instance: str = Field(pattern=INSTANCE, description="the exact name of one running instance")


class ScaleParameters(Parameters):
    """How many instances more or fewer."""

    by: int = Field(default=1, ge=1, le=LARGEST_STEP, description="instances; the target's bounds hold as well")


class FlagParameters(Parameters):
    """A feature flag and its value."""

    flag: str = Field(min_length=1, max_length=128, description="one of the flags that the target is configured with")
    value: bool


class TrafficParameters(Parameters):
    """A share of the traffic."""

    percent: int = Field(ge=0, le=100, description="of the traffic; 0 sends all of it through again")


class TicketParameters(Parameters):
    """What the ticket is about besides the target."""

    investigation: str = Field(
        default="", pattern=r"^(?:[A-Za-z0-9][A-Za-z0-9._:-]{0,127})?$", description="id of the investigation that it follows from"
    )
