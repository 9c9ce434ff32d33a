"""Alerts and severities in words, alike in every face. Of senders' texts they quote `held` alone, as faces quote all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from middlewatch.frontends import quantity
from middlewatch.frontends.reading import count
from middlewatch.records import Occurrence, Rating


def state_words(one: Occurrence) -> str:
    """Whether it fires."""
    if one.resolved_at is not None:
        return "resolved"
    return "acknowledged at the sender" if one.acknowledged_at else "fires"


def state_word(one: Occurrence) -> str:
    """The same in one word."""
    return state_words(one).partition(" ")[0]


def services_words(one: Occurrence, named: Callable[[str], str]) -> str:
    """All services that it is about, each as a face names it; empty where it is about none that is known."""
    return " and ".join(map(named, one.services))


def course_words(one: Occurrence) -> str:
    """How often it was told of, and when."""
    told = f"{count(one.messages, 'message')}, first {quantity.stamp(one.first_at)} UTC"
    if one.messages > 1:
        told += f", last {quantity.clock(one.last_at, one.first_at.date())}"
    if one.flaps:
        told += f"; came back {count(one.flaps, 'time')} right after it was resolved"
    if one.resolved_at is not None:
        told += f"; resolved {quantity.clock(one.resolved_at, one.first_at.date())}"
    return told


def place_words(one: Occurrence) -> str:
    """What became of it."""
    if one.investigation is not None:
        also = f", shown in {', '.join(one.also)} as well" if one.also else ""
        return f"in {one.investigation}{also}"
    return f"held: {one.held}" if one.held else "is being sorted"


def deadline_words(rating: Rating, now: datetime, *, answered: bool, called: bool) -> str:
    """Until when somebody must respond; empty where nobody is called for it."""
    if not called:
        return ""
    by = f"{quantity.stamp(rating.respond_by)} UTC"
    if answered:
        return "somebody has acknowledged it"
    left = (rating.respond_by - now).total_seconds()
    if left <= 0:
        return f"nobody acknowledged it by {by}, {quantity.duration(-left)} ago" if left < -1 else f"nobody acknowledged it by {by}"
    return f"acknowledge it by {by}, in {quantity.duration(left)}"


def severity_words(rating: Rating, now: datetime, *, answered: bool, called: bool) -> str:
    """How severe it is, and until when somebody must respond."""
    deadline = deadline_words(rating, now, answered=answered, called=called)
    return f"{rating.severity}: {deadline}" if deadline else rating.severity
