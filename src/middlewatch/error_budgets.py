"""How objectives stand, from what was counted of them. It reads the store alone, so whoever acts can ask it as well."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from middlewatch.context_store.objective_counts import CountStore
from middlewatch.context_store.script import Server
from middlewatch.records import BudgetStanding, BudgetState, Objective
from middlewatch.service_catalogue import Declarations, ServiceCatalogue
from middlewatch.tools.budgets import BurnRules, Count, Firing, budget_left, burns, firing, is_enough, state_of, worst
from middlewatch.tools.objective_counts import Counts, Series


class ErrorBudgets:
    """The standing of a tenant's objectives. Every method may raise `StoreUnavailable` and `StaleEpoch`."""

    def __init__(self, server: Server, tenant: str, catalogue: ServiceCatalogue) -> None:
        self.catalogue = catalogue
        self._store = CountStore(server, tenant)
        self._tenant = tenant

    def standings(self) -> tuple[BudgetStanding, ...]:
        """Of every objective, in the order of the file."""
        declared = self.catalogue.usable()
        return self._standings(declared.objectives, declared.burn)

    def of(self, service: str) -> tuple[BudgetStanding, ...]:
        """Of the objectives that name a service."""
        declared = self.catalogue.usable()
        return self._standings(_naming(declared, service), declared.burn)

    def budget(self, tenant: str, target: str) -> BudgetState | None:
        """How much is left of the budget of a target, the worst of several; None where nobody declared one, or nothing is known.

        Raises:
            Misconfigured: the file cannot be used; what gives leave to act does not guess.
        """
        if tenant != self._tenant:
            return None
        declared = self.catalogue.declared()
        return worst(one.state for one in self._standings(_naming(declared, target), declared.burn))

    def counts(self, objectives: Sequence[Objective]) -> tuple[Counts, ...]:
        """What was counted of each."""
        stored = self._store.read([Series.of(one).id for one in objectives])
        return tuple(
            Counts(
                minutes={start: Count(*pair) for start, pair in found.minutes.items()},
                hours={start: Count(*pair) for start, pair in found.hours.items()},
                at=found.at,
            )
            for found in stored
        )

    def _standings(self, objectives: Sequence[Objective], rules: BurnRules) -> tuple[BudgetStanding, ...]:
        return tuple(
            standing(objective, rules, counts) for objective, counts in zip(objectives, self.counts(objectives), strict=True)
        )


def standing(objective: Objective, rules: BurnRules, counts: Counts) -> BudgetStanding:
    """How one objective stands by what was counted of it."""
    count, covered = counts.over(objective.days)
    left = budget_left(objective, count, covered)
    fires = firing(objective, rules, counts.within)
    return BudgetStanding(
        objective=objective,
        at=datetime.fromtimestamp(counts.at or 0.0, UTC),
        covered_days=covered,
        left=left,
        state=state_of(left, enough=is_enough(objective, count, covered)),
        burns=burns(objective, rules, counts.within),
        firing="" if fires is None else in_words(fires),
    )


def in_words(fires: Firing) -> str:
    """The alert that fires, as the end of a sentence about its objective."""
    pair, rate = fires.pair, fires.long.rate or 0.0
    spent = f"the error budget is spent {rate:.3g} times as fast as it lasts"
    over = f"over the last {_span(pair.long_seconds)}, and still in the last {_span(pair.short_seconds)}"
    return f"{spent} {over}"


def _span(seconds: float) -> str:
    hours, minutes = seconds / 3600.0, seconds / 60.0
    if hours >= 1.0:
        return "hour" if hours == 1.0 else f"{hours:g} hours"
    return "minute" if minutes == 1.0 else f"{minutes:g} minutes"


def _naming(declared: Declarations, service: str) -> tuple[Objective, ...]:
    return tuple(one for one in declared.objectives if service in one.services)
