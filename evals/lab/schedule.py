"""What happens when in a run. Everything is drawn from the seed before the run starts."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from middlewatch.evals.lab.data import MOVEMENTS
from middlewatch.evals.lab.detection import AlertRule
from middlewatch.evals.lab.faults import HARMLESS_DEPLOYS, ShopChange, fault_named
from middlewatch.records.errors import BadInput

_DECOY_SHARES = ((0.25, 0.5), (0.75, 0.9))
"""When the harmless deploys happen, as shares of the baseline: one in its middle, one not long before the fault."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to record.

    ``baseline_seconds`` of healthy telemetry, then the fault, then ``incident_seconds`` more.
    """

    fault: str
    baseline_seconds: float = 780.0
    incident_seconds: float = 180.0
    requests_per_second: float = 10.0
    seed: int = 1
    stock_movements: int = MOVEMENTS
    """Rows of the inventory's ledger; with more of them, a scan takes longer."""
    warm_up_seconds: float = 20.0
    """Load before the recording starts: the first requests fill caches and open connections."""
    overlap_seconds: float = 2.0
    """How long the old instance lives on after a deploy, so that its last requests end well."""
    metrics_interval_seconds: float = 5.0
    investigation_seconds: float = 75.0
    """How long after the detection the incident's window ends."""
    alert: AlertRule = field(default_factory=AlertRule)

    def __post_init__(self) -> None:
        """Refuse what cannot be run.

        Raises:
            BadInput: an unknown fault, or a time or rate that makes no sense.
        """
        fault_named(self.fault)
        bounds = (
            ("baseline_seconds", self.baseline_seconds, 5.0, 86_400.0),
            ("incident_seconds", self.incident_seconds, 5.0, 86_400.0),
            ("requests_per_second", self.requests_per_second, 0.5, 200.0),
            ("seed", self.seed, 0, 2**63),
        )
        for name, value, lowest, highest in bounds:
            if not lowest <= value <= highest:
                raise BadInput(f"{name} is {value}.", remedy=f"Choose a value from {lowest:g} to {highest:g}.")

    @property
    def total_seconds(self) -> float:
        return self.baseline_seconds + self.incident_seconds


@dataclass(frozen=True, slots=True)
class Step:
    """A change and when it is made, in seconds after the recording starts."""

    at_seconds: float
    change: ShopChange


def schedule(plan: Plan) -> tuple[Step, ...]:
    """The run's changes in order: harmless deploys of other services, then the fault at the end of the baseline."""
    fault = fault_named(plan.fault)
    draw = np.random.default_rng(plan.seed)
    others = [change for change in HARMLESS_DEPLOYS if change.service != fault.change.service]
    chosen = draw.choice(len(others), size=len(_DECOY_SHARES), replace=False)
    decoys = tuple(
        Step(float(draw.uniform(earliest, latest)) * plan.baseline_seconds, others[int(index)])
        for index, (earliest, latest) in zip(chosen, _DECOY_SHARES, strict=True)
    )
    return (*decoys, Step(plan.baseline_seconds, fault.change))
