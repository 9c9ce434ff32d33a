"""Error budgets: how fast one is spent, how much of it is left, what follows from that, and when somebody has to be told.

A burn rate of 1 spends exactly the whole budget in the objective's days. An alert fires where two windows burn at once: the long
one says that it matters, the short one that it still goes on (Google, The Site Reliability Workbook, chapter 5, "Multiwindow,
Multi-Burn-Rate Alerts").
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, Self

from pydantic import Field, model_validator

from middlewatch.records import BudgetState, Burn, Objective, Record, Severity

FREE_ABOVE = 0.5
FROZEN_BELOW = 0.25
"""Shares of the budget that are left (the owner's figures; `records.BudgetState` says what they mean)."""
DOWN_SHARE = 0.8
"""A service that fails this share of its requests is down, whatever its objective: no pair asks for more (chosen, not derived).
Without it a target of 90 % would have to burn at 14.4 times a budget that can burn at 10 times at most."""
LEAST_DAYS = 1.0
"""Of telemetry before a budget is called free: a day has the hours in which a service fails, if it does (chosen, not derived)."""
HOURS_A_DAY = 24.0
MINUTES_AN_HOUR = 60.0
NEARLY = 0.999
"""Of a whole: what floats and a minute that is not over leave of it."""
_SHARE = Field(gt=0.0, le=1.0)


class BurnPair(Record):
    """Two windows that must both burn, at the rate that spends `share` of the budget in the long one."""

    short_minutes: float = Field(ge=1.0, le=24 * 60.0)
    long_hours: float = Field(gt=0.0, le=72.0)
    share: float = _SHARE
    escalation: float = Field(
        gt=0.0, le=1.0, description="share of the budget spent in the long window that makes it one severity worse"
    )
    severity: Severity = Field(description="what it is worth by itself, before anything else is known")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.short_minutes >= self.long_hours * MINUTES_AN_HOUR:
            message = "the short window must be shorter than the long one"
            raise ValueError(message)
        if self.escalation < self.share:
            message = "escalation comes at the same share as the alert, or later"
            raise ValueError(message)
        return self

    @property
    def short_seconds(self) -> float:
        return self.short_minutes * 60.0

    @property
    def long_seconds(self) -> float:
        return self.long_hours * 3600.0

    def rate(self, objective: Objective) -> float:
        """At which both windows must burn: 14.4 for 2 % of a budget of 30 days in one hour; never one at which the budget lasts."""
        return min(max(1.0, self.share * self._whole(objective)), DOWN_SHARE / (1.0 - objective.target))

    def escalated_rate(self, objective: Objective) -> float:
        """At which the long window must burn for it to be one severity worse."""
        return max(self.escalation * self._whole(objective), self.rate(objective))

    def _whole(self, objective: Objective) -> float:
        """The rate that spends the whole budget in the long window."""
        return objective.days * HOURS_A_DAY / self.long_hours


PAIRS = (
    BurnPair(short_minutes=5, long_hours=1, share=0.02, escalation=0.5, severity=Severity.SEV_2),
    BurnPair(short_minutes=30, long_hours=6, share=0.05, escalation=0.25, severity=Severity.SEV_3),
    BurnPair(short_minutes=120, long_hours=24, share=0.1, escalation=0.1, severity=Severity.SEV_4),
)
"""Rates of 14.4, 6 and 3 for 30 days. The workbook's table has the first two; its third, 10 % in 3 days, is 10 % in 24 hours here,
as is the escalation, both the owner's. The severities are chosen: within half an hour, hours, and days, as the budget lasts."""


class BurnRules(Record):
    """When burning is told."""

    pairs: tuple[BurnPair, ...] = Field(default=PAIRS, min_length=1, max_length=6)
    least_bad: int = Field(default=5, ge=1, description="bad ones in the long window; fewer are no incident, whatever their share")
    least_total: int = Field(default=20, ge=1, description="of all in the long window, likewise (both chosen, not derived)")


class Firing(NamedTuple):
    """A burn-rate alert that fires."""

    pair: BurnPair
    long: Burn
    escalated: bool

    @property
    def severity(self) -> Severity:
        return Severity.of_level(self.pair.severity.level - self.escalated)


class Count(NamedTuple):
    """How many of how many were good. Both add up, also of counters that are no whole numbers."""

    good: float
    total: float

    @property
    def bad(self) -> float:
        return max(0.0, self.total - self.good)

    def plus(self, other: Count) -> Count:
        return Count(self.good + other.good, self.total + other.total)


NOTHING = Count(0.0, 0.0)


def burn_rate(count: Count, target: float) -> float | None:
    """How many times faster than allowed; None where nothing was counted.

    >>> burn_rate(Count(985.6, 1000.0), 0.999) == 14.4
    False
    >>> round(burn_rate(Count(985.6, 1000.0), 0.999), 6)
    14.4
    """
    return None if count.total <= 0.0 else count.bad / count.total / (1.0 - target)


def burn(objective: Objective, window_seconds: float, count: Count) -> Burn:
    """How fast the budget was spent in a window."""
    return Burn(window_seconds=window_seconds, good=count.good, total=count.total, rate=burn_rate(count, objective.target))


def budget_left(objective: Objective, count: Count, covered_days: float) -> float | None:
    """The share of the error budget that is left.

    Args:
        objective: what is promised.
        count: what there was in its days, as far as there is telemetry.
        covered_days: for how many of them there is. The others are taken to have had as many requests, all of them good.

    Returns:
        1 where nothing was spent, 0 where all of it was, less where more was; None where nothing was counted.
    """
    rate = burn_rate(count, objective.target)
    if rate is None or covered_days <= 0.0:
        return None
    return 1.0 - rate * min(1.0, covered_days / objective.days)


def state_of(left: float | None, *, enough: bool = True) -> BudgetState | None:
    """What policy makes of it; None where it is not known, which is neither full nor empty.

    Args:
        left: the share of the budget.
        enough: whether there is enough to call it free. What is spent is spent, however little there is.
    """
    if left is None or (left > FREE_ABOVE and not enough):
        return None
    if left <= 0.0:
        return BudgetState.EXHAUSTED
    if left < FROZEN_BELOW:
        return BudgetState.FROZEN
    return BudgetState.FREE if left > FREE_ABOVE else BudgetState.CANARY


def is_enough(objective: Objective, count: Count, covered_days: float) -> bool:
    """Whether there is enough to say that a budget is free: a day of telemetry, and as many requests as it takes for a single bad
    one to be allowed, such as 1,000 for 99.9 %.
    """
    allowed = count.total * (1.0 - objective.target)
    return covered_days >= min(LEAST_DAYS, objective.days) * NEARLY and allowed >= NEARLY


def worst(states: Iterable[BudgetState | None]) -> BudgetState | None:
    """The one that binds where several are known; None where none is."""
    order = tuple(BudgetState)
    return max((state for state in states if state is not None), key=order.index, default=None)


def firing(objective: Objective, rules: BurnRules, counted: Callable[[float], Count], *, fired: bool = False) -> Firing | None:
    """The burn-rate alert that fires, the most severe one of several.

    Args:
        objective: what is promised.
        rules: the pairs.
        counted: what there was in the last so many seconds.
        fired: whether it fired before. Then a short window without a single request does not end it: nobody may get through.
    """
    found = [one for pair in rules.pairs if (one := _firing(objective, rules, pair, counted, fired=fired)) is not None]
    return min(found, key=lambda one: (one.severity.level, one.pair.long_hours), default=None)


def _firing(
    objective: Objective, rules: BurnRules, pair: BurnPair, counted: Callable[[float], Count], *, fired: bool
) -> Firing | None:
    count = counted(pair.long_seconds)
    if count.bad < rules.least_bad or count.total < rules.least_total:
        return None
    rate = pair.rate(objective)
    long, short = burn(objective, pair.long_seconds, count), burn(objective, pair.short_seconds, counted(pair.short_seconds))
    silent = fired and short.rate is None
    if _below(long, rate) or (_below(short, rate) and not silent):
        return None
    return Firing(pair, long, escalated=not _below(long, pair.escalated_rate(objective)))


def _below(one: Burn, rate: float) -> bool:
    # What burns at exactly the rate, burns at it: a share of two whole numbers is not exact.
    return one.rate is None or one.rate < rate * (1.0 - 1e-9)


def burns(objective: Objective, rules: BurnRules, counted: Callable[[float], Count]) -> tuple[Burn, ...]:
    """How fast the budget is spent in every window that is looked at, the shortest first."""
    windows = sorted({seconds for pair in rules.pairs for seconds in (pair.short_seconds, pair.long_seconds)})
    return tuple(burn(objective, seconds, counted(seconds)) for seconds in windows)


def exhausted_in_days(objective: Objective, left: float | None, rate: float | None) -> float | None:
    """In how many days nothing is left at this rate; None where that is not known, or it is not being spent."""
    if left is None or rate is None or left <= 0.0 or rate <= 0.0:
        return None
    return left * objective.days / rate
