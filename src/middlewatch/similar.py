"""Earlier investigations that are like one, and what came of them.

Alike is a plain order, without weights: the same cause (service and kind), then the same service as the cause, then the same
alarming metric of the same service, then the same alarming service, then the same kind of cause elsewhere; newest first in each.
A cause counts where the earlier investigation found one, not where it guessed. Only headlines are compared, so that a thousand of
them take no longer than a page may.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Final

from pydantic import Field

from middlewatch.records import (
    ActionName,
    ApprovalRequest,
    Feedback,
    Handling,
    Headline,
    Identifier,
    Investigation,
    Outcome,
    Record,
    Recovery,
    RequestState,
    Symptom,
    UtcDatetime,
)

MOST_COMPARED: Final = 1000
"""Investigations that are looked at, the newest. Chosen: years of one team's."""
SEEN_DAYS: Final = 30
"""How far back the same symptom is counted."""


class Likeness(StrEnum):
    """In what an earlier investigation is like this one, the most telling first."""

    SAME_CAUSE = "same_cause"
    """The same service, and the same kind of cause."""
    SAME_SERVICE = "same_service"
    """The same service as the cause."""
    SAME_METRIC = "same_metric"
    """The same metric of the same service alarmed."""
    SAME_SYMPTOM = "same_symptom"
    """The same service alarmed."""
    SAME_KIND = "same_kind"
    """The same kind of cause in another service."""


class Tried(Record):
    """An action that was put to people in an earlier investigation."""

    request: Identifier
    action: ActionName
    target: str
    state: RequestState
    recovery: Recovery | None = Field(default=None, description="whether the symptom went away; null where it was not executed")
    recovered_at: UtcDatetime | None = None


class Earlier(Record):
    """One earlier investigation."""

    investigation: Identifier
    likeness: Likeness
    title: str = Field(description="of its alert")
    symptom: Symptom | None = None
    detected_at: UtcDatetime
    headline: Headline
    feedback: tuple[Feedback, ...] = Field(default=(), description="what people said of its answer")
    tried: tuple[Tried, ...] = Field(default=(), description="what was done about it, as far as it was asked for")


class Precedents(Record):
    """What an investigation can be compared with."""

    earlier: tuple[Earlier, ...] = Field(description="the most alike first, of one likeness the newest first")
    seen: int = Field(ge=0, description="earlier investigations of the same symptom in the 30 days before; 0 where it has none")
    looked_at: int = Field(ge=0, description="how many earlier investigations were compared")


class Similar:
    """Finds precedents."""

    def __init__(
        self,
        investigations: Callable[[int], Sequence[Investigation]],
        handlings: Callable[[Sequence[str]], Mapping[str, Handling]],
        requests: Callable[[], Sequence[ApprovalRequest]],
    ) -> None:
        """Prefer `App.similar`.

        Args:
            investigations: at most so many, newest first.
            handlings: what people said of some.
            requests: what people were asked to decide.
        """
        self._investigations = investigations
        self._handlings = handlings
        self._requests = requests

    def to(self, this: Investigation, *, limit: int) -> Precedents:
        """The investigations before one that are most like it."""
        before = [other for other in self._investigations(MOST_COMPARED) if _earlier(other, this)]
        order = list(Likeness)
        alike = [(likeness, other) for other in before if (likeness := _likeness(other, this)) is not None]
        alike.sort(key=lambda pair: (order.index(pair[0]), -pair[1].alert.detected_at.timestamp(), pair[1].id))
        chosen = alike[: max(0, limit)]
        said = self._handlings([other.id for _, other in chosen])
        tried = self._tried({other.id for _, other in chosen})
        return Precedents(
            earlier=tuple(_told(likeness, other, said[other.id], tried[other.id]) for likeness, other in chosen),
            seen=len({other.alert.digest for other in before if _same_symptom_lately(other, this)}),
            looked_at=len(before),
        )

    def _tried(self, investigations: set[str]) -> Mapping[str, list[ApprovalRequest]]:
        tried: dict[str, list[ApprovalRequest]] = defaultdict(list)
        if investigations:
            for request in self._requests():
                if request.remediation.investigation in investigations:
                    tried[request.remediation.investigation].append(request)
        return tried


def _earlier(other: Investigation, this: Investigation) -> bool:
    """Whether it is of another occurrence, and was there before this one."""
    if other.id == this.id or other.alert.digest == this.alert.digest:
        return False
    if other.opened_at is None or this.opened_at is None:
        return other.alert.detected_at <= this.alert.detected_at
    return other.opened_at <= this.opened_at


def _likeness(other: Investigation, this: Investigation) -> Likeness | None:
    """In what they are alike; None where they are not, or nothing came of the other."""
    theirs, ours = other.headline, this.headline
    if theirs is None:
        return None
    found = theirs.outcome is Outcome.FINDING and ours is not None
    same_service = found and ours is not None and theirs.service == ours.service != ""
    same_kind = found and ours is not None and theirs.cause is not None and theirs.cause == ours.cause
    then, now = other.alert.symptom, this.alert.symptom
    alarmed = then is not None and now is not None and then.service == now.service
    checks = {
        Likeness.SAME_CAUSE: same_service and same_kind,
        Likeness.SAME_SERVICE: same_service,
        Likeness.SAME_METRIC: alarmed and then is not None and then.metric is not None and then == now,
        Likeness.SAME_SYMPTOM: alarmed,
        Likeness.SAME_KIND: same_kind,
    }
    return next((likeness for likeness in Likeness if checks[likeness]), None)


def _same_symptom_lately(other: Investigation, this: Investigation) -> bool:
    ago = this.alert.detected_at - other.alert.detected_at
    return this.alert.symptom is not None and other.alert.symptom == this.alert.symptom and ago <= timedelta(days=SEEN_DAYS)


def _told(likeness: Likeness, other: Investigation, said: Handling, tried: Sequence[ApprovalRequest]) -> Earlier:
    assert other.headline is not None  # noqa: S101  only those with one are alike
    return Earlier(
        investigation=other.id,
        likeness=likeness,
        title=other.alert.title,
        symptom=other.alert.symptom,
        detected_at=other.alert.detected_at,
        headline=other.headline,
        feedback=said.feedback,
        tried=tuple(_done(request) for request in tried),
    )


def _done(request: ApprovalRequest) -> Tried:
    execution = request.execution
    return Tried(
        request=request.id,
        action=request.remediation.action,
        target=request.remediation.target,
        state=request.state,
        recovery=execution.recovery if execution else None,
        recovered_at=execution.recovered_at if execution else None,
    )
