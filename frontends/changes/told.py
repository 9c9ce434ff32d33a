"""What a sender tells of one change, before it is known whose it is; and how its parts are read, whatever they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from middlewatch.frontends.intake import delivery
from middlewatch.records import ChangeKind

MOST: Final = 200
"""Changes, events or files of one message that are looked at."""
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """One change."""

    reference: str
    """The sender's own id of it."""
    time: datetime
    kind: ChangeKind
    called: Mapping[str, str]
    """What the sender calls the thing that was changed, by name, the most telling first; rules match these."""
    version: str = ""
    actor: str = ""
    description: str = ""
    url: str = ""
    region: str = ""
    cluster: str = ""


@dataclass(frozen=True, slots=True)
class Heard:
    """What one message tells."""

    changes: tuple[Told, ...] = ()
    ignored: tuple[str, ...] = field(default=())
    """What is no change, and why, in words."""


def table(value: object, *names: str) -> Json:
    """A table, or the one at the end of these names in it; empty where there is none."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def rows(value: object) -> list[Json]:
    """The tables of a list, the first `MOST`."""
    return [row for row in value[:MOST] if isinstance(row, dict)] if isinstance(value, list) else []


def text(value: object) -> str:
    """A text, or a number as one; empty where it is something else. What UTF-8 cannot hold is replaced."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return ""
    try:
        return str(value).encode("utf-8", "replace").decode()
    except ValueError:  # a number with more digits than Python prints
        return ""


def moment(value: object, now: datetime) -> datetime:
    """A time as senders write it.

    What cannot be read is now: the message came now, and that is near enough to look for its effect.
    """
    try:
        return delivery.moment(value) or now
    except ValueError:
        return now
