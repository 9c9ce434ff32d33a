"""The ways in which the shop is broken, each of them for real, and how each is taken back."""

from __future__ import annotations

import http.client
import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from middlewatch.evals.lab.changes import INSTANCES, ShopChange
from middlewatch.evals.lab.child import Child
from middlewatch.evals.lab.data import CATEGORIES, PRODUCTS, price_list, sku
from middlewatch.evals.lab.run_folder import SHIPMENTS
from middlewatch.evals.lab.shop import AppliedChange, Shop
from middlewatch.records.errors import Unavailable

_SABOTEURS = "middlewatch.evals.lab.saboteurs"
_FOREVER_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Done:
    """A fault that was done to the shop."""

    at: datetime
    take_back: Callable[[], tuple[AppliedChange, ...]]
    """Undoes it and returns the changes which that took."""
    instance: str | None = None
    """The one instance that is affected; None where all of its service are."""
    changes: tuple[AppliedChange, ...] = ()
    """What was changed in a way that is recorded as a change; most faults are not."""


class Way(Protocol):
    """A way to break one service."""

    @property
    def service(self) -> str:
        """Where the cause is: what the label names."""

    def do(self, shop: Shop) -> Done:
        """Break the shop."""


@dataclass(frozen=True, slots=True)
class Changed:
    """A change of version or settings that turns out to be a bad one; it is rolled back."""

    change: ShopChange

    @property
    def service(self) -> str:
        return self.change.service

    def do(self, shop: Shop) -> Done:
        undoing = shop.undoing(self.change)
        applied = shop.apply(self.change)
        alone = len(applied.instances) == 1
        return Done(applied.time, lambda: (shop.apply(undoing),), applied.instances[0] if alone else None, (applied,))


@dataclass(frozen=True, slots=True)
class BadNetwork:
    """Everything that is sent to the service or answered by it is late, or some connections to it are reset."""

    service: str
    delay_seconds: float = 0.0
    """On average, in each direction."""
    loss: float = 0.0
    """The share of requests whose connection is reset."""

    def do(self, shop: Shop) -> Done:
        ports = shop.folder.root / f"network-of-{self.service}.ports"
        ports.unlink(missing_ok=True)
        addresses = [instance.address for instance in shop.instances(self.service)]
        options = ("--ports", str(ports), "--delay", str(self.delay_seconds), "--loss", str(self.loss))
        network = shop.start("bad network", f"{_SABOTEURS}.network", (*options, *addresses))
        network.await_(ports.exists)
        at = datetime.now(UTC)
        shop.redirect(self.service, [f"127.0.0.1:{port}" for port in ports.read_text(encoding="ascii").split()])

        def take_back() -> tuple[AppliedChange, ...]:
            shop.restore(self.service)
            time.sleep(shop.options.overlap_seconds)  # for what is under way
            network.stop()
            return ()

        return Done(at, take_back)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Other processes in the container of one instance, which may use one processor in all, take most of it."""

    service: str
    count: int = 16

    def do(self, shop: Shop) -> Done:
        victim = shop.instances(self.service)[0]
        processors = _processors()
        at = datetime.now(UTC)
        _pin(victim.process, {max(processors)})
        neighbours = [shop.start("neighbour", f"{_SABOTEURS}.neighbour", ()) for _ in range(self.count)]
        for neighbour in neighbours:
            _pin(neighbour, {max(processors)})
        shop.folder.replace(shop.folder.container(victim.name), "\n".join(str(neighbour.pid) for neighbour in neighbours))

        def take_back() -> tuple[AppliedChange, ...]:
            for neighbour in neighbours:
                neighbour.ask_to_stop()
            for neighbour in neighbours:
                neighbour.stop()
            shop.folder.container(victim.name).unlink()
            _pin(victim.process, processors)
            return ()

        return Done(at, take_back, victim.name)


@dataclass(frozen=True, slots=True)
class Frozen:
    """One instance stops in the middle of what it does: connections are accepted, and nothing is answered."""

    service: str

    def do(self, shop: Shop) -> Done:
        victim = shop.instances(self.service)[0]
        at = datetime.now(UTC)
        return Done(
            at, _stall(shop, victim.process.pid, _FOREVER_SECONDS, 0.0), victim.name if INSTANCES[self.service] > 1 else None
        )


@dataclass(frozen=True, slots=True)
class StallingStorage:
    """The machine of pricing's Redis stops it again and again."""

    service: str = "pricing"
    seconds: float = 0.4
    """How long it is stopped, and then how long it runs."""

    def do(self, shop: Shop) -> Done:
        at = datetime.now(UTC)
        return Done(at, _stall(shop, shop.storage_pid("redis"), self.seconds, self.seconds))


