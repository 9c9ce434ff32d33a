"""What Slack is told of the severity of an investigation: who is to know, and that nobody answered in time."""

from __future__ import annotations

from collections.abc import Sequence

from middlewatch.frontends import quantity
from middlewatch.frontends.reading import count
from middlewatch.frontends.slack.blocks import Content, Element, Part, fit, mention, notification, paragraph, words
from middlewatch.records import Rating

_TO_ALL = frozenset({"here", "channel", "everyone"})


def alerts_line(rating: Rating | None, alerts: int, *, called: bool) -> str:
    """How severe it is, until when somebody must answer who is called for it, and how many alerts it is about, on one line."""
    deadline = f", acknowledge by {quantity.stamp(rating.respond_by)} UTC" if rating and called else ""
    told = [f"{rating.severity}{deadline}"] if rating else []
    return "; ".join([*told, *([count(alerts, "alert")] if alerts else [])])


def mentions(tell: Sequence[str]) -> tuple[Element, ...]:
    """Those of whom `services.toml` says that they are told; the file is checked, so each is somebody or a group."""
    names = (one.removeprefix("slack:") for one in tell if one.startswith("slack:"))
    return tuple(map(_mentioned, names))


def severity_message(rating: Rating, told: Sequence[Element]) -> Content:
    """Those are told who want to know of incidents that are so severe."""
    text = f"{rating.severity}: acknowledge by {quantity.stamp(rating.respond_by)} UTC. {' '.join(rating.reasons)}"
    return _message(text, told)


def unanswered_message(rating: Rating, told: Sequence[Element]) -> Content:
    """Nobody acknowledged it in time."""
    return _message(f"Nobody has acknowledged this {rating.severity} by {quantity.stamp(rating.respond_by)} UTC.", told)


def _message(text: str, told: Sequence[Element]) -> Content:
    elements = [element for one in told for element in (one, words(" "))]
    return Content(notification(text), fit([Part((paragraph(*elements, words(text, most=1500)),))]))


def _mentioned(name: str) -> Element:
    if name in _TO_ALL:
        return {"type": "broadcast", "range": name}
    return mention(name) if name[0] in "UW" else {"type": "usergroup", "usergroup_id": name}
