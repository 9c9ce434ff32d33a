"""What a sender tells of one change, before it is known whose it is; and how its parts are read, whatever they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

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
    """A time as senders write it: ISO 8601, GitLab's with a blank before the offset, or seconds or milliseconds since 1970.

    What cannot be read is now: the message came now, and that is near enough to look for its effect.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        seconds = value / 1000 if value > 1e11 else value  # noqa: PLR2004  in seconds, that is the year 5138
        return _at(seconds) or now
    written = text(value).strip()
    for form in ("%Y-%m-%d %H:%M:%S %z", "%Y-%m-%d %H:%M:%S UTC"):
        try:
            found = datetime.strptime(written, form)  # noqa: DTZ007  the zone is in it, or said to be UTC
            return _utc(found) or now
        except ValueError:
            continue
    try:
        return _utc(datetime.fromisoformat(written)) or now
    except ValueError:
        return now


def _utc(value: datetime) -> datetime | None:
    try:
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
    except (OverflowError, ValueError):
        return None


def _at(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None
