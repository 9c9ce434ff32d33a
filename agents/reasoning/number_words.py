"""Numbers in English words: `forty-five seconds`, `hundreds of lines`, `two thirds`, `fivefold`, `doubled`, `for an hour`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from middlewatch.agents.reasoning.units import FACTOR, PER, SHARE, UNIT, UNSAID, measured_per

Spelled = tuple[re.Match[str], float, float, str]
"""Where it stands, its value, how far the true value may be away, and what it measures."""

_ONES: Final = (
    "zero one two three four five six seven eight nine ten eleven twelve "
    "thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
)
_TENS: Final = "twenty thirty forty fifty sixty seventy eighty ninety"
SCALES: Final[dict[str, float]] = {
    "dozen": 12.0,
    "hundred": 100.0,
    "thousand": 1e3,
    "million": 1e6,
    "billion": 1e9,
    "trillion": 1e12,
}
_WORDS: Final[dict[str, float]] = {
    **{word: float(value) for value, word in enumerate(_ONES.split())},
    **{word: 10.0 * value for value, word in enumerate(_TENS.split(), 2)},
    **SCALES,
}
_MANY: Final[dict[str, float]] = {"tens": 10.0, "scores": 20.0, **{f"{word}s": value for word, value in SCALES.items()}}
_LATER: Final = "fifth sixth seventh eighth ninth tenth"
_PARTS: Final[dict[str, int]] = {
    **dict.fromkeys(("half", "halves"), 2),
    **dict.fromkeys(("third", "thirds"), 3),
    **dict.fromkeys(("quarter", "quarters", "fourth", "fourths"), 4),
    **{f"{word}{s}": n for n, word in enumerate(_LATER.split(), 5) for s in ("", "s")},
    **dict.fromkeys(("hundredth", "hundredths"), 100),
    **dict.fromkeys(("thousandth", "thousandths"), 1000),
}
_FACTORS: Final[dict[str, float]] = {
    "twice": 2.0,
    "doubl": 2.0,
    "thrice": 3.0,
    "tripl": 3.0,
    "trebl": 3.0,
    "quadrupl": 4.0,
    "quintupl": 5.0,
    "halv": 0.5,
}
_WORD: Final = "|".join(sorted(_WORDS, key=len, reverse=True))
_NAMED: Final = "|".join(sorted(_PARTS, key=len, reverse=True))
_ANY_MANY: Final = "|".join(_MANY)
_BEHIND: Final = rf"(?P<unit>(?:\sof)?(?:\san?(?=\s))?[\s-]?(?P<of>{UNIT}))?(?P<per>{PER})?"

_HUNDRED_AND: Final = rf"(?:(?<=hundred)\sand\s(?={_WORD}))"
_NUMBER = re.compile(
    rf"(?i)\b(?P<number>(?:{_WORD})(?:(?:[\s-]|{_HUNDRED_AND})(?:{_WORD}))*)(?:[\s-]?(?P<fold>fold)\b|\b{_BEHIND})"
)
_VAGUE = re.compile(rf"(?i)\b(?P<many>{_ANY_MANY})(?:\sof\s(?P<more>{_ANY_MANY}))?\b{_BEHIND}")
_COUPLE = re.compile(rf"(?i)\bcouple(?:\sof)?\b{_BEHIND}")
_PART = re.compile(
    rf"(?i)(?<!\bthe\s)\b(?:(?P<how>an?|{_WORD})[\s-])?(?P<part>{_NAMED})\b(?![\s-](?:part(?:y|ies)|open|closed|duplex)\b)"
    rf"(?P<rest>\sof\b)?{_BEHIND}"
)
_THE_PART = re.compile(rf"(?i)(?<=\bthe\s)(?P<part>{_NAMED})\sof\b")
_FACTOR = re.compile(
    r"(?i)\b(?:(?P<word>twice|thrice)|(?P<stem>doubl|tripl|trebl|quadrupl|quintupl|halv)(?:e|ed|es|ing))\b(?![\s-](?:check|quot))"
)
_MAGNITUDE = re.compile(r"(?i)\borders?\sof\smagnitude\b")
_ONE = re.compile(
    r"(?i)\b(?:one|(?:for|in|within|after|about|around|over|under|nearly|almost|than|lasts|lasted|took|takes)\san?)\s"
    r"(?P<of>nanosecond|microsecond|millisecond|minute|hour|day|week|month|year|percent|(?<=one\s)second)\b"
)
_PRONOUN: Final = frozenset({"one"})


def spelled(text: str) -> tuple[list[Spelled], str]:
    """The numbers that are words, and the text without them."""
    found: list[Spelled] = []
    for pattern, read in _READERS:
        for match in pattern.finditer(text):
            found += [(match, *number) for number in read(match)]
        text = pattern.sub(lambda match, read=read: " " * len(match[0]) if any(read(match)) else match[0], text)  # type: ignore[misc]
    return found, text


_Read = Iterator[tuple[float, float, str]]


def _whole(match: re.Match[str]) -> _Read:
    words = re.split(r"[\s-]+(?:and\s+)?", match["number"].lower())
    if match["fold"]:
        yield _value(words), 0.0, FACTOR
    elif len(words) > 1 or words[0] not in _PRONOUN or match["of"]:  # `one` alone is mostly a pronoun
        yield _behind(match, _value(words), 0.0)


def _value(words: list[str]) -> float:
    total, current = 0.0, 0.0
    for word in words:
        if word not in SCALES:
            current += _WORDS[word]
        elif SCALES[word] < SCALES["thousand"]:
            current = (current or 1.0) * SCALES[word]
        else:
            total, current = total + (current or 1.0) * SCALES[word], 0.0
    return total + current


def _many(match: re.Match[str]) -> _Read:
    """From two of them up to ten."""
    least = 2.0 * _MANY[match["many"].lower()] * _MANY.get((match["more"] or "").lower(), 1.0)
    most = 5.0 * least
    yield _behind(match, (least + most) / 2, (most - least) / 2 * (1.0 - 1e-6))


def _couple(match: re.Match[str]) -> _Read:
    yield _behind(match, 2.0, 0.0)


def _part(match: re.Match[str]) -> _Read:
    """A share; `fifth` and so on alone are places in an order."""
    part, how = match["part"].lower(), (match["how"] or "").lower()
    if how or match["rest"] or part.endswith("s") or part in {"half", "third", "quarter"}:
        share = (_WORDS.get(how) or 1.0) / _PARTS[part]
        yield _behind(match, share, 0.05 * share * (part != "half"), alone=SHARE)


def _the_part(match: re.Match[str]) -> _Read:
    yield 1.0 / _PARTS[match["part"].lower()], 0.0, SHARE


def _factor(match: re.Match[str]) -> _Read:
    yield _FACTORS[(match["word"] or match["stem"]).lower()], 0.0, FACTOR


def _magnitude(_: re.Match[str]) -> _Read:
    yield 10.0, 0.0, UNSAID


def _one(match: re.Match[str]) -> _Read:
    kind, amount = measured_per(match["of"], "")
    yield amount, 0.0, kind


def _behind(match: re.Match[str], value: float, slack: float, alone: str = "") -> tuple[float, float, str]:
    kind, amount = measured_per(match["of"] or "", match["per"] or "")
    return value * amount, slack * amount, kind or alone


_READERS: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], _Read]], ...]] = (
    (_MAGNITUDE, _magnitude),
    (_PART, _part),
    (_THE_PART, _the_part),
    (_VAGUE, _many),
    (_COUPLE, _couple),
    (_ONE, _one),
    (_NUMBER, _whole),
    (_FACTOR, _factor),
)
"""What is longer goes before what is part of it."""
