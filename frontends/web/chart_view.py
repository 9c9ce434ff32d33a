"""The course of a quantity as SVG on the page's own time axis: what is usual as a band, what was observed as a line."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from middlewatch.frontends import quantity
from middlewatch.frontends.quotation import Quotation
from middlewatch.frontends.web.axis import Axis
from middlewatch.records import Chart

_SAY = Quotation()
HEIGHT = 400.0
WIDTH = 1440.0
"""Of the drawing's own coordinates; it is stretched to where it stands."""
_LOG_FACTOR = 8.0
"""Above this ratio of the largest to the smallest usual value a linear axis would flatten what is usual. Chosen."""
_MOST_TICKS = 4


@dataclass(frozen=True, slots=True)
class Tick:
    """A value on the axis."""

    top: float
    """In per cent from above."""
    words: str


@dataclass(frozen=True, slots=True)
class ChartView:
    """Ready to draw."""

    chart: Chart
    observed: str
    band: str
    ticks: tuple[Tick, ...]
    logarithmic: bool
    words: str
    """The same said, for those who cannot see it."""
    data: str
    """JSON for the script that lets values be read off: times in seconds, observed, low, high; the edges of the axes; the unit."""


def chart_view(chart: Chart, axis: Axis) -> ChartView | None:
    """A chart on an axis; None where there is nothing to draw."""
    values = [value for value in chart.observed if value is not None]
    if chart.reason or not values:
        return None
    edges = [v for side in ((chart.band.low, chart.band.high) if chart.band else ()) for v in side if v is not None]
    scale = _Scale.of([*values, *edges])
    low, high = (chart.band.low, chart.band.high) if chart.band else ((), ())
    xs = [WIDTH * axis.left(time) / 100 if axis.holds(time) else None for time in chart.times]
    return ChartView(
        chart=chart,
        observed=_path(xs, chart.observed, scale),
        band=_area(xs, low, high, scale),
        ticks=tuple(
            Tick(round(100 * scale.top(value) / HEIGHT, 1), _SAY.clean(quantity.quantity(value, chart.unit, 2)))
            for value in scale.ticks()
        ),
        logarithmic=scale.logarithmic,
        words=_said(chart, values),
        data=json.dumps(
            {
                "from": axis.window.start.timestamp(),
                "to": axis.window.end.timestamp(),
                "unit": "" if chart.unit == "1" else _SAY.clean(chart.unit),
                "log": scale.logarithmic,
                "low": scale.low,
                "high": scale.high,
                "times": [time.timestamp() for time in chart.times],
                "observed": chart.observed,
                "bandLow": low,
                "bandHigh": high,
            },
            separators=(",", ":"),
        ),
    )


@dataclass(frozen=True, slots=True)
class _Scale:
    low: float
    high: float
    logarithmic: bool

    @classmethod
    def of(cls, values: list[float]) -> _Scale:
        low, high = min(values), max(values)
        if low > 0 and high / low > _LOG_FACTOR:
            return cls(low / 1.3, high * 1.3, logarithmic=True)
        low = min(low, 0.0) if low >= 0 and low < (high - low) else low
        room = (high - low) * 0.08 or abs(high) * 0.1 or 1.0
        return cls(low if low == 0 else low - room, high + room, logarithmic=False)

    def top(self, value: float) -> float:
        """Of a value, from above."""
        if self.logarithmic:
            share = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return HEIGHT * (1 - min(1.0, max(0.0, share)))

    def ticks(self) -> list[float]:
        if self.logarithmic:
            first, last = math.ceil(math.log10(self.low)), math.floor(math.log10(self.high))
            powers = [10.0**power for power in range(first, last + 1)]
            return powers[:: max(1, -(-len(powers) // _MOST_TICKS))] or [self.low * 1.3, self.high / 1.3]
        size = 10 ** math.floor(math.log10((self.high - self.low) / 2))
        step = next(size * k for k in (1, 2, 5, 10) if (self.high - self.low) / (size * k) <= _MOST_TICKS)
        first = math.ceil(self.low / step)
        return [k * step for k in range(first, math.floor(self.high / step) + 1)]


def _path(xs: Sequence[float | None], values: Sequence[float | None], scale: _Scale) -> str:
    """A line through every value; broken where one is missing. A value between two gaps is a dot, which is a line of no length."""
    pieces: list[list[str]] = [[]]
    for x, value in zip(xs, values, strict=True):
        if x is None or value is None:
            pieces.append([])
        else:
            pieces[-1].append(f"{x:.1f} {scale.top(value):.1f}")
    return "".join(f"M{'L'.join(piece)}{'h0' if len(piece) == 1 else ''}" for piece in pieces if piece)


def _area(xs: Sequence[float | None], low: Sequence[float | None], high: Sequence[float | None], scale: _Scale) -> str:
    points = [(x, a, b) for x, a, b in zip(xs, low, high, strict=False) if x is not None and a is not None and b is not None]
    if not points:
        return ""
    there = "".join(f"{'L' if k else 'M'}{x:.1f} {scale.top(b):.1f}" for k, (x, _, b) in enumerate(points))
    back = "".join(f"L{x:.1f} {scale.top(a):.1f}" for x, a, _ in reversed(points))
    return f"{there}{back}Z"


def _said(chart: Chart, values: list[float]) -> str:
    most, least = (quantity.quantity(value, chart.unit) for value in (max(values), min(values)))
    usual = ""
    if chart.band is not None:
        middles = sorted(value for value in chart.band.middle if value is not None)
        usual = f" Usually about {quantity.quantity(middles[len(middles) // 2], chart.unit)}." if middles else ""
    since = f" It deviates since {_clock(chart.onset.at)} UTC." if chart.onset else ""
    return f"{chart.what}: between {least} and {most} from {_clock(chart.times[0])} to {_clock(chart.times[-1])} UTC.{usual}{since}"


def _clock(moment: datetime) -> str:
    return quantity.clock(moment, moment.date())