@dataclass(frozen=True, slots=True)
class LockedDatabase:
    """Another program, such as a backup, holds the write lock of the orders' database and does not let go."""

    service: str = "orders"

    def do(self, shop: Shop) -> Done:
        at = datetime.now(UTC)
        holder = shop.start("backup", f"{_SABOTEURS}.lock", ("--database", str(shop.folder.orders_database)))

        def take_back() -> tuple[AppliedChange, ...]:
            holder.stop()
            return ()

        return Done(at, take_back)


@dataclass(frozen=True, slots=True)
class MoreCustomers:
    """Many times the usual number of customers come, to a shop that is all right."""

    factor: float
    service: str = "storefront"

    def do(self, shop: Shop) -> Done:
        at = datetime.now(UTC)
        shop.set_rate(self.factor * shop.options.requests_per_second)

        def take_back() -> tuple[AppliedChange, ...]:
            shop.set_rate(shop.options.requests_per_second)
            return ()

        return Done(at, take_back)


@dataclass(frozen=True, slots=True)
class PoisonedOrder:
    """Somebody abroad orders: shipping cannot read the postcode, tries again for ever, and all other orders wait behind it."""

    service: str = "shipping"
    postcode: str = "SW1A 1AA"

    def do(self, shop: Shop) -> Done:
        at = datetime.now(UTC)
        (storefront, *_) = shop.instances("storefront")
        connection = http.client.HTTPConnection(storefront.address, timeout=10.0)
        path = f"/checkout?customer=7&sku={sku(3)}&quantity=1&postcode={quote(self.postcode)}"
        try:
            connection.request("POST", path)
            accepted = json.load(connection.getresponse()).get("accepted")
        except (OSError, http.client.HTTPException, ValueError):
            accepted = False
        finally:
            connection.close()
        if not accepted:
            raise Unavailable("The shop did not accept the order that was to disturb it.", remedy="Record again.")

        def take_back() -> tuple[AppliedChange, ...]:
            with shop.storage("queue") as client:
                waiting = [raw for raw in _texts(client.lrange(SHIPMENTS, 0, -1)) if self.postcode in raw]
                for raw in waiting:
                    client.lrem(SHIPMENTS, 0, raw)
            return ()

        return Done(at, take_back)


@dataclass(frozen=True, slots=True)
class BadPrices:
    """An import of prices writes a word where numbers belong, for three categories in ten."""

    service: str = "pricing"
    categories: tuple[int, ...] = tuple(number for number in range(CATEGORIES) if number % 10 in {1, 4, 7})

    def do(self, shop: Shop) -> Done:
        concerned = [sku(number) for number in range(PRODUCTS) if number % CATEGORIES in self.categories]
        usual = price_list(seed=shop.options.seed)

        def write(prices: Mapping[str, str | int]) -> None:
            with shop.storage("redis") as client:
                client.hset("prices", mapping=dict(prices.items()))
                client.delete(*(f"quote:{name}" for name in prices))

        def take_back() -> tuple[AppliedChange, ...]:
            write({name: usual[name] for name in concerned})
            return ()

        at = datetime.now(UTC)
        write(dict.fromkeys(concerned, "on request"))
        return Done(at, take_back)


def _stall(shop: Shop, pid: int, stopped: float, running: float) -> Callable[[], tuple[AppliedChange, ...]]:
    """Stop and continue a process by turns; the function returned ends it."""
    arguments = ("--pid", str(pid), "--stopped", str(stopped), "--running", str(running))
    stalling = shop.start("stall", f"{_SABOTEURS}.stall", arguments)

    def take_back() -> tuple[AppliedChange, ...]:
        stalling.stop()
        return ()

    return take_back


def _texts(answer: object) -> list[str]:
    """The strings of a list that Redis answered."""
    items = answer if isinstance(answer, list) else []
    return [item.decode() if isinstance(item, bytes) else str(item) for item in items]


def _processors() -> set[int]:
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else {0}


def _pin(process: Child, processors: set[int]) -> None:
    """Let every thread of a process run on these processors alone. Where the system cannot, neighbours disturb all alike."""
    if not hasattr(os, "sched_setaffinity"):
        return
    for thread in Path(f"/proc/{process.pid}/task").iterdir():
        with suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread.name), processors)
