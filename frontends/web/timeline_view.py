"""What happened when: one lane for whoever or whatever did something, all on one axis with the chart below them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from middlewatch.frontends import quantity
from middlewatch.frontends.reading import count
from middlewatch.frontends.web.axis import Axis, around
from middlewatch.frontends.wording import RECOVERY_WORDS, Wording
from middlewatch.records import (
    AgentName,
    AnomalyKind,
    ApprovalRequest,
    Event,
    Evidence,
    Handling,
    Onset,
    Report,
    RequestState,
    Snapshot,
)

_CHARACTER = 1.2
"""Width of a character of a label in per cent of the track at its narrowest (536 px, 12 px type); chosen a little wide."""
_GAP = 1.2
"""Between a mark and its label, in per cent."""
_LEAST_LABEL = 16
"""Characters: of less nobody can guess the rest."""
_STRETCHES = frozenset({"window", "pending"})
"""Their labels stand inside them."""
_LANES = (
    "Alert",
    "Changes",
    "Metrics agent",
    "Log agent",
    "Trace agent",
    "Deploy agent",
    "Answer",
    "People",
    "Approvals",
    "Actions",
)
_OF_AGENT = dict(zip((AgentName.METRICS, AgentName.LOGS, AgentName.TRACES, AgentName.DEPLOYS), _LANES[2:6], strict=True))
_LIVE_SECONDS = 3600.0
"""What middlewatch and people did stands on the axis only so soon after the alert; else the fault would be a dot."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One thing on a lane."""

    lane: str
    kind: str
    """window, work, pending, change, alert or point; says the shape, and the words say the meaning."""
    start: datetime
    words: str
    end: datetime | None = None
    href: str = ""
    left: float = 0.0
    width: float = 0.0
    flipped: bool = False
    """The label stands to the left of it."""
    label: str = ""
    """The words, cut to the room that there is; empty where there is too little: shown with the pointer then, and listed."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One row."""

    name: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A line through all lanes."""

    kind: str
    left: float
    words: str
    flipped: bool


@dataclass(frozen=True, slots=True)
class Timeline:
    """The lanes, the lines through them, and the same as a list by time."""

    axis: Axis
    lanes: tuple[Lane, ...]
    lines: tuple[Line, ...]
    moments: tuple[Mark, ...]
    """Everything by time: for phones and for those who listen."""
    onset: tuple[float, float] | None
    """Left edge and width of the interval that the onset lies in."""
    note: str
    """What is not on the axis, in words."""


def timeline_view(
    snapshot: Snapshot, events: Sequence[Event], requests: Sequence[ApprovalRequest], handling: Handling, now: datetime
) -> Timeline:
    """The timeline of an investigation, as far as it is known."""
    found, report = snapshot.investigation, snapshot.report
    alert = found.alert
    words = Wording(report) if report is not None else None
    live = not found.scope.recording and (now - alert.detected_at).total_seconds() < 24 * _LIVE_SECONDS
    telling = [*_seen(snapshot, words)]
    doing = [*_worked(snapshot, events), *_decided(requests), *_handled(handling, found.closed_at)]
    near = [mark for mark in doing if live and (mark.start - alert.detected_at).total_seconds() <= _LIVE_SECONDS]
    onset = report.onset if report is not None else None
    moments = [alert.detected_at, alert.window_end, *([onset.earliest] if onset else [])]
    moments += [mark.start for mark in telling if mark.kind == "window"] + [mark.end or mark.start for mark in near]
    axis = around(_without_far([*moments], alert.detected_at))
    placed = [_placed(mark, axis) for mark in (*telling, *near) if axis.holds(mark.start) or (mark.end and axis.holds(mark.end))]
    return Timeline(
        axis=axis,
        lanes=tuple(Lane(name, _legible([m for m in placed if m.lane == name])) for name in _LANES if _has(placed, name)),
        lines=_lines(axis, onset, _blamed(placed, report), now if live else None),
        moments=tuple(sorted((*telling, *doing), key=lambda mark: mark.start)),
        onset=None if onset is None else (axis.left(onset.earliest), axis.left(onset.latest) - axis.left(onset.earliest)),
        note=_note(snapshot, left_out=bool(doing) and not near),
    )


def _seen(snapshot: Snapshot, words: Wording | None) -> Iterator[Mark]:
    """What telemetry shows: the alert, changes, and the stretch that each agent's strongest fact is of."""
    alert = snapshot.investigation.alert
    symptom = f" of {alert.symptom.service}" if alert.symptom else ""
    yield Mark("Alert", "alert", alert.detected_at, f"alert{symptom}")
    facts = [fact for fact in snapshot.evidence if fact.anomaly.onset is not None]
    for fact in facts:
        if fact.anomaly.kind is AnomalyKind.CHANGE:
            yield Mark("Changes", "change", _began(fact), fact.anomaly.in_short, href=f"#{fact.id}")
    for agent, lane in _OF_AGENT.items():
        own = [fact for fact in facts if fact.agent is agent and fact.anomaly.kind is not AnomalyKind.CHANGE]
        own = sorted((fact for fact in own if fact.anomaly.strength > 0), key=lambda fact: -fact.anomaly.strength)
        if own:
            first = own[0]
            what = words.what(first, named=True) if words else first.anomaly.in_short
            values = quantity.factor(first.anomaly.factor, first.anomaly.baseline, first.anomaly.observed)
            more = f", and {count(len(own) - 1, 'more fact')}" if len(own) > 1 else ""
            yield Mark(lane, "window", _began(first), f"{what} {values}".strip() + more, first.anomaly.window.end, f"#{first.id}")


