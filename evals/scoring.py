"""How good answers are: where the truth stands in a ranking, and what a stated confidence is worth. Plain statistics."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from pydantic import Field

from middlewatch.intervals import Interval, wilson
from middlewatch.records import Record

__all__ = [
    "Bin",
    "Interval",
    "Sure",
    "brier",
    "brier_of_constant",
    "calibration_error",
    "calibration_interval",
    "reliability",
    "strict_rank",
    "wilson",
]

Sure = tuple[float, bool]
"""A stated confidence, and whether the answer was right."""

BINS = 5
"""Of equal width. A few dozen answers are not enough for the ten that are common."""
RESAMPLES = 2000
"""Of the bootstrap: fifty of them lie beyond either end of a 95 % interval."""


class Bin(Record):
    """The answers of about the same confidence."""

    low: float = Field(description="confidence from here")
    high: float = Field(description="to below here; the last bin includes it")
    answers: int = Field(ge=1)
    confidence: float = Field(description="mean of what was stated")
    right: float = Field(description="share that was right")
    interval: Interval = Field(description="Wilson interval of that share")


def strict_rank(ranking: Sequence[tuple[str, float]], truth: str) -> int | None:
    """The rank of the true service, from 1. Ties count against it; None where it is not listed."""
    scores: dict[str, float] = {}
    for service, score in ranking:
        if math.isfinite(score):
            scores[service] = max(score, scores.get(service, -math.inf))
    if truth not in scores:
        return None
    return sum(score >= scores[truth] for score in scores.values())


def brier(answers: Sequence[Sure]) -> float:
    """Mean squared difference of confidence and truth (Brier 1950): 0 is perfect."""
    return sum((confidence - right) ** 2 for confidence, right in answers) / len(answers)


def brier_of_constant(answers: Sequence[Sure]) -> float:
    """What the best constant confidence would reach, which is the share of right answers."""
    share = sum(right for _, right in answers) / len(answers)
    return share * (1 - share)


def reliability(answers: Sequence[Sure]) -> tuple[Bin, ...]:
    """The answers by confidence, in bins of equal width; empty ones are left out."""
    bins = []
    for low, high, inside in _binned(answers):
        hits, n = sum(right for _, right in inside), len(inside)
        stated = sum(confidence for confidence, _ in inside) / n
        bins.append(Bin(low=low, high=high, answers=n, confidence=stated, right=hits / n, interval=wilson(hits, n)))
    return tuple(bins)


def calibration_error(answers: Sequence[Sure]) -> float:
    """Expected calibration error: how far confidence is from the share of right answers, over the bins of `reliability`."""
    return sum(abs(sum(confidence - right for confidence, right in inside)) for *_, inside in _binned(answers)) / len(answers)


def calibration_interval(answers: Sequence[Sure], *, seed: int = 0) -> Interval:
    """The 95 % percentile interval (Efron 1979) of the calibration error over answers drawn again with replacement."""
    n = len(answers)
    times_drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=RESAMPLES)
    excess = np.array(
        [[confidence - right if _bin(confidence) == b else 0.0 for b in range(BINS)] for confidence, right in answers]
    )
    errors = np.abs(times_drawn @ excess).sum(axis=1) / n
    low, high = np.quantile(errors, [0.025, 0.975])
    return Interval(low=float(low), high=float(high))


def _binned(answers: Sequence[Sure]) -> Iterator[tuple[float, float, list[Sure]]]:
    for number in range(BINS):
        inside = [(confidence, right) for confidence, right in answers if _bin(confidence) == number]
        if inside:
            yield number / BINS, (number + 1) / BINS, inside


def _bin(confidence: float) -> int:
    return max(number for number in range(BINS) if number / BINS <= confidence)
