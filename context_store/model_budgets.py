"""What language models may spend: set aside before a call, settled after it, per investigation and per day of a tenant.

A reservation is spent the moment it is granted, so whoever dies with one has spent it, and no two processes spend the same twice.

An alert storm cannot starve the next incident, by three rules. Half of the day is open at midnight (UTC), and the other half opens
evenly by the hour. Ten minutes take at most a quarter of what is open and left when they begin. And within them nobody goes on who
would leave less than three times what they took before. So an incident that begins ten minutes after a storm finds three quarters
of what the storm found; however long a storm lasts, a 48th of the day is open anew with every hour; and in the midst of it whoever
has taken nothing is served as long as there is anything, and those that took most are the first to stop. A fixed part for each
incident would be too little on a quiet day, and nothing after the last part was given away.

Days are those of the store's own clock. No backup has the accounts: a store that is restored elsewhere begins the day anew.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from middlewatch.context_store import scripts
from middlewatch.context_store.keys import budget_keys
from middlewatch.context_store.script import Server
from middlewatch.records.errors import BadInput

AT_MIDNIGHT_PERCENT: Final = 50
"""Of a day's budget that is open from its beginning: a bad night may take half of it (chosen, not derived)."""
WINDOW_SECONDS: Final = 600.0
"""How long one burst of alerts lasts at most, about (chosen, not derived). An hour is a whole number of them."""
WINDOW_PART: Final = 4
"""Of what is open and left, one window takes this part (chosen, not derived)."""
LEFT_FOR_OTHERS: Final = 3
"""Times what an investigation took before must be left of the window when it goes on; alone, it takes about a quarter of that
(chosen, not derived)."""
KEPT_DAYS: Final = 8
"""Accounts of days that are kept: a week for whoever looks, and for a clock that jumped and comes back."""
KEPT_SECONDS: Final = 32 * 24 * 3600.0
"""After the last reservation; much longer than an investigation takes (chosen, not derived)."""

_MILLIONTHS: Final = 1_000_000
_LARGEST: Final = 10**14
"""Redis' scripts write no more digits than that of a number."""
_AMOUNTS: Final = ("calls", "dollars", "tokens")


@dataclass(frozen=True, slots=True)
class Spending:
    """What calls of language models cost, or may cost."""

    calls: int = 0
    dollars: float = 0.0
    """0 where the price of the model is not known: calls and tokens bound it then."""
    tokens: int = 0
    """Read and written, those of a cache included."""

    def amounts(self) -> list[int]:
        """As the store counts them; parts of a millionth of a dollar count as one.

        Raises:
            BadInput: one of them is negative, not finite, or too large to be counted.
        """
        counted = (self.calls, self.dollars * _MILLIONTHS, self.tokens)
        if not all(math.isfinite(each) and 0 <= each < _LARGEST for each in counted):
            raise BadInput(
                "A budget or a cost is negative or too large.", remedy="Give numbers of at least 0 and below ten million."
            )
        return [self.calls, math.ceil(round(self.dollars * _MILLIONTHS, 3)), self.tokens]

    @classmethod
    def of(cls, amounts: list[int]) -> Spending:
        """From what the store counts."""
        calls, millionths, tokens = amounts
        return cls(calls, millionths / _MILLIONTHS, tokens)


@dataclass(frozen=True, slots=True)
class BudgetLimits:
    """What may be spent."""

    investigation: Spending = Spending(calls=20, dollars=0.50, tokens=20 * 14_000)
    """Of one investigation: 20 calls of 12,000 tokens read and 2,000 written."""
    day: Spending = Spending(calls=1000, dollars=25.0, tokens=1000 * 14_000)
    """Of all investigations of a tenant on one day: fifty that take all they may (chosen, not derived)."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """What was set aside for one call. It is spent until it is settled."""

    id: str
    investigation: str
    estimate: Spending


@dataclass(frozen=True, slots=True)
class Exhausted:
    """Why a call may not be made."""

    whose: str
    """'investigation'; 'day'; or 'share', where what is left of the day is kept for those that took less."""
    amount: str
    """'calls', 'dollars' or 'tokens'."""
    spent: float
    """By the investigation; for 'day' by all."""
    limit: float
    """Of the investigation, or how far the day may be spent now; for 'share' what is left of that."""

    @property
    def words(self) -> str:
        """What follows 'had no budget left for another call' in the report."""
        limit, are = _written(self.amount, self.limit), "is" if self.limit == 1 else "are"
        match self.whose:
            case "investigation":
                return f"one investigation may take {limit} (`{self.amount}` in models.toml)"
            case "day":
                return f"today's {limit} {are} taken for now (`day_{self.amount}` in models.toml)"
            case _:
                return f"today's last {limit} for now {are} kept for incidents that took less (`day_{self.amount}` in models.toml)"


@dataclass(frozen=True, slots=True)
class Standing:
    """What was spent so far, reservations that stand included."""

    investigation: Spending
    today: Spending


class ModelBudgets:
    """The accounts of a tenant. Every method may raise `StoreUnavailable`, `StoreFull` and `StaleEpoch`."""

    def __init__(self, server: Server, tenant: str, limits: BudgetLimits) -> None:
        self._server = server
        self._tenant = tenant
        self._limits = limits

    def reserve(self, investigation: str, estimate: Spending) -> Reservation | Exhausted:
        """Set aside what a call may cost at most; it is not to be made where this is not granted.

        Args:
            investigation: whose call it is.
            estimate: the most that it can come to; what a call costs beyond is counted when it is settled, and may go past a limit.

        Raises:
            BadInput: an amount cannot be counted.
        """
        reservation = Reservation(uuid4().hex, investigation, estimate)
        reply = scripts.reserve_budget(
            self._server,
            budget_keys(self._tenant, investigation),
            reservation=reservation.id,
            estimate=estimate.amounts(),
            most=self._limits.investigation.amounts(),
            day=self._limits.day.amounts(),
            at_midnight=AT_MIDNIGHT_PERCENT,
            window_ms=int(WINDOW_SECONDS * 1000),
            window_part=WINDOW_PART,
            leave=LEFT_FOR_OTHERS,
            kept_days=KEPT_DAYS,
            keep_ms=int(KEPT_SECONDS * 1000),
        )
        if reply[0] == "OK":
            return reservation
        _, whose, number, spent, limit = reply
        amount = _AMOUNTS[number - 1]
        scale = _MILLIONTHS if amount == "dollars" else 1
        return Exhausted(whose, amount, spent / scale, limit / scale)

    def settle(self, reservation: Reservation, actual: Spending) -> bool:
        """Put what a call really cost in the place of what was set aside. Settled again, nothing changes.

        Returns:
            Whether it stood.
        """
        keys = budget_keys(self._tenant, reservation.investigation)
        return bool(scripts.settle_budget(self._server, keys, reservation=reservation.id, actual=actual.amounts())[1])

    def standing(self, investigation: str) -> Standing:
        """What was spent."""
        _, own, today = scripts.look_budget(self._server, budget_keys(self._tenant, investigation))
        return Standing(Spending.of(own), Spending.of(today))


def _written(amount: str, number: float) -> str:
    if amount == "dollars":
        return f"${number:,.2f}"
    return f"{number:,.0f} {amount.removesuffix('s') if number == 1 else amount}"
