"""Invariant: every way to break the shop does what it says, and taking it back leaves the shop as it was."""

from __future__ import annotations

import http.client
import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from middlewatch.evals.lab.changes import FIRST_SETTINGS, configure
from middlewatch.evals.lab.child import Child
from middlewatch.evals.lab.data import CATEGORIES, PRODUCTS, price_list, sku
from middlewatch.evals.lab.run_folder import RunFolder
from middlewatch.evals.lab.services.payment import MachineClock
from middlewatch.evals.lab.shop import Instance, Shop, ShopOptions
from middlewatch.evals.lab.surroundings import BANK_WELL, VOLUME_USED_BYTES
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
    WrongClock,
)
from middlewatch.records.errors import Unavailable

PATIENCE_SECONDS = 30.0
IDLE = (sys.executable, "-c", "import sys; sys.stdin.buffer.read()")
linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")


class Redis:
    """The few commands that sabotage needs, in memory."""

    def __init__(self) -> None:
        self.prices: dict[str, object] = dict(price_list(seed=1).items())
        self.cache = {f"quote:{name}" for name in self.prices}
        self.settings = {"maxmemory": "0", "maxmemory-policy": "noeviction"}
        self.messages = [json.dumps({"body": {"postcode": postcode}}) for postcode in ("20095", "SW1A 1AA", "10115")]

    def hset(self, name: str, mapping: Mapping[str, object]) -> None:
        assert name == "prices"
        self.prices |= mapping

    def delete(self, *names: str | bytes) -> None:
        self.cache -= {name.decode() if isinstance(name, bytes) else name for name in names}

    def lrange(self, name: str, first: int, last: int) -> list[bytes]:
        assert (name, first, last) == ("mails", 0, -1)
        return [message.encode() for message in self.messages]

    def lrem(self, name: str, count: int, item: str) -> None:
        assert (name, count) == ("mails", 0)
        self.messages.remove(item)

    def scan_iter(self, pattern: str, count: int) -> Iterator[bytes]:
        assert (pattern, count) == ("quote:*", 1000)
        return iter([name.encode() for name in self.cache])

    def config_get(self, name: str) -> dict[str, str]:
        return {name: self.settings[name]}

    def config_set(self, name: str, value: str) -> None:
        self.settings[name] = value


@pytest.fixture
def redis() -> Redis:
    return Redis()


