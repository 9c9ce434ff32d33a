"""Numbers, times and names as they stand in one-line summaries.

Names come from telemetry and are hostile text: they appear only as quotations, without control characters.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta

from middlewatch.records.quoting import quoted

__all__ = ["clock", "duration", "listed", "quantity", "quoted"]

_PLAIN_UNIT = re.compile(r"[A-Za-z%][A-Za-z0-9%/.]{0,15}|1/[a-z]{1,3}")


def quantity(value: float, unit: str = "") -> str:
    """A number in three significant digits with its unit, such as ``0.31 s``.

    The unit of a plain count, an annotation in braces (both as in UCUM, https://ucum.org) and anything that does not look like a
    unit are left out.
    """
    number = _number(value)
    return f"{number} {unit}" if unit and _PLAIN_UNIT.fullmatch(unit) else number


def clock(moment: datetime) -> str:
    """A time of day, such as ``02:03:15 UTC``."""
    return f"{moment.astimezone(UTC):%H:%M:%S} UTC"


def duration(span: timedelta) -> str:
    """A length of time in its two largest units that matter to a reader, such as ``40 s``, ``14 min`` or ``2 h 5 min``."""
    seconds = abs(round(span.total_seconds()))
    if seconds < 120:  # noqa: PLR2004  up to two minutes, seconds read better
        return f"{seconds} s"
    minutes = round(seconds / 60)
    if minutes < 120:  # noqa: PLR2004  up to two hours, minutes read better
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def listed(names: list[str], most: int = 5) -> str:
    """Names as quotations, the first `most` of them, and how many more there are."""
    shown = ", ".join(quoted(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _number(value: float) -> str:
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    if digits > 6 or abs(value) >= 1e15:  # noqa: PLR2004  six decimals, and five groups of digits, are the most that read well
        return f"{value:.2e}"
    rounded = round(value, digits)
    return f"{rounded:,.0f}" if digits == 0 else f"{rounded:.{digits}f}".rstrip("0").rstrip(".")