def _worked(snapshot: Snapshot, events: Sequence[Event]) -> Iterator[Mark]:
    """When each agent worked, and when there was an answer."""
    begun: dict[str, datetime] = {}
    for event in events:
        agent, task = event.data.get("agent"), str(event.data.get("task"))
        if event.data.get("task_kind") != "investigate" or agent not in set(_OF_AGENT):
            continue
        if event.kind == "task.claimed":
            begun[task] = event.at
        elif event.kind == "task.finished" and task in begun:
            own = sum(fact.agent == agent for fact in snapshot.evidence)
            seconds = (event.at - begun[task]).total_seconds()
            words = f"{quantity.duration(seconds)}, {count(own, 'fact')}"
            yield Mark(_OF_AGENT[AgentName(str(agent))], "work", begun[task], words, event.at)
    if snapshot.report is not None:
        report = snapshot.report
        yield Mark("Answer", "point", report.closed_at, f"{report.outcome}, {quantity.percent(report.confidence)} sure")


def _decided(requests: Sequence[ApprovalRequest]) -> Iterator[Mark]:
    for request in requests:
        what = f"{request.remediation.action} on {request.remediation.target}"
        href = f"/approvals/{request.id}"
        over = request.approvals[-1].at if request.approvals else None
        if request.state in {RequestState.PENDING, RequestState.PREPARING} and request.bound is not None:
            yield Mark("Approvals", "pending", request.created_at, f"{what}: waits", request.bound.expires_at, href)
        else:
            yield Mark("Approvals", "point", over or request.created_at, f"{what}: {request.state}", href=href)
        done = request.execution
        if done is not None:
            yield Mark("Actions", "work", done.began_at, f"{what}: {request.state}", done.ended_at or done.began_at, href)
            if done.recovered_at is not None and done.recovery is not None:
                yield Mark("Actions", "point", done.recovered_at, RECOVERY_WORDS[done.recovery], href=href)


def _handled(handling: Handling, _closed_at: datetime | None) -> Iterator[Mark]:
    if handling.acknowledged_at is not None:
        yield Mark("People", "point", handling.acknowledged_at, f"{handling.acknowledged_by} acknowledged it")
    for step in handling.handovers:
        if step.to != step.by or step.at != handling.acknowledged_at:
            yield Mark(
                "People", "point", step.at, f"{step.by} gave it to {step.to}" if step.to != step.by else f"{step.by} took it"
            )


def _began(fact: Evidence) -> datetime:
    assert fact.anomaly.onset is not None  # noqa: S101  the caller chose those
    return fact.anomaly.onset.at


def _placed(mark: Mark, axis: Axis) -> Mark:
    left = axis.left(mark.start)
    width = 0.0 if mark.end is None else round(max(0.0, axis.left(mark.end) - left), 2)
    free = 100 - left - (width if mark.kind == "work" else 0)
    return replace(mark, left=left, width=width, flipped=len(mark.words) * _CHARACTER + _GAP > free and left > free)


def _legible(marks: list[Mark]) -> tuple[Mark, ...]:
    """The marks of a lane in order, each with what fits of its words between the marks and labels beside it."""
    ordered = sorted(marks, key=lambda mark: mark.left)
    shown: list[Mark] = []
    taken = 0.0  # as far as marks and labels before reach
    for number, mark in enumerate(ordered):
        edge = mark.left + mark.width
        begins = (edge if mark.kind == "work" else mark.left) + _GAP
        following = ordered[number + 1].left if number + 1 < len(ordered) else 100.0
        if mark.flipped:
            room = mark.left - _GAP - taken
        else:
            room = max(following, edge if mark.kind in _STRETCHES else 0.0) - begins if taken <= mark.left + _GAP else 0.0
        label = _cut(mark.words, int(room / _CHARACTER))
        taken = max(taken, edge, begins + len(label) * _CHARACTER if label and not mark.flipped else 0.0)
        shown.append(replace(mark, label=label))
    return tuple(shown)


def _cut(words: str, most: int) -> str:
    if len(words) <= most:
        return words
    return words[: most - 1].rstrip() + "…" if most >= _LEAST_LABEL else ""


def _lines(axis: Axis, onset: Onset | None, changes: list[Mark], now: datetime | None) -> tuple[Line, ...]:
    lines = [Line("deploy", change.left, "", flipped=False) for change in changes]
    if onset is not None:
        left = axis.left(onset.at)
        lines.append(Line("onset", left, f"onset {quantity.clock(onset.at, onset.at.date())}", flipped=left > 80))  # noqa: PLR2004  per cent
    if now is not None and axis.holds(now):
        lines.append(Line("now", axis.left(now), "now", flipped=True))
    return tuple(lines)


def _blamed(marks: list[Mark], report: Report | None) -> list[Mark]:
    """The changes that the finding blames: a line for each of forty deploys would be a fence."""
    blamed = {f"#{cause.change}" for cause in report.causes} if report is not None else set()
    return [mark for mark in marks if mark.kind == "change" and mark.href in blamed]


def _without_far(moments: list[datetime], alert: datetime) -> list[datetime]:
    """A fact that began hours before the alert does not squeeze the rest into a corner: two hours is as far as the axis goes."""
    return [moment for moment in moments if abs((moment - alert).total_seconds()) <= 2 * _LIVE_SECONDS] or [alert]


def _has(marks: list[Mark], lane: str) -> bool:
    return any(mark.lane == lane for mark in marks)


def _note(snapshot: Snapshot, *, left_out: bool) -> str:
    found = snapshot.investigation
    if not left_out or found.opened_at is None:
        return ""
    return f"The investigation itself ran at {quantity.stamp(found.opened_at)} UTC, which is not on this axis."
