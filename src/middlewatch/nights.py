"""What a team's own nights were like: how long each step took, how often an answer was wrong, and who was woken for nothing.

Pure: from what the store and the archive have of investigations, handling, requests and alerts. Nothing that nobody knows is
counted as 0, or left out in silence: every figure says for how many it is unknown.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Literal

from pydantic import Field

from middlewatch.alerts import SHORTEST_WINDOW_SECONDS
from middlewatch.firing import earliest
from middlewatch.intervals import Share
from middlewatch.opening import BY_HAND, LONGEST_AGO, SOURCE
from middlewatch.records import (
    ApprovalRequest,
    Handling,
    Identifier,
    Investigation,
    InvestigationState,
    Occurrence,
    Outcome,
    Record,
    Recovery,
    RequestState,
    UtcDatetime,
    Verdict,
)

WEEK: Final = timedelta(days=7)
MOST_WEEKS: Final = 52
OBJECTIVE: Final = 0.05
"""Of findings, the share that may be wrong (the owner's figure)."""
LEAST: Final = 20
"""Answers with feedback from which on the objective is judged. Among fewer, a single wrong one is more than 5 %."""
SKEW: Final = timedelta(minutes=1)
"""By which the clock of a sender may run ahead: what is earlier than the alert by no more took no time; by more, it is not known.
Chosen, not derived."""
_MOMENT: Final = timedelta(seconds=5)
"""Between somebody's question and the investigation. Chosen."""


class Step(StrEnum):
    """What is timed, from the alert's start on, in the order in which it mostly comes."""

    DETECT = "detect"
    """Until the investigation was opened."""
    ACKNOWLEDGE = "acknowledge"
    """Until somebody said that they have it, here or at the sender."""
    CAUSE = "cause"
    """Until the report, where it names a cause."""
    MITIGATE = "mitigate"
    """Until an action was done: executed here, or told by a person to have happened."""
    RESOLVE = "resolve"
    """Until the symptom was seen to be gone or all alerts were resolved; or, before that, somebody stopped the investigation."""


class Night(Record):
    """One investigation, as it went."""

    investigation: Identifier
    title: str = Field(description="of its alert, as the sender or telemetry has it")
    service: str = Field(description="that alarmed; empty where it is not known")
    opened_at: UtcDatetime
    page: bool = Field(description="whether an alert opened it; a person asked otherwise")
    outcome: Outcome | None = Field(default=None, description="null until there is a report, and where it was cancelled")
    verdict: Verdict | None = Field(default=None, description="the last word of feedback on it")
    acted: bool = Field(description="whether an action was executed")
    touched: bool = Field(description="whether an action was executed, or anybody took it or said anything of it")
    seconds: dict[Step, float | None] = Field(description="from the alert's start; null where it did not happen or nobody knows")


class Figure(Record):
    """How long a step took. Of the investigations that it is known for, half took no longer than the median."""

    known: int = Field(ge=0, description="for how many it is known")
    unknown: int = Field(ge=0, description="for how many it is not: it did not happen, or nobody said so")
    median_seconds: float | None = None
    p90_seconds: float | None = Field(default=None, description="nine of ten took no longer; by nearest rank, so it is one of them")


class Group(Record):
    """Some investigations together."""

    investigations: int = Field(ge=0)
    pages: int = Field(ge=0, description="that an alert opened")
    without_action: int = Field(ge=0, description="pages for which no action was executed")
    untouched: int = Field(ge=0, description="of those, pages that nobody took or said anything of either")
    steps: dict[Step, Figure]


class Week(Group):
    """Seven days."""

    start: UtcDatetime


class ServiceNights(Group):
    """Of the service that alarmed."""

    service: str = Field(description="empty where it is not known")


class Standing(StrEnum):
    """How the objective stands."""

    TOO_FEW = "too_few"
    KEPT = "kept"
    MISSED = "missed"


class FalsePositives(Record):
    """How often a finding was wrong, by those who know by now: an objective of middlewatch itself."""

    findings: int = Field(ge=0, description="answers that name a cause")
    wrong: Share = Field(description="those found wrong, of the findings with feedback; partly right is not wrong")
    objective: float = Field(default=OBJECTIVE, description="wrong ones may be no more than this share")
    least: int = Field(default=LEAST, description="findings with feedback from which on it is judged")

    @property
    def standing(self) -> Standing:
        """Whether the objective is kept, by what was counted."""
        share = self.wrong.share
        if share is None or self.wrong.of < self.least:
            return Standing.TOO_FEW
        return Standing.KEPT if share <= self.objective else Standing.MISSED

    @property
    def certain(self) -> bool:
        """Whether the whole interval is on one side of the objective."""
        return self.wrong.interval.high <= self.objective or self.wrong.interval.low > self.objective


class Nights(Record):
    """All of it, of some weeks."""

    format: Literal["middlewatch.nights/v1"] = "middlewatch.nights/v1"
    start: UtcDatetime
    end: UtcDatetime
    whole: Group
    false_positives: FalsePositives
    standing: Standing = Field(description="of the objective for false positives")
    weeks: tuple[Week, ...] = Field(description="newest first; each of seven days, the newest ends at `end`")
    services: tuple[ServiceNights, ...] = Field(description="those with the most pages first")
    nights: tuple[Night, ...] = Field(description="newest first")
    recorded: int = Field(default=0, ge=0, description="investigations of recordings, which are left out: they were no nights")
    cut: bool = Field(default=False, description="whether there are more investigations than are looked at: older ones are missing")

    @property
    def pages_a_week(self) -> float:
        """On average over the weeks."""
        return self.whole.pages / len(self.weeks)


def night(
    investigation: Investigation, handling: Handling, requests: Sequence[ApprovalRequest], alerts: Sequence[Occurrence]
) -> Night:
    """What is known of one investigation that was opened.

    Args:
        investigation: of live telemetry.
        handling: what people did with it.
        requests: that were made of it.
        alerts: that it shows.
    """
    assert investigation.opened_at is not None  # noqa: S101  the caller looked
    done = [one.execution for one in requests if one.execution is not None and one.state is RequestState.SUCCEEDED]
    began, heard = _began(investigation, alerts)
    outcome = investigation.headline.outcome if investigation.headline else None
    resolved = _resolved(investigation, alerts, [one.recovered_at for one in done if one.recovery is Recovery.RECOVERED])
    moments: dict[Step, datetime | None] = {
        Step.DETECT: investigation.opened_at if heard else None,
        Step.ACKNOWLEDGE: _first([handling.acknowledged_at, *(one.at for one in handling.handovers), *_acknowledged(alerts)]),
        Step.CAUSE: investigation.closed_at if outcome is Outcome.FINDING else None,
        Step.MITIGATE: _first(one.ended_at or one.began_at for one in done),
        Step.RESOLVE: resolved,
    }
    last = max(handling.feedback, key=lambda one: one.at, default=None)
    return Night(
        investigation=investigation.id,
        title=investigation.alert.title,
        service=investigation.alert.symptom.service if investigation.alert.symptom else "",
        opened_at=investigation.opened_at,
        page=investigation.alert.source == SOURCE,
        outcome=outcome,
        verdict=last.verdict if last else None,
        acted=bool(done),
        touched=bool(done or last) or moments[Step.ACKNOWLEDGE] is not None,
        seconds={step: _since(began, moment) for step, moment in moments.items()},
    )


def _began(investigation: Investigation, alerts: Sequence[Occurrence]) -> tuple[datetime, bool]:
    """When it began to be noticed, and whether that is known: who asks about this moment does not say since when it is so."""
    opened = investigation.opened_at
    assert opened is not None  # noqa: S101  see above
    if investigation.alert.source == BY_HAND:  # it is of alerts that were noticed before
        return opened, False
    before = [one for one in alerts if one.first_at <= opened]
    if before:
        return min(earliest(one, at_most=LONGEST_AGO) for one in before), True
    said = investigation.alert.detected_at
    known = opened - said > timedelta(seconds=SHORTEST_WINDOW_SECONDS) + _MOMENT
    return (said, True) if known else (opened, False)


def _acknowledged(alerts: Iterable[Occurrence]) -> list[datetime | None]:
    """When somebody had each for the first time, whoever has it now; what was kept earlier has one time only."""
    return [one.first_acknowledged_at or one.acknowledged_at for one in alerts]


def _resolved(investigation: Investigation, alerts: Sequence[Occurrence], recovered: Iterable[datetime | None]) -> datetime | None:
    over = [one.resolved_at for one in alerts if one.resolved_at is not None]
    all_over = max(over) if over and len(over) == len(alerts) else None
    stopped = investigation.closed_at if investigation.state is InvestigationState.CANCELLED else None
    return _first([all_over, stopped, *recovered])


def _first(moments: Iterable[datetime | None]) -> datetime | None:
    return min((one for one in moments if one is not None), default=None)


def _since(began: datetime, moment: datetime | None) -> float | None:
    if moment is None or began - moment > SKEW:
        return None
    return max(0.0, round((moment - began).total_seconds(), 3))


def summed(nights: Iterable[Night], *, end: UtcDatetime, weeks: int, recorded: int = 0, cut: bool = False) -> Nights:
    """The figures of so many weeks up to a moment.

    Args:
        nights: those outside of these weeks do not count.
        end: the moment.
        weeks: one at least.
        recorded: how many were left out because they are of recordings.
        cut: whether older ones are missing.
    """
    start = end - weeks * WEEK
    inside = sorted((one for one in nights if start <= one.opened_at < end), key=lambda one: (one.opened_at, one.investigation))
    inside.reverse()
    starts = [end - number * WEEK for number in range(1, weeks + 1)]
    of_week = _by(inside, lambda one: starts[min(weeks - 1, (end - one.opened_at - timedelta.resolution) // WEEK)])
    of_service = _by(inside, lambda one: one.service)
    services = [ServiceNights(service=name, **_group(rows)) for name, rows in of_service.items()]
    judged = [one for one in inside if one.outcome is Outcome.FINDING]
    said = [one for one in judged if one.verdict is not None]
    wrong = FalsePositives(findings=len(judged), wrong=Share.counted(sum(one.verdict is Verdict.WRONG for one in said), len(said)))
    return Nights(
        start=start,
        end=end,
        whole=Group(**_group(inside)),
        false_positives=wrong,
        standing=wrong.standing,
        weeks=tuple(Week(start=at, **_group(of_week.get(at, []))) for at in starts),
        services=tuple(sorted(services, key=lambda one: (-one.pages, -one.investigations, one.service))),
        nights=tuple(inside),
        recorded=recorded,
        cut=cut,
    )


def _by(nights: Iterable[Night], key: Callable[[Night], object]) -> Mapping[object, list[Night]]:
    found: defaultdict[object, list[Night]] = defaultdict(list)
    for one in nights:
        found[key(one)].append(one)
    return found


def _group(nights: Sequence[Night]) -> dict[str, Any]:
    pages = [one for one in nights if one.page]
    return {
        "investigations": len(nights),
        "pages": len(pages),
        "without_action": sum(not one.acted for one in pages),
        "untouched": sum(not one.touched for one in pages),
        "steps": {step: figure([one.seconds.get(step) for one in nights]) for step in Step},
    }


def figure(seconds: Sequence[float | None]) -> Figure:
    """The median and the ninth of ten of what is known."""
    known = sorted(one for one in seconds if one is not None)
    if not known:
        return Figure(known=0, unknown=len(seconds))
    rank = math.ceil(9 * len(known) / 10)
    return Figure(
        known=len(known),
        unknown=len(seconds) - len(known),
        median_seconds=round(statistics.median(known), 3),
        p90_seconds=known[rank - 1],
    )
