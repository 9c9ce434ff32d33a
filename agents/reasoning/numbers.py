"""Every number in prose is one of the evidence: as it was measured, rounded, or in another unit of the same kind.

A number is read with the unit behind it, and borne out by numbers of the same kind alone: one without a unit is a count, no time.
Words such as `twice`, `forty` or `thousands` are numbers, too (`number_words`). Whatever else has a digit of any script, such as
`90k`, `9/10`, `½` or `p99`, passes as a name of the evidence, or not at all; nor does a word in letters that English has not, which
might be a number.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from middlewatch.agents.reasoning.number_words import SCALES, spelled
from middlewatch.agents.reasoning.units import FACTOR, PER, SHARE, UNIT, UNSAID, measured_per, measured_ucum
from middlewatch.records import Alert, Anomaly, Evidence
from middlewatch.records.quoting import QUOTATION, quoted

_DATE = re.compile(r"(?<![\w.:-])([0-9]{4}-[0-9]{2}-[0-9]{2})(?=T[0-9]|[^\w:-]|[.:,-]\W|[.:,]?$)")
_CLOCK = re.compile(r"(?<![\w.:-])T?([0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?)Z?(?!\s?[AaPp]\.?[Mm]\b)(?![\w:-]*\w)(?!\.[0-9])")
_NUMBER = re.compile(
    r"(?<![\w.:/,^*$€£¥₹#-])(?<![0-9]\s)[-+~≈]?"
    r"(?P<whole>[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?)(?:[eE](?P<power>[-+]?[0-9]{1,2}))?"
    rf"(?P<scale>\s(?i:{'|'.join(SCALES)})\b)?"
    rf"(?>(?:[\s-]?(?P<unit>{UNIT}))?)(?>(?P<per>{PER})?)"
    r"(?![\w:/^*]|[-.,]\w|\s[0-9]{3}(?![0-9]))"
)
"""A number with what stands behind it. What it takes of that it keeps: `5 MB/day` is not 5 of something."""
_TOKEN = re.compile(r"\S+")
_EDGES: Final = ".,:;!?()'\"`[]{}"
_NAME_IN_PROSE = re.compile(r"[^\W\d_][\w.@/+-]*|[0-9]+(?:\.[0-9]+){2,}")
"""A name that may stand in prose without quotation marks: it begins with a letter, or is a version. `90k` is neither."""
_PART_OF_NAME = re.compile(r"(?<![^\W_])[A-Za-z]+[0-9]+(?![^\W_])")
"""Such as the `p99` of a metric."""
_FOREIGN: Final = frozenset("µμ")
"""Both signs of a millionth."""
_SLACK: Final = 1e-9
_LARGEST_SLACK: Final = 0.05
"""Of a number. Chosen."""
_DIGITS: Final = 2
"""Of a whole number that count, at least: 2,600 may be said of 2,610, and 3,000 may not."""
_MOST_DIGITS: Final = 300
"""That a float has; a number of more is infinite, and nothing bears it out."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it was read."""

    text: str
    value: float
    kind: str = ""
    """What its unit measures; empty where it has none."""
    slack: float = 0.0
    """How far the true value may be away, by how it is rounded."""


@dataclass(frozen=True, slots=True)
class Read:
    """All of a text that says how much or when."""

    numbers: list[Number]
    times: list[str]
    """Times of day and dates, as they stand there."""
    odd: list[str]
    """What has a digit and is neither, or may be a number in another language."""


def read(text: str) -> Read:
    """What a text says of how much and when."""
    times = _DATE.findall(text)
    text = _DATE.sub(" ; ", text)
    times += _CLOCK.findall(text)
    text = _CLOCK.sub(" ; ", text)
    numbers = list(_written(text))
    text = _NUMBER.sub(" ; ", text)
    words, text = spelled(text)
    numbers += [Number(match[0].strip(), value, kind, slack) for match, value, slack, kind in words]
    odd = [token.strip(_EDGES) for token in _TOKEN.findall(text) if any(map(_is_odd, token))]
    return Read(numbers, times, [token for token in odd if token])


def _is_odd(character: str) -> bool:
    return character.isnumeric() or (not character.isascii() and character.isalpha() and character not in _FOREIGN)


def _written(text: str) -> Iterator[Number]:
    for found in _NUMBER.finditer(text):
        digits = found["whole"].replace(",", "")
        kind, amount = measured_per(found["unit"] or "", found["per"] or "")
        times = 10.0 ** int(found["power"] or 0) * SCALES.get((found["scale"] or "").strip().lower(), 1.0)
        value = float(digits)
        yield Number(found[0].strip(), value * times * amount, kind, _slack(digits, value) * times * amount)


