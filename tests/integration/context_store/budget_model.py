"""The accounts of `model_budgets` as plain Python, for `test_model_budgets`."""

from __future__ import annotations

from dataclasses import dataclass, field

from middlewatch.context_store.model_budgets import BudgetLimits, Spending

DAY = 24 * 3600
HOUR = 3600
WINDOW = 600


@dataclass
class Account:
    """Calls, millionths of a dollar and tokens."""

    spent: list[int] = field(default_factory=lambda: [0, 0, 0])
    window: int = -1
    ceiling: list[int] = field(default_factory=lambda: [0, 0, 0])


@dataclass
class Books:
    """What was set aside and spent, of one tenant."""

    limits: BudgetLimits
    own: dict[str, list[int]] = field(default_factory=dict)
    days: dict[int, Account] = field(default_factory=dict)
    held: dict[str, tuple[str, int, list[int]]] = field(default_factory=dict)

    def refuses(self, now: int, investigation: str, estimate: Spending) -> str:
        """Whose budget does not allow it; empty where all do. The account of the window begins with the first who asks."""
        if now // DAY not in self.days:
            nearest = sorted(self.days, key=lambda day: (abs(day - now // DAY), -day))
            self.days = {day: self.days[day] for day in nearest[:7]}
        today = self.days.setdefault(now // DAY, Account())
        if today.window != now // WINDOW:
            today.window = now // WINDOW
            for n, limit in enumerate(self.limits.day.amounts()):
                half = limit / 2
                opened = int(half + half * (now % DAY // HOUR + 1) / 24)
                today.ceiling[n] = today.spent[n] + (opened - today.spent[n]) // 4
        own = self.own.get(investigation, [0, 0, 0])
        for n, amount in enumerate(estimate.amounts()):
            left = today.ceiling[n] - today.spent[n] - amount
            if own[n] + amount > self.limits.investigation.amounts()[n]:
                return "investigation"
            if left < 0:
                return "day"
            if 3 * own[n] > left:
                return "share"
        return ""

    def reserve(self, now: int, name: str, investigation: str, estimate: Spending) -> None:
        """It was granted."""
        self.held[name] = (investigation, now // DAY, estimate.amounts())
        self._add(investigation, now // DAY, estimate.amounts())

    def settle(self, name: str, actual: Spending) -> bool:
        """It cost so much."""
        if name not in self.held:
            return False
        investigation, day, estimate = self.held.pop(name)
        self._add(investigation, day, [a - e for a, e in zip(actual.amounts(), estimate, strict=True)])
        return True

    def _add(self, investigation: str, day: int, amounts: list[int]) -> None:
        own = self.own.setdefault(investigation, [0, 0, 0])
        for n, amount in enumerate(amounts):
            own[n] += amount
            if day in self.days:
                self.days[day].spent[n] += amount
