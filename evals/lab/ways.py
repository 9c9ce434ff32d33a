"""The ways in which the shop is broken, each of them for real, and how each is taken back."""

from __future__ import annotations

import http.client
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

import redis

from middlewatch.evals.lab.changes import INSTANCES, ShopChange
from middlewatch.evals.lab.child import Child
from middlewatch.evals.lab.data import CATEGORIES, PRODUCTS, price_list, sku
from middlewatch.evals.lab.run_folder import MAILS
from middlewatch.evals.lab.shop import AppliedChange, Shop
from middlewatch.evals.lab.surroundings import VOLUME_BYTES, VOLUME_USED_BYTES
from middlewatch.records.errors import Unavailable

_SABOTEURS = "middlewatch.evals.lab.saboteurs"
_FOREVER_SECONDS = 86_400.0
_LAST = 19
"""The niceness of what comes after everything else."""


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
    polite: bool = False
    """Whether they take only what nobody else wants: a container that looks busy, and harms nobody."""

    def do(self, shop: Shop) -> Done:
        victim = shop.instances(self.service)[0]
        processors = _processors()
        at = datetime.now(UTC)
        if not self.polite:
            _pin(victim.process, {max(processors)})
        neighbours = [shop.start("neighbour", f"{_SABOTEURS}.neighbour", ()) for _ in range(self.count)]
        for neighbour in neighbours:
            if self.polite:
                os.setpriority(os.PRIO_PROCESS, neighbour.pid, _LAST)
            else:
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
    """The machine of a service's Redis stops it again and again."""

    service: str
    storage: str
    """Which Redis server it is."""
    seconds: float = 0.4
    """How long it is stopped, and then how long it runs."""

    def do(self, shop: Shop) -> Done:
        at = datetime.now(UTC)
        return Done(at, _stall(shop, shop.storage_pid(self.storage), self.seconds, self.seconds))


@dataclass(frozen=True, slots=True)
class LockedDatabase:
    """Another program, such as a backup, holds the write lock of a service's database and does not let go.

    Payment and checkout have one database together. Payment writes to it first: no order gets as far as checkout's own write.
    """

    service: str

    def do(self, shop: Shop) -> Done:
        database = {"payment": shop.folder.orders_database, "inventory": shop.folder.inventory_database}[self.service]
        at = datetime.now(UTC)
        holder = shop.start("backup", f"{_SABOTEURS}.lock", ("--database", str(database)))

        def take_back() -> tuple[AppliedChange, ...]:
            holder.stop()
            return ()

        return Done(at, take_back)


@dataclass(frozen=True, slots=True)
class MoreCustomers:
    """Many times the usual number of customers come, to a shop that is all right."""

    factor: float
    service: str = "gateway"

    def do(self, shop: Shop) -> Done:
        at = datetime.now(UTC)
        shop.set_rate(self.factor * shop.options.requests_per_second)

        def take_back() -> tuple[AppliedChange, ...]:
            shop.set_rate(shop.options.requests_per_second)
            return ()

        return Done(at, take_back)


@dataclass(frozen=True, slots=True)
class PoisonedOrder:
    """Somebody abroad orders: notifications cannot read the postcode, tries again for ever, and all other mails wait behind it."""

    service: str = "notifications"
    postcode: str = "SW1A 1AA"

    def do(self, shop: Shop) -> Done:
        at = datetime.now(UTC)
        _post(shop, f"/cart?customer=7&sku={sku(3)}&quantity=1")
        if not _post(shop, f"/checkout?customer=7&postcode={quote(self.postcode)}").get("accepted"):
            raise Unavailable("The shop did not accept the order that was to disturb it.", remedy="Record again.")

        def take_back() -> tuple[AppliedChange, ...]:
            with shop.storage("queue") as client:
                waiting = [raw for raw in _texts(client.lrange(MAILS, 0, -1)) if self.postcode in raw]
                for raw in waiting:
                    client.lrem(MAILS, 0, raw)
            return ()

        return Done(at, take_back)


