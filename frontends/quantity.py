"""Numbers for people: few digits, human units, and times in UTC."""

from __future__ import annotations

import math
from datetime import date, datetime

SIGNIFICANT_DIGITS = 3
"""What somebody can take in at a glance; the report itself has all of them."""
_MOST_DIGITS = 6
_EXACT_BELOW = 1e6

_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
_BYTES = {
    **dict.fromkeys(("By", "B", "byte", "bytes"), 1.0),
    **{prefix + unit: 1000.0**power for power, prefix in enumerate("kMGT", 1) for unit in ("By", "B")},
    **{prefix + "i" + unit: 1024.0**power for power, prefix in enumerate("KMGT", 1) for unit in ("By", "B")},
}
_TIME_STEPS = ((7200.0, 3600.0, "h"), (120.0, 60.0, "min"), (1.0, 1.0, "s"), (1e-3, 1e-3, "ms"), (1e-6, 1e-6, "µs"))
_BYTE_STEPS = tuple((1024.0**power, f"{prefix}iB") for power, prefix in ((4, "T"), (3, "G"), (2, "M"), (1, "K")))

_LIKELIHOOD = (
    (0.99, "virtually certain"),
    (0.9, "very likely"),
    (0.66, "likely"),
    (0.33, "about as likely as not"),
    (0.1, "unlikely"),
)
"""Words for probabilities: the IPCC's calibrated language (Mastrandrea et al. 2010, table 1)."""


def number(value: float, digits: int = SIGNIFICANT_DIGITS) -> str:
    """A number with that many significant digits; whole numbers below a million are exact.

    >>> number(0.31204), number(1904), number(41234567)
    ('0.312', '1,904', '41.2 M')
    """
    if not math.isfinite(value):
        return "unknown"
    for power, suffix in ((1e12, " T"), (1e9, " G"), (1e6, " M")):
        if power <= abs(value) < power * 1e3:
            return number(value / power, digits) + suffix
    if float(value).is_integer() and abs(value) < _EXACT_BELOW:
        return f"{value:,.0f}"
    scientific = f"{value:.{digits - 1}e}"
    exponent = int(scientific.partition("e")[2])
    if not -5 <= exponent < 15:  # noqa: PLR2004  beyond this, zeros are harder to count than an exponent is to read
        return scientific
    text = f"{float(scientific):,.{max(0, digits - 1 - exponent)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def quantity(value: float, unit: str, digits: int = SIGNIFICANT_DIGITS) -> str:
    """A number with its unit, scaled so that it is easy to read.

    Args:
        value: in `unit`.
        unit: a UCUM code as OpenTelemetry uses them (``ms``, ``By``, ``{request}/s``, ``1``) or a common spelling; a unit that is
            not known is written after the number as it is. ``1`` is a share: up to 1 it is written in per cent.
        digits: significant digits.

    >>> quantity(2610, "ms"), quantity(3.5e9, "By"), quantity(9.2, "{scan}/s")
    ('2.61 s', '3.26 GiB', '9.2 scan/s')
    """
    if not math.isfinite(value):
        return "unknown"
    base, per, time = unit.strip().partition("/")
    if base in _SECONDS and not per:
        return _scaled_time(value * _SECONDS[base], digits)
    if base in _BYTES:
        return _scaled_bytes(value * _BYTES[base], digits) + per + time
    if base.startswith("{") and base.endswith("}"):
        base = base[1:-1]
    if base == "1" and not per and abs(value) <= 1:
        return f"{_near_hundred(100 * value, digits)} %"
    if base == "1":
        base = ""
    if base in {"%", "percent"}:
        return f"{_near_hundred(value, digits)} %{per}{time}"
    return f"{number(value, digits)} {base}{per}{time}".strip()


