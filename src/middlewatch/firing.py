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
    if _is_older(message, was.message):
        return _late(was, now)
    if message.status is AlertStatus.RESOLVED:
        return _resolved(was, message, now)
    if was.resolved_at is not None:
        return _again(was, was.resolved_at, message, now)
    return _counted(was, message, now)


def _again(was: Occurrence, resolved_at: UtcDatetime, message: AlertMessage, now: UtcDatetime) -> Occurrence:
    seconds = (now - resolved_at).total_seconds()
    has = message.status is AlertStatus.ACKNOWLEDGED
    if not _is_newer(message, was.message) and (has or (seconds <= LATE_SECONDS and _is_of_before(was, message))):
        return _late(was, now)
    if seconds > FLAP_SECONDS:
        return _new(was, message, now)
    held = "" if was.held in {BLIP, UNHEARD} else was.held
    new = {"resolved_at": None, "flaps": was.flaps + 1, "held": held}
    whose = _had_since(was, now if has else None, now)  # whoever had it thought it over
    return _counted(was, message, now).model_copy(update=new | whose)


def _new(before: Occurrence | None, message: AlertMessage, now: UtcDatetime) -> Occurrence:
    over = message.status is AlertStatus.RESOLVED
    has = now if message.status is AlertStatus.ACKNOWLEDGED else None
    taken = before is not None and before.acknowledged_at is not None and has is None
    # The time is of the id, as the one before may be forgotten: nothing that is kept of that one is this one's.
    parts = (message.tenant, message.sender, message.fingerprint, before.id if before else "", now.isoformat())
    return Occurrence(
        id=f"occ-{digest_of(*parts)[:16]}",
        message=message,
        first_at=now,
        last_at=now,
        resolved_at=now if over else None,
        acknowledged_at=has,
        first_acknowledged_at=has,
        given_up_at=now if taken else None,
        before=before.id if before else None,
        held=UNHEARD if over else "",
    )


def _resolved(was: Occurrence, message: AlertMessage, now: UtcDatetime) -> Occurrence:
    if was.resolved_at is not None or (message.ended_at is not None and message.ended_at < was.message.started_at):
        return _late(was, now)  # a word of what was over before
    undecided = was.investigation is None and not was.held
    return _counted(was, message, now).model_copy(update={"resolved_at": now, "held": BLIP if undecided else was.held})


def _counted(was: Occurrence, message: AlertMessage, now: UtcDatetime) -> Occurrence:
    whole = message if message.severity else message.model_copy(update={"severity": was.message.severity})
    new = {"message": whole, "messages": was.messages + 1, "last_at": now}
    return was.model_copy(update=new | _had_since(was, _acknowledged_at(was, message, now), now))


def _late(was: Occurrence, now: UtcDatetime) -> Occurrence:
    return was.model_copy(update={"messages": was.messages + 1, "last_at": now})


def _acknowledged_at(was: Occurrence, message: AlertMessage, now: UtcDatetime) -> UtcDatetime | None:
    """That it fires is said again and again, whoever has it: only that nobody has it any more says so."""
    match message.status:
        case AlertStatus.ACKNOWLEDGED:
            return was.acknowledged_at or now
        case AlertStatus.UNACKNOWLEDGED:
            return None
    return was.acknowledged_at


def _had_since(was: Occurrence, since: UtcDatetime | None, now: UtcDatetime) -> dict[str, UtcDatetime | None]:
    """What is kept of who has it at its sender, where somebody has it since then; None where nobody has."""
    return {
        "acknowledged_at": since,
        "first_acknowledged_at": was.first_acknowledged_at or was.acknowledged_at or since,
        "given_up_at": now if since is None and was.acknowledged_at is not None else was.given_up_at,
    }


def _is_older(message: AlertMessage, than: AlertMessage) -> bool:
    """Whether it is of before what was said already: what could not be delivered is sent again later."""
    return message.said_at is not None and than.said_at is not None and message.said_at < than.said_at


def _is_newer(message: AlertMessage, than: AlertMessage) -> bool:
    """Whether it is known to be of after what was said last: nobody takes what is over, so it fires anew."""
    return message.said_at is not None and than.said_at is not None and message.said_at > than.said_at


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