@dataclass(frozen=True, slots=True)
class BankTrouble:
    """The bank that payment calls is slow, fails, or does not know the shop any more."""

    seconds: float | None = None
    """What a charge takes now."""
    failing: float | None = None
    """The share of charges that fails."""
    expired: bool = False
    """Whether the shop's credential has just become invalid."""
    service: str = "payment"

    def do(self, shop: Shop) -> Done:
        at = datetime.now(UTC)
        behaviour = {"seconds": self.seconds, "failing": self.failing, "credential_until": at.timestamp() if self.expired else None}
        shop.tell_bank(**{name: value for name, value in behaviour.items() if value is not None})

        def take_back() -> tuple[AppliedChange, ...]:
            shop.tell_bank()
            return ()

        return Done(at, take_back)


@dataclass(frozen=True, slots=True)
class WrongClock:
    """The clock of the machine that a service runs on jumps, so that what it signs is not of now."""

    service: str = "payment"
    seconds: float = -600.0

    def do(self, shop: Shop) -> Done:
        at = datetime.now(UTC)
        shop.folder.replace(shop.folder.clock(self.service), repr(self.seconds))

        def take_back() -> tuple[AppliedChange, ...]:
            shop.folder.clock(self.service).unlink()
            return ()

        return Done(at, take_back)


@dataclass(frozen=True, slots=True)
class FullDisk:
    """Something fills the service's small disk but for a few bytes."""

    service: str
    left_bytes: int = 40

    def do(self, shop: Shop) -> Done:
        at = datetime.now(UTC)
        shop.use_volume(self.service, VOLUME_BYTES - self.left_bytes)

        def take_back() -> tuple[AppliedChange, ...]:
            shop.use_volume(self.service, VOLUME_USED_BYTES)
            return ()

        return Done(at, take_back)


@dataclass(frozen=True, slots=True)
class LostCache:
    """The catalogue's Redis has no room for quotes: whatever is cached is thrown away at once."""

    service: str = "catalogue"

    def do(self, shop: Shop) -> Done:
        at = datetime.now(UTC)
        with shop.storage("prices") as client:
            usual = {name: str(client.config_get(name)[name]) for name in ("maxmemory", "maxmemory-policy")}
            client.config_set("maxmemory-policy", "volatile-lru")  # only quotes expire
            client.config_set("maxmemory", "1mb")
            for keys in _quotes_in(client):
                client.delete(*keys)

        def take_back() -> tuple[AppliedChange, ...]:
            with shop.storage("prices") as client:
                for name, value in usual.items():
                    client.config_set(name, value)
            return ()

        return Done(at, take_back)


@dataclass(frozen=True, slots=True)
class BadPrices:
    """An import of prices writes a word where numbers belong, for three categories in ten."""

    service: str = "catalogue"
    categories: tuple[int, ...] = tuple(number for number in range(CATEGORIES) if number % 10 in {1, 4, 7})

    def do(self, shop: Shop) -> Done:
        concerned = [sku(number) for number in range(PRODUCTS) if number % CATEGORIES in self.categories]
        usual = price_list(seed=shop.options.seed)

        def write(prices: Mapping[str, str | int]) -> None:
            with shop.storage("prices") as client:
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


def _post(shop: Shop, path: str) -> dict[str, object]:
    """What the gateway answers; nothing where it does not."""
    (gateway, *_) = shop.instances("gateway")
    connection = http.client.HTTPConnection(gateway.address, timeout=10.0)
    try:
        connection.request("POST", path)
        answer = json.load(connection.getresponse())
    except (OSError, http.client.HTTPException, ValueError):
        return {}
    finally:
        connection.close()
    return answer if isinstance(answer, dict) else {}


def _quotes_in(client: redis.Redis) -> Iterator[list[bytes]]:
    """The names of the cached quotes, some at a time."""
    found = list(client.scan_iter("quote:*", count=1000))
    yield from (found[at : at + 1000] for at in range(0, len(found), 1000))


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
