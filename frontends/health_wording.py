"""Objectives, budgets and golden signals in words, the same in every face. What nobody measured is called unknown."""

from __future__ import annotations

from middlewatch.frontends.quantity import duration, number, quantity
from middlewatch.records import BudgetStanding, BudgetState, Exhaustion, Objective, ObjectiveKind, ServiceHealth, Usage

UNKNOWN = "unknown"
TOO_LITTLE = "too little telemetry to say what is left"
MEANING = {
    BudgetState.FREE: "nothing is asked for",
    BudgetState.CANARY: "canaries are asked for, and forward changes are one tier up",
    BudgetState.FROZEN: "no forward change begins",
    BudgetState.EXHAUSTED: "only what mends reliability begins, and a post-mortem is asked for",
}
"""What follows from the state of a budget, as policy has it."""
_LOOKS = {
    None: "unknown",
    BudgetState.FREE: "good",
    BudgetState.CANARY: "wait",
    BudgetState.FROZEN: "bad",
    BudgetState.EXHAUSTED: "bad",
}


def promise(objective: Objective) -> str:
    """What is promised: "99.9 % answered without an error over 30 days"."""
    what = {
        ObjectiveKind.AVAILABILITY: "answered without an error",
        ObjectiveKind.LATENCY: f"answered within {quantity(objective.threshold_ms or 0.0, 'ms')}",
        ObjectiveKind.CORRECTNESS: "right",
    }[objective.kind]
    where = f", of {' and '.join(objective.operations)}" if objective.operations else ""
    return f"{share(objective.target)} {what} over {number(objective.days)} days{where}"


def share(value: float) -> str:
    """A share in per cent, so that 99.99 % does not read 100 %."""
    return quantity(100.0 * value, "%", 4)


def left(standing: BudgetStanding) -> str:
    """How much of the budget is left, and how long everything could fail for it: "41 % left (4 h 55 min of 12 h)"."""
    if standing.left is None:
        return "nothing was counted"
    if standing.state is None:
        return TOO_LITTLE
    objective = standing.objective
    whole = (1.0 - objective.target) * objective.days * 86400.0
    if standing.left < 0.0:
        spent = 1.0 - standing.left
        return f"overdrawn, {number(100.0 * spent, 3)} % of it spent ({duration(spent * whole)} of {duration(whole)})"
    return f"{number(100.0 * standing.left, 3)} % left ({duration(standing.left * whole)} of {duration(whole)})"


def state(standing: BudgetStanding) -> str:
    """The state in a word, and what follows from it."""
    return UNKNOWN if standing.state is None else f"{standing.state.value}: {MEANING[standing.state]}"


def look(standing: BudgetStanding) -> str:
    """How the state looks: the colour comes after the word."""
    return _LOOKS[standing.state]


def burning(standing: BudgetStanding) -> str:
    """How fast it is spent in every window: "0.3x in 5 min, 1.2x in 1 h"; 1x spends exactly all of it in its days."""
    return ", ".join(
        f"{UNKNOWN if one.rate is None else number(one.rate, 2) + 'x'} in {span(one.window_seconds)}" for one in standing.burns
    )


def span(seconds: float) -> str:
    """A window's length: "5 min", "6 h"."""
    return f"{number(seconds / 3600.0)} h" if seconds >= 3600.0 else f"{number(seconds / 60.0)} min"  # noqa: PLR2004  an hour


def covered(standing: BudgetStanding) -> str:
    """Of how many of its days there is telemetry; empty where of all of them."""
    days = standing.objective.days
    if standing.covered_days >= 0.99 * days:
        return ""
    if standing.state is None:
        return f"telemetry of {duration(86400.0 * standing.covered_days)} out of {number(days)} days"
    return f"telemetry of {duration(86400.0 * standing.covered_days)} out of {number(days)} days; the rest is taken as good"


def per_second(health: ServiceHealth) -> str:
    """Requests a second."""
    return UNKNOWN if health.per_second is None else f"{number(health.per_second)} requests/s"


def errors(health: ServiceHealth) -> str:
    """The share of requests that fail."""
    return UNKNOWN if health.error_share is None else quantity(100.0 * health.error_share, "%")


def latency(health: ServiceHealth) -> str:
    """Within what 99 of 100 requests are answered."""
    return UNKNOWN if health.p99_ms is None else quantity(health.p99_ms, "ms")


def at_a_glance(health: ServiceHealth) -> str:
    """Rate, errors and latency in one line."""
    if health.per_second is None:
        return "no request in the last five minutes, or no telemetry of one"
    return f"{per_second(health)}, {errors(health)} errors, 99 of 100 within {latency(health)}"


def saturation(usage: Usage | None) -> str:
    """The fullest resource: "disk /data 82 % used"."""
    if usage is None:
        return UNKNOWN
    which = f" {usage.what}" if usage.what else ""
    return f"{usage.resource}{which} {number(100.0 * usage.share, 3)} % used"


def filling(one: Exhaustion) -> str:
    """What fills up, and when it is full."""
    which = " ".join(filter(None, (one.usage.resource, one.usage.what, f"of {one.usage.instance}" if one.usage.instance else "")))
    return f"{which}: {one.in_words}"
