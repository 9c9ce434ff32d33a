"""What a policy file may say: the shape of its entries. What one entry has to do with another is looked at in `checks`.

Unknown keys are mistakes everywhere: a misspelt one must never weaken anything in silence.
"""

from __future__ import annotations

import hashlib
import itertools
from datetime import datetime, time
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    Strict,
    StringConstraints,
    model_validator,
)

from middlewatch.approval.policy.windows import LONGEST_DAYS, Window, instants
from middlewatch.records import RiskTier, Role

EVERY = "*"
"""In the place of a list of names. Such a rule can only tighten."""
MOST_SEATS = 4
"""Of one requirement. Chosen, not derived: more than anybody can wake in an outage."""
LONGEST_DEADLINE_MINUTES = 24 * 60
LONGEST_LIFE_MINUTES = 60
"""Chosen, not derived: longer, and what was approved is not what is there any more."""
YEARS = range(2000, 2200)
"""That a date of a window may lie in, so that clocks can count around it."""
PERSON = "principal:"
"""Before the id of a principal, where a role could stand as well."""
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

Flag = Annotated[bool, Strict()]
Minutes = Annotated[float, Strict(), Field(gt=0)]
Share = Annotated[float, Strict(), Field(ge=0, le=1)]
PersonId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
"""Without a colon, which the parts of middlewatch have in their names."""
SeatText = Annotated[str, StringConstraints(pattern=r"^(member|lead|manager|principal:[A-Za-z0-9][A-Za-z0-9._-]{0,62})$")]


def _names(value: object) -> object:
    if value == EVERY:
        return [EVERY]
    if not isinstance(value, list) or not value:
        raise ValueError('a list of exact names, such as ["checkout"], or "*" for every one')
    if EVERY in value:
        raise ValueError('"*" stands alone, without the brackets')
    return value


def _different(value: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(value)) < len(value):
        raise ValueError("names something twice")
    return value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError("not a time zone that this machine knows; write it like Europe/Stockholm") from None
    return value


Zone = Annotated[str, AfterValidator(_zone)]
"""A time zone that this machine knows."""


def _moment(value: object) -> datetime | time:
    if isinstance(value, datetime):
        if value.tzinfo is not None:
            raise ValueError("write the local time without an offset; `zone` says where")
        if value.year not in YEARS:
            raise ValueError(f"the year must lie between {YEARS[0]} and {YEARS[-1]}")
        return value
    if isinstance(value, time):
        return value
    raise ValueError("a local date and time such as 2026-12-20T18:00:00, or with `days` a time of the day such as 18:00:00")


def _token_digest(value: str) -> str:
    if value == hashlib.sha256().hexdigest():
        raise ValueError("is the digest of an empty token")
    return value


Texts = AfterValidator(_different)
ActionNames = Annotated[
    tuple[Annotated[str, StringConstraints(pattern=r"^(\*|[a-z][a-z0-9_]{0,62})$")], ...], BeforeValidator(_names), Texts
]
TargetNames = Annotated[tuple[Annotated[str, StringConstraints(min_length=1, max_length=256)], ...], BeforeValidator(_names), Texts]
TokenDigest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$"), AfterValidator(_token_digest)]
Moment = Annotated[datetime | time, PlainValidator(_moment)]


