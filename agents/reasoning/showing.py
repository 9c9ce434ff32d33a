"""Records as a model reads them: short lines, every text of others quoted, within so many tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Final

from middlewatch.agents.reasoning.quoting import quoted_block
from middlewatch.agents.reasoning.size import tokens_at_most
from middlewatch.records import Anomaly, Chart, Record, Window

NAME_BYTES: Final = 96
"""Of a name of a service, metric or operation; what is longer is cut and cannot be asked for."""
FACT_BYTES: Final = 280
"""Of a fact in words."""
TEXT_BYTES: Final = 240
"""Of any other text, such as a log line."""
MOST_POINTS: Final = 24
"""Of a chart: its course, and no more."""
_UNSAID: Final = frozenset({"queries", "query", "freshness", "recording", "tenant", "span_id", "parent_span_id", "thinned"})
"""What of an answer tells a model nothing that it can use."""

Veil = Callable[[str], str]
"""Takes out of a text what must not leave the process."""


@dataclass(slots=True)
class Lines:
    """Lines within so many tokens; what does not fit is counted."""

    room: int
    lines: list[str] = field(default_factory=list)
    left_out: int = 0

    def add(self, line: str | Callable[[], str]) -> bool:
        """Whether the line still fits; once one does not, none does, and those that are only made here are not even made."""
        if self.left_out:
            self.left_out += 1
            return False
        line = line if isinstance(line, str) else line()
        size = tokens_at_most(line) + 1
        if size > self.room:
            self.left_out = 1
            return False
        self.room -= size
        self.lines.append(line)
        return True

    def text(self, noun: str) -> str:
        """All of them, and how many are missing."""
        more = [f"({self.left_out} more {noun} left out)"] if self.left_out else []
        return "\n".join([*self.lines, *more])


@dataclass(frozen=True, slots=True)
class Showing:
    """How records are written for a model."""

    veil: Veil

    def name(self, text: str, label: str) -> str:
        """A name of others."""
        return quoted_block(text, label, most_bytes=NAME_BYTES, veil=self.veil)

    def said(self, text: str, label: str, most_bytes: int = TEXT_BYTES) -> str:
        """A text of others, or one that quotes them."""
        return quoted_block(text, label, most_bytes=most_bytes, veil=self.veil)

    def fact(self, key: str, agent: str, anomaly: Anomaly, service: str = "") -> str:
        """One fact on one line.

        Args:
            key: what it is cited by.
            agent: whose analysis found it.
            anomaly: what it is.
            service: the key of its service, where it has one.
        """
        about = service or self.name(anomaly.service, "service")
        began = f", since {moment(anomaly.onset.at)}" if anomaly.onset else ""
        points_to = f", points to {anomaly.mechanism}" if anomaly.mechanism else ""
        text = self.said(anomaly.summary, "fact", FACT_BYTES)
        return f"{key} {about}, {agent}, {number(anomaly.strength)} nats{began}{points_to}: {text}"

    def record(self, record: Record, room: int) -> str:
        """Any answer of a tool, one line for each row."""
        if isinstance(record, Chart):
            return self._chart(record, room)
        lines = Lines(room)
        for name, value in _fields(record):
            if isinstance(value, tuple) and value and isinstance(value[0], Record):
                lines.add(f"{_label(name)}:")
                for row in value:
                    lines.add("- " + ", ".join(self._flat(row)))
            elif isinstance(value, dict):
                lines.add(f"{_label(name)}: " + ", ".join(f"{self.name(str(k), 'service')} {number(v)}" for k, v in value.items()))
            else:
                for words in self._one(name, value):
                    lines.add(words)
        return lines.text("rows")

    def _chart(self, chart: Chart, room: int) -> str:
        lines = Lines(room)
        lines.add(self.said(chart.what, "chart"))
        if chart.reason:
            lines.add(self.said(chart.reason, "nothing to see"))
        pairs = [(at, seen) for at, seen in zip(chart.times, chart.observed, strict=True) if seen is not None]
        usual = dict(zip(chart.times, chart.band.middle, strict=False)) if chart.band else {}
        for at, seen in _spread(pairs, MOST_POINTS):
            middle = usual.get(at)
            lines.add(f"{moment(at)} {number(seen)}" + (f", usually {number(middle)}" if middle is not None else ""))
        for note in chart.notes:
            lines.add(self.said(note, "note"))
        return lines.text("values")

    def _flat(self, record: Record) -> Iterator[str]:
        for name, value in _fields(record):
            yield from self._one(name, value)

    def _one(self, name: str, value: object) -> Iterator[str]:
        match value:
            case None | "" | ():
                return
            case Enum():
                yield f"{_label(name)} {value.value}"
            case str():
                yield self.said(value, _label(name), NAME_BYTES if name in {"service", "operation", "metric"} else TEXT_BYTES)
            case datetime():
                yield f"{_label(name)} {moment(value)}"
            case Window():
                yield f"{_label(name)} {moment(value.start)} to {moment(value.end)}"
            case bool() | int() | float():
                yield f"{_label(name)} {number(value)}"
            case Record():
                yield f"{_label(name)} ({', '.join(self._flat(value))})"
            case tuple() | list():
                for item in value:
                    yield from self._one(name, item)
            case _:
                return


def moment(at: datetime) -> str:
    """A time as a model can give it back."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def number(value: float) -> str:
    """A number in four significant digits."""
    return str(value).lower() if isinstance(value, bool) else f"{value:.4g}"


def _fields(record: Record) -> Iterable[tuple[str, object]]:
    return [(name, getattr(record, name)) for name in type(record).model_fields if name not in _UNSAID]


def _label(name: str) -> str:
    return name.replace("_", " ")


def _spread(pairs: Sequence[tuple[datetime, float]], most: int) -> list[tuple[datetime, float]]:
    """As many as may be, evenly over all of them, the last one included."""
    if len(pairs) <= most:
        return list(pairs)
    return [pairs[round(n * (len(pairs) - 1) / (most - 1))] for n in range(most)]
