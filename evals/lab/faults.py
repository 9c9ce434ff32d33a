"""What is changed in the shop: the versions that run at first, the harmless ones, and the faults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from middlewatch.records import ChangeKind
from middlewatch.records.errors import BadInput

FIRST_VERSIONS: Mapping[str, str] = {"storefront": "3.2.0", "orders": "5.0.2", "inventory": "2.3.1", "pricing": "1.9.3"}
"""The shop's services and the version of each that runs when a recording begins."""

FIRST_CONFIGURATION: Mapping[str, Mapping[str, int]] = {"pricing": {"quote_cache_seconds": 3600}}


@dataclass(frozen=True, slots=True)
class ShopChange:
    """A change that is really made: a deploy replaces the running process, a config change rewrites a file it watches."""

    service: str
    kind: ChangeKind
    version: str
    description: str
    actor: str
    configuration: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fault:
    """A way to break the shop."""

    name: str
    description: str
    change: ShopChange
    root_cause_kind: str
    root_cause_indicator: str
    """The metric that shows the fault most directly."""


HARMLESS_DEPLOYS = (
    ShopChange("storefront", ChangeKind.DEPLOY, "3.2.1", "Roll out 3.2.1: new page footer", "ci"),
    ShopChange("orders", ChangeKind.DEPLOY, "5.0.3", "Roll out 5.0.3: wording of the confirmation", "ci"),
    ShopChange("inventory", ChangeKind.DEPLOY, "2.3.2", "Roll out 2.3.2: update of dependencies", "ci"),
    ShopChange("pricing", ChangeKind.DEPLOY, "1.9.4", "Roll out 1.9.4: update of dependencies", "ci"),
)

_ALL = (
    Fault(
        name="dropped-index",
        description="inventory 2.4.0 migrates its database and drops the index that its most frequent query needs",
        change=ShopChange("inventory", ChangeKind.DEPLOY, "2.4.0", "Roll out 2.4.0: daily stock report", "ci"),
        root_cause_kind="dropped_index",
        root_cause_indicator="db.client.operation.duration.mean",
    ),
    Fault(
        name="connection-leak",
        description="orders 5.1.0 does not return its database connection to the pool for customers without orders",
        change=ShopChange("orders", ChangeKind.DEPLOY, "5.1.0", "Roll out 5.1.0: friendlier empty order history", "ci"),
        root_cause_kind="connection_leak",
        root_cause_indicator="db.client.connection.count",
    ),
    Fault(
        name="cache-off",
        description="a configuration change of pricing turns its cache of quotes off, so that each one is computed anew",
        change=ShopChange(
            "pricing", ChangeKind.CONFIG, "", "quote_cache_seconds: 3600 -> 0", "operations", {"quote_cache_seconds": 0}
        ),
        root_cause_kind="cache_disabled",
        root_cause_indicator="process.cpu.utilization",
    ),
)


FAULTS: Mapping[str, Fault] = {fault.name: fault for fault in _ALL}
"""Every fault that can be recorded, by its name."""


def faults() -> list[Fault]:
    """Every fault that can be recorded."""
    return list(FAULTS.values())


def fault_named(name: str) -> Fault:
    """The fault with this name.

    Raises:
        BadInput: there is none.
    """
    if name not in FAULTS:
        raise BadInput(f"There is no fault named {name!r}.", remedy=f"Choose one of: {', '.join(FAULTS)}.")
    return FAULTS[name]
