"""The faults: what they are called, what kind of cause they are, and how they are done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from middlewatch.evals.lab.changes import configure, deploy
from middlewatch.evals.lab.ways import (
    BadNetwork,
    BadPrices,
    Changed,
    Frozen,
    LockedDatabase,
    MoreCustomers,
    Neighbours,
    PoisonedOrder,
    StallingStorage,
    Way,
)
from middlewatch.records.errors import BadInput

QUIET = "quiet"
"""In the place of a fault: nothing is wrong, and the alert is a false alarm."""


class FaultKind(StrEnum):
    """What kind of thing is wrong, in the words of a label."""

    RESOURCE_SATURATION = "resource_saturation"
    DEPENDENCY_FAILURE = "dependency_failure"
    NETWORK = "network"
    CODE_EXCEPTION = "code_exception"
    CODE_WRONG_RESULT = "code_wrong_result"
    CODE_SLOW_PATH = "code_slow_path"
    CONFIGURATION = "configuration"
    LOAD = "load"
    DATA_OR_QUEUE = "data_or_queue"
    INFRASTRUCTURE = "infrastructure"


@dataclass(frozen=True, slots=True)
class Fault:
    """A way to break the shop, in one service or another."""

    name: str
    kind: FaultKind
    description: str
    indicator: str
    """The metric that shows the fault most directly."""
    ways: tuple[Way, ...]
    """One of them is drawn for each incident."""

    @property
    def label(self) -> str:
        """What a label says: the kind, and the fault in detail."""
        return f"{self.kind.value}/{self.name}"


_ALL = (
    Fault(
        "dropped-index",
        FaultKind.CODE_SLOW_PATH,
        "inventory 2.4.0 migrates its database and drops the index that its most frequent query needs",
        "db.client.operation.duration.mean",
        (Changed(deploy("inventory", "2.4.0", "daily stock report")),),
    ),
    Fault(
        "connection-leak",
        FaultKind.RESOURCE_SATURATION,
        "orders 5.1.0 does not return its database connection to the pool for customers without orders",
        "db.client.connection.count",
        (Changed(deploy("orders", "5.1.0", "friendlier empty order history")),),
    ),
    Fault(
        "cache-off",
        FaultKind.CONFIGURATION,
        "a configuration change of pricing turns its cache of quotes off, so that each one is computed anew",
        "process.cpu.utilization",
        (Changed(configure("pricing", quote_cache_seconds=0)),),
    ),
    Fault(
        "zero-timeout",
        FaultKind.CONFIGURATION,
        "a configuration change of orders sets its timeout to 0, which does not turn it off: no call of it gets an answer",
        "http.client.request.error.ratio",
        (Changed(configure("orders", upstream_timeout_ms=0)),),
    ),
    Fault(
        "missing-market",
        FaultKind.CODE_EXCEPTION,
        "pricing 2.0.0 names the market of each quote and has none for a quarter of the categories",
        "http.server.request.error.ratio",
        (Changed(deploy("pricing", "2.0.0", "markets")),),
    ),
    Fault(
        "bad-canary",
        FaultKind.CODE_EXCEPTION,
        "orders 5.4.0, rolled out to one of two instances, fails for customers without a loyalty tier",
        "http.server.request.error.ratio",
        (Changed(deploy("orders", "5.4.0", "loyalty tiers", instances=1)),),
    ),
    Fault(
        "stock-in-pallets",
        FaultKind.CODE_WRONG_RESULT,
        "inventory 2.5.0 gives stock in whole pallets, so that most orders are refused",
        "shop.checkout.refused.ratio",
        (Changed(deploy("inventory", "2.5.0", "stock by storage unit")),),
    ),
    Fault(
        "one-by-one",
        FaultKind.CODE_SLOW_PATH,
        "storefront 3.3.0 asks for stock and price of every product of a category page one by one",
        "http.server.request.duration.p99",
        (Changed(deploy("storefront", "3.3.0", "stock on category pages")),),
    ),
    Fault(
        "slow-signature",
        FaultKind.CODE_SLOW_PATH,
        "orders 5.3.0 signs every confirmation with far too many rounds",
        "http.server.request.duration.p99",
        (Changed(deploy("orders", "5.3.0", "signed confirmations")),),
    ),
    Fault(
        "noisy-neighbour",
        FaultKind.RESOURCE_SATURATION,
        "other processes in the container of one instance take most of its processor",
        "container.cpu.usage",
        (Neighbours("pricing"),),
    ),
    Fault(
        "slow-network",
        FaultKind.NETWORK,
        "everything sent to a service, and every answer of it, arrives late",
        "http.client.request.duration.mean",
        tuple(BadNetwork(service, delay_seconds=0.12) for service in ("pricing", "inventory", "orders")),
    ),
    Fault(
        "lossy-network",
        FaultKind.NETWORK,
        "a share of the connections to a service is reset",
        "http.client.request.error.ratio",
        (BadNetwork("pricing", loss=0.3), BadNetwork("inventory", loss=0.3)),
    ),
    Fault(
        "stalling-storage",
        FaultKind.DEPENDENCY_FAILURE,
        "pricing's Redis stands still half of the time",
        "db.client.operation.duration.p99",
        (StallingStorage(),),
    ),
    Fault(
        "locked-database",
        FaultKind.DEPENDENCY_FAILURE,
        "another program holds the write lock of the orders' database",
        "db.client.operation.error.ratio",
        (LockedDatabase(),),
    ),
    Fault(
        "load-spike",
        FaultKind.LOAD,
        "many times the usual number of customers come",
        "http.server.request.rate",
        (MoreCustomers(14.0),),
    ),
    Fault(
        "poisoned-order",
        FaultKind.DATA_OR_QUEUE,
        "shipping cannot read the postcode of one order and never gets to those behind it",
        "shop.shipping.backlog",
        (PoisonedOrder(),),
    ),
    Fault(
        "bad-prices",
        FaultKind.DATA_OR_QUEUE,
        "an import of prices writes a word where numbers belong",
        "http.server.request.error.ratio",
        (BadPrices(),),
    ),
    Fault(
        "frozen-instance",
        FaultKind.INFRASTRUCTURE,
        "one of two instances of a service stands still, and callers wait for it",
        "process.cpu.utilization",
        (Frozen("inventory"), Frozen("pricing"), Frozen("orders")),
    ),
)


FAULTS: Mapping[str, Fault] = {fault.name: fault for fault in _ALL}
"""Every fault that can be recorded, by its name."""


SUITE = (*FAULTS, "one-by-one+bad-canary", "stalling-storage+slow-signature", QUIET, QUIET, QUIET, QUIET)
"""What is recorded where everything is: each fault, two pairs of independent ones at once, and false alarms."""


def faults() -> list[Fault]:
    """Every fault that can be recorded."""
    return list(FAULTS.values())


def fault_named(name: str) -> Fault:
    """The fault with this name.

    Raises:
        BadInput: there is none.
    """
    if name not in FAULTS:
        known = f"{', '.join(FAULTS)}, or {QUIET} for a false alarm"
        raise BadInput(f"There is no fault named {name!r}.", remedy=f"Choose one of: {known}.")
    return FAULTS[name]