@pytest.fixture
def shop(tmp_path: Path, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A shop that was not opened: idle processes stand for its instances."""
    folder = RunFolder(tmp_path)
    folder.create()
    with Shop(folder, ShopOptions(overlap_seconds=0.0)) as opened:

        @contextmanager
        def storage(name: str) -> Iterator[Redis]:
            assert name in ("prices", "queue")
            yield redis

        monkeypatch.setattr(opened, "storage", storage)
        for number, service in enumerate(("gateway", "checkout", "checkout", "catalogue", "catalogue")):
            process = Child(service, IDLE, folder.errors(f"{service}-{number}"))
            opened._children.append(process)
            opened._serving[service].append(Instance(service, "1.0.0", f"{service}-{number}", process, f"127.0.0.1:{number + 1}"))
        yield opened


def holds(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "T"


def test_a_bad_setting_is_described_by_what_it_was_and_rolled_back(shop: Shop) -> None:
    shop.apply(configure("catalogue", quote_cache_seconds=5400))
    done = Changed(configure("catalogue", quote_cache_seconds=0)).do(shop)
    file = shop.folder.settings("catalogue")
    assert json.loads(file.read_text(encoding="utf-8"))["quote_cache_seconds"] == 0
    assert [each.change.description for each in done.changes] == ["quote_cache_seconds: 5400 -> 0"]
    assert done.instance is None
    (undone,) = done.take_back()
    assert json.loads(file.read_text(encoding="utf-8")) == dict(FIRST_SETTINGS["catalogue"]) | {"quote_cache_seconds": 5400}
    assert (undone.change.description, undone.change.actor) == ("quote_cache_seconds: 0 -> 5400", "on-call")


@linux
def test_a_frozen_instance_stands_still_and_the_other_does_not(shop: Shop) -> None:
    victim, other = shop.instances("checkout")
    done = Frozen("checkout").do(shop)
    assert done.instance == victim.name
    assert holds(lambda: is_stopped(victim.process.pid))
    assert not is_stopped(other.process.pid)
    assert done.take_back() == ()
    assert not is_stopped(victim.process.pid)


@linux
def test_neighbours_share_a_processor_and_the_container_with_their_victim(shop: Shop) -> None:
    victim, other = shop.instances("catalogue")
    usual = os.sched_getaffinity(0)
    done = Neighbours("catalogue", count=2).do(shop)
    assert done.instance == victim.name
    neighbours = [int(pid) for pid in shop.folder.container(victim.name).read_text(encoding="ascii").split()]
    assert len(neighbours) == 2
    assert {tuple(os.sched_getaffinity(pid)) for pid in (victim.process.pid, *neighbours)} == {(max(usual),)}
    assert os.sched_getaffinity(other.process.pid) == usual
    done.take_back()
    assert os.sched_getaffinity(victim.process.pid) == usual
    assert not shop.folder.container(victim.name).exists()
    assert not any(Path(f"/proc/{pid}").exists() for pid in neighbours)


def test_a_bad_network_stands_in_front_of_every_instance(shop: Shop) -> None:
    usual = [instance.address for instance in shop.instances("checkout")]
    shop.restore("checkout")
    file = shop.folder.address("checkout")
    done = BadNetwork("checkout", delay_seconds=0.01).do(shop)
    through = file.read_text(encoding="ascii").split()
    assert len(through) == len(usual)
    assert not set(through) & set(usual)
    for address in through:
        host, _, port = address.partition(":")
        socket.create_connection((host, int(port))).close()
    done.take_back()
    assert file.read_text(encoding="ascii").split() == usual


def test_a_lock_on_the_orders_ends_when_it_is_taken_back(shop: Shop) -> None:
    with closing(sqlite3.connect(shop.folder.orders_database, timeout=0.01, isolation_level=None)) as database:
        database.execute("CREATE TABLE orders (id INTEGER)")

        def is_locked() -> bool:
            try:
                database.execute("INSERT INTO orders VALUES (1)")
            except sqlite3.OperationalError as error:
                return "locked" in str(error)
            return False

        done = LockedDatabase("payment").do(shop)
        assert holds(is_locked)
        done.take_back()
        assert not is_locked()


def test_more_customers_come_and_then_as_many_as_before(shop: Shop) -> None:
    done = MoreCustomers(14.0).do(shop)
    assert float(shop.folder.requests_per_second.read_text(encoding="ascii")) == 14.0 * shop.options.requests_per_second
    done.take_back()
    assert float(shop.folder.requests_per_second.read_text(encoding="ascii")) == shop.options.requests_per_second


def test_bad_prices_are_words_in_three_categories_of_ten_and_no_quote_of_them_is_cached(shop: Shop, redis: Redis) -> None:
    usual = dict(redis.prices)
    done = BadPrices().do(shop)
    bad = {name for name, price in redis.prices.items() if isinstance(price, str)}
    assert bad == {sku(number) for number in range(PRODUCTS) if number % CATEGORIES % 10 in {1, 4, 7}}
    assert redis.cache == {f"quote:{name}" for name in usual if name not in bad}
    done.take_back()
    assert redis.prices == usual


class Answer:
    """What the gateway answers to an order."""

    def __init__(self, accepted: object) -> None:
        self._text = json.dumps({"accepted": accepted})

    def request(self, method: str, path: str) -> None:
        assert method == "POST"
        assert path.startswith("/cart?") or path.rpartition("=")[2] == "SW1A%201AA"

    def getresponse(self) -> Answer:
        return self

    def read(self) -> str:
        return self._text

    def close(self) -> None:
        """Nothing to close."""


def test_a_poisoned_order_is_an_order_and_alone_is_removed(shop: Shop, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http.client, "HTTPConnection", lambda *_, **__: Answer(accepted=True))
    done = PoisonedOrder().do(shop)
    done.take_back()
    assert [json.loads(message)["body"]["postcode"] for message in redis.messages] == ["20095", "10115"]


def test_a_poisoned_order_that_was_refused_is_no_fault(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http.client, "HTTPConnection", lambda *_, **__: Answer(accepted=False))
    with pytest.raises(Unavailable, match="did not accept"):
        PoisonedOrder().do(shop)


def test_the_bank_is_in_trouble_and_then_well(shop: Shop) -> None:
    def behaviour() -> dict[str, float]:
        told: dict[str, float] = json.loads(shop.folder.bank.read_text(encoding="utf-8"))
        return told

    for way, changed in (
        (BankTrouble(seconds=1.2), {"seconds": 1.2}),
        (BankTrouble(failing=0.7), {"failing": 0.7}),
    ):
        done = way.do(shop)
        assert behaviour() == {**BANK_WELL, **changed}
        done.take_back()
        assert behaviour() == BANK_WELL
    before = time.time()
    done = BankTrouble(expired=True).do(shop)
    assert before <= behaviour()["credential_until"] <= time.time()
    done.take_back()
    assert behaviour() == BANK_WELL


def test_a_wrong_clock_is_wrong_until_it_is_set(shop: Shop) -> None:
    clock = MachineClock(shop.folder.clock("payment"))
    done = WrongClock().do(shop)
    assert clock.now() == pytest.approx(time.time() - 600, abs=5)
    done.take_back()
    assert clock.now() == pytest.approx(time.time(), abs=5)


APPENDING = """
import pathlib, sys
from middlewatch.evals.lab.services.volume import Volume
volume = Volume(pathlib.Path(sys.argv[1]))
for line in sys.stdin:
    try:
        volume.append(line.strip())
    except OSError as error:
        print(error, flush=True)
    else:
        print("written", flush=True)
"""


def test_a_full_disk_takes_nothing_more_until_there_is_room(shop: Shop) -> None:
    shop.use_volume("payment", VOLUME_USED_BYTES)
    command = [sys.executable, "-c", APPENDING, str(shop.folder.volume("payment"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def append() -> str:
            assert process.stdin is not None
            assert process.stdout is not None
            print("a receipt of more than forty bytes, as they all are", file=process.stdin, flush=True)
            return process.stdout.readline().strip()

        assert append() == "written"
        done = FullDisk("payment").do(shop)
        append()  # what is left takes the beginning of it
        assert "File too large" in append()
        done.take_back()
        assert append() == "written"
        process.stdin.close()


def test_every_changed_quote_is_thrown_away_while_the_cache_has_no_room(shop: Shop, redis: Redis) -> None:
    done = LostCache().do(shop)
    assert redis.cache == set()
    assert redis.settings == {"maxmemory": "1mb", "maxmemory-policy": "volatile-lru"}
    done.take_back()
    assert redis.settings == {"maxmemory": "0", "maxmemory-policy": "noeviction"}


@linux
def test_a_polite_neighbour_takes_only_what_is_left(shop: Shop) -> None:
    victim, _ = shop.instances("catalogue")
    done = Neighbours("catalogue", count=1, polite=True).do(shop)
    (neighbour,) = map(int, shop.folder.container(victim.name).read_text(encoding="ascii").split())
    assert os.getpriority(os.PRIO_PROCESS, neighbour) == 19
    assert os.sched_getaffinity(victim.process.pid) == os.sched_getaffinity(0)
    done.take_back()