def both(baseline: float | None, observed: float | None, unit: str) -> tuple[str, str]:
    """The usual value and the observed one, written alike, with as many digits as it takes to tell them apart.

    One that is not known is empty.
    """
    known = [abs(value) for value in (baseline, observed) if value is not None]
    alike = "" if unit.strip() == "1" and max(known, default=0.0) > 1 else unit  # a share and something above 1 are both plain
    before = after = ""
    for digits in range(SIGNIFICANT_DIGITS, _MOST_DIGITS + 1):
        before, after = ("" if value is None else quantity(value, alike, digits) for value in (baseline, observed))
        if baseline == observed or before != after:
            break
    return before, after


def pair(baseline: float | None, observed: float | None, unit: str) -> str:
    """From the usual value to the observed one; empty where neither is known.

    >>> pair(99.98, 97.1, "%"), pair(None, 3.1, "s"), pair(0.0, 0.173, "1")
    ('99.98 % → 97.1 %', 'unknown → 3.1 s', '0 % → 17.3 %')
    """
    before, after = both(baseline, observed, unit)
    return f"{before or 'unknown'} → {after or 'unknown'}" if before or after else ""


def factor(value: float | None, baseline: float | None, observed: float | None) -> str:
    """How many times the usual value: "10x", "new" where the usual value is 0, "gone" where the observed one is."""
    if baseline == 0 and observed:
        return "new"
    if baseline and observed == 0:
        return "gone"
    if value is None or not math.isfinite(value) or value < 0:
        return ""  # across zero there is no "times as much"
    return ">99,999x" if value >= 1e5 else f"{number(value, 2)}x"  # noqa: PLR2004  beyond this it is noise over nothing


def percent(probability: float) -> str:
    """A probability in per cent; nothing is ever certain."""
    if probability > 0.99:  # noqa: PLR2004  per cent
        return ">99 %"
    return "<1 %" if 0 < probability < 0.01 else f"{100 * probability:.0f} %"  # noqa: PLR2004  per cent


def changed(probability: float) -> str:
    """How probable it is that anything changed. It is 0 only where there was no telemetry to tell by."""
    return f"{percent(probability)} that anything changed" if probability else "unknown whether anything changed"


def likelihood(probability: float) -> str:
    """The same probability in words."""
    return next((word for least, word in _LIKELIHOOD if probability >= least), "very unlikely")


def duration(seconds: float) -> str:
    """A length of time: "0.4 s", "46 s", "5 min 40 s", "2 h 5 min", "3 d 4 h"."""
    if seconds < 60:  # noqa: PLR2004  seconds in a minute
        return quantity(seconds, "s", 2)
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    rest = round(seconds)
    parts = []
    for name, size in units:
        count, rest = divmod(rest, size)
        parts.append(f"{count:,} {name}" if count else "")
    first = next(index for index, part in enumerate(parts) if part)
    return " ".join(part for part in parts[first : first + 2] if part)


def clock(moment: datetime, day: date) -> str:
    """The time of day in UTC, with the date only where it is not the one that the reader has already been told."""
    return f"{moment:%H:%M:%S}" if moment.date() == day else stamp(moment)


def stamp(moment: datetime) -> str:
    """The date and time of day."""
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def _near_hundred(value: float, digits: int) -> str:
    """99.98 must not read 100: what counts in an availability is its distance from 100."""
    if 99 < value < 100:  # noqa: PLR2004  per cent
        return number(100 - float(f"{100 - value:.1e}"), digits=10)
    return number(value, digits)


def _scaled_time(seconds: float, digits: int) -> str:
    if seconds == 0:
        return "0 s"
    for least, size, name in _TIME_STEPS:
        if abs(seconds) >= least * 0.9995:  # what would be rounded up to 1,000 of the smaller unit is 1 of this one
            return f"{number(seconds / size, digits)} {name}"
    return f"{number(seconds / 1e-9, digits)} ns"


def _scaled_bytes(count: float, digits: int) -> str:
    for size, name in _BYTE_STEPS:
        if abs(count) >= size:
            return f"{number(count / size, digits)} {name}"
    return f"{number(count, digits)} B"