def _slack(digits: str, value: float) -> float:
    """Half of the last place that counts, and no more than a twentieth: `3` may not be said of 2.6."""
    if "." in digits:
        half = 0.5 * 10.0 ** -len(digits.partition(".")[2])
    else:
        digits = digits[:_MOST_DIGITS]
        zeros = len(digits) - len(digits.rstrip("0"))
        half = 0.5 * 10.0 ** min(zeros, max(0, len(digits) - _DIGITS))
    return min(half, _LARGEST_SLACK * value)


@dataclass(slots=True)
class Known:
    """The numbers, times and names that the evidence has."""

    _values: dict[str, set[float]] = field(default_factory=dict)
    _times: set[str] = field(default_factory=set)
    _names: set[str] = field(default_factory=set)
    """Those with a digit in them, or letters of others; no other can be taken for a number."""

    def add_text(self, text: str) -> None:
        """All numbers, times and names of a text of ours, and the numbers in what it quotes."""
        self.add_names(QUOTATION.findall(text))
        said = read(QUOTATION.sub(" ; ", text))
        self.add_names(said.odd)
        for number in (*said.numbers, *(number for quotation in QUOTATION.findall(text) for number in read(quotation).numbers)):
            self.add(number.value, number.kind)
        self._times |= set(said.times)

    def add(self, value: float, kind: str = "") -> None:
        """One number; `kind` is what it measures. Nothing is borne out by what nobody knows to measure anything."""
        if not kind.startswith(UNSAID):
            self._values.setdefault(kind, set()).add(abs(value))

    def add_moment(self, at: datetime) -> None:
        """A time, by the clock and the calendar (UTC)."""
        self._times |= {f"{at:%H:%M:%S}", f"{at:%Y-%m-%d}"}

    def add_names(self, names: Iterable[str]) -> None:
        """Names of the telemetry, as they are or as they stand in a quotation."""
        for name in names:
            if any(map(_is_odd, name)):
                self._names |= {name.strip(), quoted(name)[1:-1].strip(), *_PART_OF_NAME.findall(name)}

    def add_fact(self, anomaly: Anomaly) -> None:
        """What was measured, and what follows from it: by how much, by which share."""
        self.add_text(anomaly.summary)
        self.add_text(anomaly.clause)
        self.add_names((anomaly.service, anomaly.peer, anomaly.instance, anomaly.subject))
        kind, amount = measured_ucum(anomaly.unit)
        for value in (anomaly.baseline, anomaly.observed):
            if value is not None:
                self.add(value * amount, kind)
                if kind == "":
                    self.add(value, SHARE)
        if anomaly.factor is not None and math.isfinite(anomaly.factor):
            self.add(anomaly.factor, FACTOR)
            self.add(anomaly.factor, SHARE)
            self.add(anomaly.factor - 1.0, SHARE)
        if anomaly.onset is not None:
            self.add_moment(anomaly.onset.at)

    def unsupported(self, text: str) -> list[str]:
        """What a text says of how much and when that none of these bears out, as it stands there."""
        said = read(self._without_names(text))
        wrong = [number.text for number in said.numbers if not self._supports(number)]
        wrong += [time for time in said.times if not self._has(time)]
        return wrong + [token for token in said.odd if token not in self._names]

    def _without_names(self, text: str) -> str:
        """Names that are known do not count: in quotation marks, or where they look like nothing else."""
        if not self._names:
            return text
        names = sorted(self._names, key=len, reverse=True)
        text = re.sub(rf"[\"'`](?:{'|'.join(map(re.escape, names))})[\"'`]", " ; ", text)
        plain = "|".join(re.escape(name) for name in names if _NAME_IN_PROSE.fullmatch(name))
        return re.sub(rf"(?<![\w.@/+-])(?:{plain})(?![\w@/+-]|\.\w)", " ; ", text) if plain else text

    def _supports(self, number: Number) -> bool:
        return math.isfinite(number.value) and any(
            abs(value - abs(number.value)) <= number.slack + _SLACK * abs(value) for value in self._values.get(number.kind, ())
        )

    def _has(self, time: str) -> bool:
        time = time.zfill(5) if ":" in time else time
        return any(known == time or known.startswith(f"{time}:") for known in self._times)


def known_of_cited(alert: Alert, facts: Iterable[Evidence]) -> Known:
    """What a sentence that cites these facts may say of how much and when."""
    return known_of([alert.title], [fact.anomaly for fact in facts], [alert.detected_at])


def known_of(texts: Iterable[str], facts: Iterable[Anomaly], moments: Iterable[datetime] = ()) -> Known:
    """The numbers of texts, facts and moments."""
    known = Known()
    for text in texts:
        known.add_text(text)
    for fact in facts:
        known.add_fact(fact)
    for moment in moments:
        known.add_moment(moment)
    return known
