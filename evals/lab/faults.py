"""The faults: what they are called, what kind of cause they are, and how they are done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from middlewatch.evals.lab.changes import configure, deploy
from middlewatch.evals.lab.ways import (
    BadNetwork,
    BadPrices,
    BankTrouble,
    Changed,
    Frozen,
    FullDisk,
    LockedDatabase,
    LostCache,
    MoreCustomers,
    Neighbours,
    PoisonedOrder,
    StallingStorage,
    Way,
    WrongClock,
)
from middlewatch.records.errors import BadInput

QUIET = "quiet"
"""In the place of a fault: nothing is wrong, and the alert is a false alarm."""
INNOCENT_DEPLOY, SURGE, ODD_METRIC = "innocent-deploy", "surge", "odd-metric"
"""Likewise, and a release that changes nothing went out just before; or more customers than usual come, and are served well; or a
container looks busy with something that nobody waits for."""


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


_EVERYWHERE_BETWEEN = ("catalogue", "inventory", "checkout", "cart", "payment")
"""Services that others call."""

_ALL = (
    Fault(
        "dropped-index",
        FaultKind.CODE_SLOW_PATH,
        "inventory 2.4.0 migrates its database and drops the index that its most frequent query needs",
        "db.client.operation.duration.mean",
        (Changed(deploy("inventory", "2.4.0", "daily stock report")),),
    ),
    Fault(
        "one-by-one",
        FaultKind.CODE_SLOW_PATH,
        "a release asks for everything about a list one by one: gateway 3.3.0 other services, catalogue 2.1.0 its database",
        "http.server.request.duration.p99",
        (
            Changed(deploy("gateway", "3.3.0", "stock on category pages")),
            Changed(deploy("catalogue", "2.1.0", "related products")),
        ),
    ),
    Fault(
        "slow-signature",
        FaultKind.CODE_SLOW_PATH,
        "checkout 5.3.0 signs every confirmation, or payment 6.3.0 checks every charge, with far too many rounds",
        "http.server.request.duration.p99",
        (
            Changed(deploy("checkout", "5.3.0", "signed confirmations")),
            Changed(deploy("payment", "6.3.0", "check for fraud")),
        ),
    ),
    Fault(
        "missing-market",
        FaultKind.CODE_EXCEPTION,
        "catalogue 2.0.0 names the market of each quote and has none for a quarter of the categories",
        "http.server.request.error.ratio",
        (Changed(deploy("catalogue", "2.0.0", "markets")),),
    ),
    Fault(
        "bad-canary",
        FaultKind.CODE_EXCEPTION,
        "checkout 5.4.0, rolled out to one of two instances, fails for customers without a loyalty tier",
        "http.server.request.error.ratio",
        (Changed(deploy("checkout", "5.4.0", "loyalty tiers", instances=1)),),
    ),
    Fault(
        "unknown-case",
        FaultKind.CODE_EXCEPTION,
        "payment 6.2.0 fails for the cards that it does not know, cart 4.2.0 for customers without a voucher",
        "http.server.request.error.ratio",
        (
            Changed(deploy("payment", "6.2.0", "card brands")),
            Changed(deploy("cart", "4.2.0", "vouchers")),
        ),
    ),
    Fault(
        "wrong-answer",
        FaultKind.CODE_WRONG_RESULT,
        "a release answers without an error, and wrongly: inventory 2.5.0 in whole pallets, cart 4.3.0 without the lines",
        "shop.checkout.refused.ratio",
        (
            Changed(deploy("inventory", "2.5.0", "stock by storage unit")),
            Changed(deploy("cart", "4.3.0", "minimum quantities")),
        ),
    ),
    Fault(
        "connection-leak",
        FaultKind.RESOURCE_SATURATION,
        "checkout 5.1.0 or inventory 2.6.0 does not return its database connection to the pool in some cases",
        "db.client.connection.count",
        (
            Changed(deploy("checkout", "5.1.0", "friendlier empty order history")),
            Changed(deploy("inventory", "2.6.0", "bulk reservations")),
        ),
    ),
    Fault(
        "memory-leak",
        FaultKind.RESOURCE_SATURATION,
        "gateway 3.4.0 or cart 4.4.0 keeps something of every request, until its container is ended and started again",
        "process.memory.usage",
        (
            Changed(deploy("gateway", "3.4.0", "session replay")),
            Changed(deploy("cart", "4.4.0", "cart previews")),
        ),
    ),
    Fault(
        "noisy-neighbour",
        FaultKind.RESOURCE_SATURATION,
        "other processes in the container of one instance take most of its processor",
        "container.cpu.usage",
        (Neighbours("catalogue"), Neighbours("inventory"), Neighbours("checkout")),
    ),
    Fault(
        "full-disk",
        FaultKind.RESOURCE_SATURATION,
        "the small disk that payment's receipts, or the mails of notifications, are written to is full",
        "system.filesystem.utilization",
        (FullDisk("payment"), FullDisk("notifications")),
    ),
    Fault(
        "cache-off",
        FaultKind.CONFIGURATION,
        "a configuration change of the catalogue turns its cache of quotes off, so that each one is computed anew",
        "process.cpu.utilization",
        (Changed(configure("catalogue", quote_cache_seconds=0)),),
    ),
    Fault(
        "zero-timeout",
        FaultKind.CONFIGURATION,
        "a configuration change sets a timeout to 0, which does not turn it off: no call gets an answer",
        "http.client.request.error.ratio",
        (
            Changed(configure("checkout", upstream_timeout_ms=0)),
            Changed(configure("cart", upstream_timeout_ms=0)),
            Changed(configure("payment", bank_timeout_ms=0)),
        ),
    ),
    Fault(
        "retry-storm",
        FaultKind.CONFIGURATION,
        "a configuration change makes calls impatient and tries them again at once, which makes everything slower and fail more",
        "http.client.request.rate",
        (
            Changed(configure("gateway", upstream_timeout_ms=20, upstream_retries=6)),
            Changed(configure("checkout", upstream_timeout_ms=12, upstream_retries=6)),
        ),
    ),
    Fault(
        "expired-credential",
        FaultKind.CONFIGURATION,
        "the credential that payment shows to the bank has expired",
        "http.client.request.error.ratio",
        (BankTrouble(expired=True),),
    ),
    Fault(
        "slow-network",
        FaultKind.NETWORK,
        "everything sent to a service, and every answer of it, arrives late",
        "http.client.request.duration.mean",
        tuple(BadNetwork(service, delay_seconds=0.15) for service in _EVERYWHERE_BETWEEN),
    ),
    Fault(
        "lossy-network",
        FaultKind.NETWORK,
        "a share of the connections to a service is reset",
        "http.client.request.error.ratio",
        tuple(BadNetwork(service, loss=0.5) for service in _EVERYWHERE_BETWEEN),
    ),
    Fault(
        "stalling-storage",
        FaultKind.DEPENDENCY_FAILURE,
        "a service's Redis stands still half of the time",
        "db.client.operation.duration.p99",
        (StallingStorage("catalogue", "prices"), StallingStorage("cart", "carts")),
    ),
    Fault(
        "locked-database",
        FaultKind.DEPENDENCY_FAILURE,
        "another program holds the write lock of a service's database",
        "db.client.operation.error.ratio",
        (LockedDatabase("payment"), LockedDatabase("inventory")),
    ),
    Fault(
        "bank-trouble",
        FaultKind.DEPENDENCY_FAILURE,
        "the bank that payment calls is slow, or most charges fail there",
        "http.client.request.duration.p99",
        (BankTrouble(seconds=1.2), BankTrouble(failing=0.7)),
    ),
    Fault(
        "lost-cache",
        FaultKind.DEPENDENCY_FAILURE,
        "the catalogue's Redis has no room for quotes any more, so that nothing stays cached",
        "http.server.request.duration.p99",
        (LostCache(),),
    ),
    Fault(
        "load-spike",
        FaultKind.LOAD,
        "many times the usual number of customers come",
        "http.server.request.rate",
        (MoreCustomers(12.0),),
    ),
    Fault(
        "poisoned-order",
        FaultKind.DATA_OR_QUEUE,
        "notifications cannot read the postcode of one order and never gets to those behind it",
        "shop.mails.backlog",
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
        (Frozen("inventory"), Frozen("catalogue"), Frozen("checkout"), Frozen("payment")),
    ),
    Fault(
        "wrong-clock",
        FaultKind.INFRASTRUCTURE,
        "the clock of payment's machine is ten minutes slow, and the bank refuses what it signs",
        "http.client.request.error.ratio",
        (WrongClock(),),
    ),
)


FAULTS: Mapping[str, Fault] = {fault.name: fault for fault in _ALL}
"""Every fault that can be recorded, by its name."""

HELD_OUT = ("full-disk", "expired-credential", "lost-cache", "wrong-clock")
"""Faults that no rule of an analysis was ever tuned on: whoever works on those looks at recordings of the others only."""

DECOYS: Mapping[str, tuple[Way, ...]] = {
    QUIET: (),
    INNOCENT_DEPLOY: (),  # the schedule has it deployed just before the alarm
    SURGE: (MoreCustomers(1.8),),
    ODD_METRIC: (Neighbours("cart", count=1, polite=True), Neighbours("notifications", count=1, polite=True)),
}
"""What may happen beside a false alarm: nothing, or something that harms nobody. One of the ways is drawn."""

DECOYS_TOLD: Mapping[str, str] = {
    QUIET: "nothing is wrong: the alert is a false alarm",
    INNOCENT_DEPLOY: "likewise, and a release that changes nothing went out just before",
    SURGE: "likewise, and nearly twice as many customers come, who are served well",
    ODD_METRIC: "likewise, and a container looks busy with something that nobody waits for",
}
"""The same in words."""

PAIRS = ("one-by-one+bad-canary", "stalling-storage+slow-signature")
"""Independent faults at once."""

SUITE = (*FAULTS, *PAIRS, *DECOYS)
"""What is recorded where everything is: each fault, two pairs of independent ones at once, and false alarms of every kind."""


def faults() -> list[Fault]:
    """Every fault that can be recorded."""
    return list(FAULTS.values())


def fault_named(name: str) -> Fault:
    """The fault with this name.

    Raises:
        BadInput: there is none.
    """
    if name not in FAULTS:
        known = f"{', '.join(FAULTS)}, or for a false alarm {', '.join(DECOYS)}"
        raise BadInput(f"There is no fault named {name!r}.", remedy=f"Choose one of: {known}.")
    return FAULTS[name]
