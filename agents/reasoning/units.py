"""Units of numbers in prose and in telemetry: what each measures, and how much of it."""

from __future__ import annotations

import re
from typing import Final

UNSAID: Final = "?"
"""What a unit measures that means several things, or nothing that middlewatch measures: `90k`, `3m`, `5 dollars`."""
FACTOR, SHARE, TIME, BYTES = "factor", "share", "time", "bytes"
PER_TIME: Final = "/time"
"""Behind what is counted or measured, where it is so much a second."""

_WORDS_LEAST: Final = 3
"""Letters from which on case does not matter: `Ms` and `mB` are nothing."""
_SAYING_NOTHING: Final = (
    "k M m G g T t b bn mn mm tn mil mio pp ppm bit bits kbit Mbit Gbit Kb Mb Gb Tb bps kbps Mbps Gbps Hz kHz MHz GHz "
    "dollar dollars cent cents euro euros USD EUR grand"
)
_UNITS: Final[dict[str, tuple[str, float]]] = {
    **dict.fromkeys(("ns", "nanosecond", "nanoseconds"), (TIME, 1e-9)),
    **dict.fromkeys(("us", "µs", "microsecond", "microseconds"), (TIME, 1e-6)),
    **dict.fromkeys(("ms", "msec", "millisecond", "milliseconds"), (TIME, 1e-3)),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), (TIME, 1.0)),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), (TIME, 60.0)),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), (TIME, 3600.0)),
    **dict.fromkeys(("d", "day", "days"), (TIME, 86400.0)),
    **dict.fromkeys(("week", "weeks"), (TIME, 7 * 86400.0)),
    **dict.fromkeys(("month", "months"), (TIME, 30 * 86400.0)),
    **dict.fromkeys(("year", "years"), (TIME, 365 * 86400.0)),
    **dict.fromkeys(("%", "percent", "per cent", "pct"), (SHARE, 0.01)),
    **dict.fromkeys(("x", "×", "times", "fold"), (FACTOR, 1.0)),  # noqa: RUF001  the sign of multiplication
    **dict.fromkeys(("B", "By", "byte", "bytes"), (BYTES, 1.0)),
    **{f"{prefix}{unit}": (BYTES, 1e3**power) for power, prefix in enumerate("kMGTPE", 1) for unit in ("B", "By")},
    **{f"{prefix}iB": (BYTES, 1024.0**power) for power, prefix in enumerate("KMGTPE", 1)},
    **dict.fromkeys(("KB", "kilobyte", "kilobytes"), (BYTES, 1e3)),
    **dict.fromkeys(("megabyte", "megabytes"), (BYTES, 1e6)),
    **dict.fromkeys(("gigabyte", "gigabytes"), (BYTES, 1e9)),
    **dict.fromkeys(("terabyte", "terabytes"), (BYTES, 1e12)),
    **dict.fromkeys(("/s", "rps", "qps", "tps"), (PER_TIME, 1.0)),
    **dict.fromkeys(_SAYING_NOTHING.split(), (UNSAID, 1.0)),
}
_LOWER: Final = {name.lower(): unit for name, unit in _UNITS.items() if len(name) >= _WORDS_LEAST}


def _any_of(names: list[str]) -> str:
    return "|".join(sorted(map(re.escape, names), key=len, reverse=True))


_TIMES: Final = _any_of([name for name, (kind, _) in _UNITS.items() if kind == TIME])
UNIT: Final = f"(?i:{_any_of(list(_UNITS))})(?!\\w)"
"""Pattern of a unit."""
PER: Final = rf"(?i:(?:\s[a-z]+){{0,2}}?\s?(?:/\s?|\b(?:per|an?|each|every)\s)(?:{_TIMES})(?!\w))"
"""Pattern of what follows a number that is so much a second, what is counted included: ` requests per minute`."""
_LAST_WORD = re.compile(r"[A-Za-zµ]+$")


def measured(unit: str) -> tuple[str, float]:
    """What a unit measures, and how much of it.

    Args:
        unit: as it stands in prose; empty for a count.
    """
    if not unit:
        return "", 1.0
    return _UNITS.get(unit) or _LOWER.get(unit.lower(), (UNSAID, 1.0))


def measured_per(unit: str, per: str) -> tuple[str, float]:
    """The same of a unit and what follows it.

    Args:
        unit: empty for a count.
        per: what matched `PER`; empty where it is not so much a second.
    """
    kind, amount = measured(unit)
    if not per:
        return kind, amount
    last = _LAST_WORD.search(per)
    seconds = measured(last[0])[1] if last else 1.0
    return f"{'' if kind == FACTOR else kind}{PER_TIME}", amount / seconds


def measured_ucum(unit: str) -> tuple[str, float]:
    """The same of a unit of telemetry, such as `ms`, `{request}/s` or `By`. What is not known is a count."""
    of, _, per = re.sub(r"\{[^}]*\}", "", unit).partition("/")
    kind, amount = _UNITS.get(of, ("", 1.0))
    seconds = _UNITS.get(per, (UNSAID, 1.0))
    return (f"{kind}{PER_TIME}", amount / seconds[1]) if seconds[0] == TIME else (kind, amount)
