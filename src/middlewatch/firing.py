"""What a message makes of an alert's latest occurrence: a new one, the same one counted, a flap, or its end."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from middlewatch.records import LONGEST_TEXT, AlertMessage, AlertStatus, Occurrence, UtcDatetime, digest_of
from middlewatch.records.quoting import cut

FLAP_SECONDS: Final = 300.0
"""An alert that fires again so soon after it was resolved is one occurrence that flaps. Chosen, not derived: the usual group
interval of Alertmanager, within which it tells nobody that an alert came and went either."""
LATE_SECONDS: Final = 60.0
"""So long after the end of an occurrence a message of the same beginning is a late repeat. Chosen: senders repeat in seconds."""
TELL_OF_BOTH: Final = frozenset({"pagerduty", "opsgenie"})
"""Kinds of senders that tell of each change of an alert once: where it fires after it was acknowledged, nobody has it any more.
Others say again and again that it fires, whoever has it."""
BLIP: Final = "it was resolved before an investigation was opened"
UNHEARD: Final = "it was resolved before it was heard of"


def bounded(message: AlertMessage) -> AlertMessage:
    """The message with texts of a length that can be kept and shown."""
    labels, annotations = (
        {cut(k, LONGEST_TEXT): cut(v, LONGEST_TEXT) for k, v in texts.items()} for texts in (message.labels, message.annotations)
    )
    return message.model_copy(update={"labels": labels, "annotations": annotations})


def told(was: Occurrence | None, message: AlertMessage, now: UtcDatetime) -> Occurrence:
    """The occurrence that a message is about, after it.

    Args:
        was: the alert's latest one; None where there is none.
        message: what the sender says.
        now: by the store's clock.
    """
    if was is None:
        return _new(None, message, now)
    if message.status is AlertStatus.RESOLVED:
        return _resolved(was, message, now)
    if was.resolved_at is not None:
        return _again(was, was.resolved_at, message, now)
    return _counted(was, message, now)


def _again(was: Occurrence, resolved_at: UtcDatetime, message: AlertMessage, now: UtcDatetime) -> Occurrence:
    seconds = (now - resolved_at).total_seconds()
    if message.status is AlertStatus.ACKNOWLEDGED or (seconds <= LATE_SECONDS and _is_of_before(was, message)):
        return was.model_copy(update={"messages": was.messages + 1, "last_at": now})
    if seconds > FLAP_SECONDS:
        return _new(was, message, now)
    held = "" if was.held in {BLIP, UNHEARD} else was.held
    return _counted(was, message, now).model_copy(update={"resolved_at": None, "flaps": was.flaps + 1, "held": held})


def _new(before: Occurrence | None, message: AlertMessage, now: UtcDatetime) -> Occurrence:
    over = message.status is AlertStatus.RESOLVED
    # The time is of the id, as the one before may be forgotten: nothing that is kept of that one is this one's.
    parts = (message.tenant, message.sender, message.fingerprint, before.id if before else "", now.isoformat())
    return Occurrence(
        id=f"occ-{digest_of(*parts)[:16]}",
        message=message,
        first_at=now,
        last_at=now,
        resolved_at=now if over else None,
        acknowledged_at=now if message.status is AlertStatus.ACKNOWLEDGED else None,
        before=before.id if before else None,
        held=UNHEARD if over else "",
    )


def _resolved(was: Occurrence, message: AlertMessage, now: UtcDatetime) -> Occurrence:
    if was.resolved_at is not None or (message.ended_at is not None and message.ended_at < was.message.started_at):
        return was.model_copy(update={"messages": was.messages + 1, "last_at": now})  # a late word of what was over before
    undecided = was.investigation is None and not was.held
    return _counted(was, message, now).model_copy(update={"resolved_at": now, "held": BLIP if undecided else was.held})


def _counted(was: Occurrence, message: AlertMessage, now: UtcDatetime) -> Occurrence:
    new = {"message": message, "messages": was.messages + 1, "last_at": now}
    return was.model_copy(update={**new, "acknowledged_at": _acknowledged_at(was, message, now)})


def _acknowledged_at(was: Occurrence, message: AlertMessage, now: UtcDatetime) -> UtcDatetime | None:
    if message.status is AlertStatus.FIRING and message.kind in TELL_OF_BOTH:
        return None
    return was.acknowledged_at or (now if message.status is AlertStatus.ACKNOWLEDGED else None)


def _is_of_before(was: Occurrence, message: AlertMessage) -> bool:
    """Whether it says again that fires what was said to be over: senders repeat what they saw no answer to."""
    ended = was.message.ended_at
    return ended is not None and message.started_at == was.message.started_at < ended


def is_undecided(one: Occurrence) -> bool:
    """Whether nothing was opened for it, and nobody said why."""
    return one.investigation is None and not one.held


def earliest(one: Occurrence, *, at_most: timedelta) -> UtcDatetime:
    """Since when it fires, by the sender; not after it was heard of, and at most so long before."""
    return max(min(one.message.started_at, one.first_at), one.first_at - at_most)