class Entry(BaseModel):
    """A table of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class PrincipalEntry(Entry):
    """``[principals.ID]``."""

    name: str = Field(default="", max_length=200)
    role: Role
    active: Flag = True
    slack: Annotated[tuple[Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{1,32}/[A-Z0-9]{1,32}$")], ...], Texts] = ()
    token_sha256: Annotated[tuple[TokenDigest, ...], Texts] = ()
    oidc: Annotated[tuple[Annotated[str, StringConstraints(pattern=r"^https?://[^|\s]{1,400}\|[^\s|]{1,255}$")], ...], Texts] = ()
    local: Annotated[tuple[Annotated[str, StringConstraints(pattern=r"^[^\s:/]{1,64}$")], ...], Texts] = ()
    break_glass_sha256: Annotated[tuple[TokenDigest, ...], Texts] = ()
    sole_operator: Annotated[tuple[RiskTier, ...], Texts] = ()
    decides_over_mcp: Flag = False

    @property
    def identities(self) -> dict[str, tuple[str, ...]]:
        """By the key that they stand under."""
        return {"slack": self.slack, "token_sha256": self.token_sha256, "oidc": self.oidc, "local": self.local}


class ApprovalsEntry(Entry):
    """``{ all_of = [...] }`` or ``{ any_of = [...] }``: AND and OR are written out, never implied."""

    all_of: Annotated[tuple[SeatText, ...], Field(min_length=1, max_length=MOST_SEATS)] | None = None
    any_of: Annotated[tuple[SeatText, ...], Field(min_length=1, max_length=MOST_SEATS), Texts] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.all_of is None) is (self.any_of is None):
            raise ValueError("write either all_of or any_of")
        named = [seat for seat in self.seats if seat.startswith(PERSON)]
        if len(set(named)) < len(named):
            raise ValueError("one person cannot take two seats")
        return self

    @property
    def quantifier(self) -> Literal["all_of", "any_of"]:
        return "any_of" if self.all_of is None else "all_of"

    @property
    def seats(self) -> tuple[str, ...]:
        return self.all_of or self.any_of or ()


class StepEntry(Entry):
    """A step of an escalation."""

    after_minutes: Annotated[float, Strict(), Field(ge=0)]
    ask: Annotated[tuple[SeatText, ...], Field(min_length=1, max_length=MOST_SEATS), Texts]


class TermsEntry(Entry):
    """``[tiers.TIER]``, and what a rule can say in its place."""

    deadline_minutes: Annotated[Minutes, Field(le=LONGEST_DEADLINE_MINUTES)] | None = None
    life_minutes: Annotated[Minutes, Field(le=LONGEST_LIFE_MINUTES)] | None = None
    approvals: ApprovalsEntry | None = None
    escalation: tuple[StepEntry, ...] | None = None
    reason_required: Flag | None = None
    least_modalities: Annotated[int, Strict(), Field(ge=0, le=4)] | None = None
    least_confidence: Share | None = None

    @model_validator(mode="after")
    def _rising(self) -> Self:
        times = [step.after_minutes for step in self.escalation or ()]
        if any(later <= earlier for earlier, later in itertools.pairwise(times)):
            raise ValueError("the steps of an escalation come one after the other")
        return self


class RuleEntry(TermsEntry):
    """``[[rules]]``: what holds for named actions on named targets, or more strictly for every one."""

    actions: ActionNames
    targets: TargetNames
    tier: RiskTier | None = None
    tier_at_least: RiskTier | None = None
    trust_after: Annotated[int, Strict(), Field(ge=1, le=1000)] | None = None
    allowed: Flag = True

    @property
    def tightens(self) -> bool:
        """Whether it is for every action or every target, and so may only tighten."""
        return EVERY in {*self.actions, *self.targets}

    @model_validator(mode="after")
    def _only_tightens(self) -> Self:
        said = self.model_fields_set - {"actions", "targets"}
        if not said:
            raise ValueError("says nothing about them")
        if self.tightens:
            loosening = said - {"tier_at_least", "allowed", "reason_required", "least_modalities", "least_confidence"}
            if loosening:
                keys = ", ".join(sorted(loosening))
                raise ValueError(f'a rule with "*" may only tighten, and cannot have {keys}; name actions and targets')
            if self.reason_required is False or (self.allowed and "allowed" in said):
                raise ValueError('a rule with "*" may only tighten; leave out what would loosen')
        if self.tier is not None and self.tier_at_least is not None:
            raise ValueError("has both tier and tier_at_least; the first one is enough")
        return self

    @model_validator(mode="after")
    def _ends_in_time(self) -> Self:
        if self.escalation:
            if self.deadline_minutes is None:
                raise ValueError("an escalation needs deadline_minutes beside it")
            if self.escalation[-1].after_minutes >= self.deadline_minutes:
                raise ValueError("the last step of the escalation must come before the deadline")
        return self

    def covers(self, action: str, target: str) -> bool:
        return bool({EVERY, action} & {*self.actions}) and bool({EVERY, target} & {*self.targets})


class WindowEntry(Entry):
    """``[[freezes]]`` or ``[[maintenance]]``."""

    name: str = Field(min_length=1, max_length=100)
    reason: str = Field(default="", max_length=500)
    targets: TargetNames
    zone: Zone
    days: Annotated[tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...], Field(min_length=1), Texts] | None = None
    begins: Moment = Field(alias="from")
    ends: Moment = Field(alias="to")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        kinds = {isinstance(self.begins, datetime), isinstance(self.ends, datetime)}
        if self.days is None and kinds != {True}:
            raise ValueError("without `days`, from and to are local dates with times, such as 2026-12-20T18:00:00")
        if self.days is not None and kinds != {False}:
            raise ValueError("with `days`, from and to are times of the day, such as 18:00:00")
        if isinstance(self.begins, datetime) and isinstance(self.ends, datetime):
            zone = ZoneInfo(self.zone)
            begin, end = instants(self.begins, zone)[0], instants(self.ends, zone)[1]
            if end <= begin:
                raise ValueError("it ends before it begins")
            if (end - begin).days > LONGEST_DAYS:
                raise ValueError("it is longer than a year; check the dates")
        return self

    @property
    def window(self) -> Window:
        """What the calendar works with."""
        return Window(
            name=self.name,
            reason=self.reason,
            zone=ZoneInfo(self.zone),
            targets=None if EVERY in self.targets else frozenset(self.targets),
            begins=self.begins,
            ends=self.ends,
            days=frozenset(DAYS.index(day) for day in self.days or ()),
        )


class AutoEntry(Entry):
    """``[auto]``."""

    info: Flag = True


class ConfidenceEntry(Entry):
    """``[confidence]``."""

    raise_below: Share = 0.66
    """Chosen, not derived: what the IPCC's scale, which reports use, calls likely (Mastrandrea et al. 2010, table 1)."""
