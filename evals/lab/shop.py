"""The running shop: its Redis servers, the services' processes, the bank and the customers, started, replaced and stopped."""

from __future__ import annotations

import http.client
import json
import os
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import redis

from middlewatch.context_store.redis_server import RedisServer
from middlewatch.evals.lab.changes import FIRST_SETTINGS, FIRST_VERSIONS, INSTANCES, ShopChange, deploy
from middlewatch.evals.lab.child import Child, prefer
from middlewatch.evals.lab.data import MOVEMENTS, create_catalogue, create_inventory, create_orders, fill_prices
from middlewatch.evals.lab.detection import MEMORY_LIMIT_BYTES
from middlewatch.evals.lab.run_folder import RunFolder
from middlewatch.evals.lab.surroundings import BANK, BANK_WELL, VOLUME_USED_BYTES, WITH_VOLUME
from middlewatch.records import ChangeKind
from middlewatch.records.errors import BadInput

STORES = ("prices", "carts", "queue")
"""The Redis servers: the catalogue's, the cart's, and the one that the mails wait in."""
_BANKS_VERSION = "1.0.0"


@dataclass(frozen=True, slots=True)
class ShopOptions:
    """How a shop is run."""

    requests_per_second: float = 10.0
    day_seconds: float = 600.0
    """How long a day is, over which more and then fewer customers come."""
    seed: int = 1
    stock_movements: int = MOVEMENTS
    """Rows of the inventory's ledger; with more of them, a scan takes longer."""
    overlap_seconds: float = 2.0
    """How long an old instance lives on after a deploy, so that its last requests end well."""
    metrics_interval_seconds: float = 2.0
    otlp: str = ""
    """An OTLP receiver over HTTP that telemetry goes to; into files where it is empty."""


@dataclass(frozen=True, slots=True)
class AppliedChange:
    """A change that was made, when its making began, and the instances that run with it."""

    change: ShopChange
    time: datetime
    instances: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Instance:
    """A running instance of a service."""

    service: str
    version: str
    name: str
    process: Child
    address: str = ""
    """`host:port`, once it serves."""
    restarts: int = 0
    """How often it ended by itself and was started again."""


class Shop:
    """One run's shop. Use it as a context manager: whatever happens inside, nothing is left running."""

    def __init__(self, folder: RunFolder, options: ShopOptions) -> None:
        self.folder = folder
        self.options = options
        self._servers = {name: RedisServer(folder.redis(name)) for name in STORES}
        self._running = ExitStack()
        self._children: list[Child] = []
        self._load: list[Child] = []
        self._serving: dict[str, list[Instance]] = {service: [] for service in FIRST_VERSIONS}
        self._settings = {service: dict(values) for service, values in FIRST_SETTINGS.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for child in self._children:
            child.ask_to_stop()
        for child in reversed(self._children):
            child.stop()
        self._running.close()

    def open(self) -> None:
        """Fill the storage and start every service, each behind its address."""
        seed = self.options.seed
        create_catalogue(self.folder.catalogue_database)
        create_inventory(self.folder.inventory_database, seed=seed, movements=self.options.stock_movements)
        create_orders(self.folder.orders_database, seed=seed)
        for name, server in self._servers.items():
            self._running.enter_context(server)
            prefer(server.pid)
            self.folder.replace(self.folder.address(name), server.url)
        with self.storage("prices") as client:
            fill_prices(client, seed=seed)
        for service in WITH_VOLUME:
            self.use_volume(service, VOLUME_USED_BYTES)
        self.tell_bank()
        for service in self._settings:
            self._write_settings(service)
        bank = self._launch(BANK, _BANKS_VERSION)
        starting = [
            self._launch(service, version) for service, version in FIRST_VERSIONS.items() for _ in range(INSTANCES[service])
        ]
        self.redirect(BANK, [self._answering(bank).address])
        for instance in starting:
            self._serving[instance.service].append(self._answering(instance))
        for service in FIRST_VERSIONS:
            self._publish(service)

    def start_load(self) -> None:
        """Let the customers in."""
        self.set_rate(self.options.requests_per_second)
        arguments = (
            *("--folder", str(self.folder.root), "--seed", str(self.options.seed)),
            *("--day-seconds", str(self.options.day_seconds)),
        )
        self._load.append(self.start("load generator", "middlewatch.evals.lab.load", arguments))

    def apply(self, change: ShopChange) -> AppliedChange:
        """Make a change for real: replace running instances by ones of another version, or rewrite settings."""
        began = datetime.now(UTC)
        if change.kind is ChangeKind.DEPLOY:
            return AppliedChange(change, began, self._deploy(change))
        before = self._settings[change.service]
        differences = (f"{name}: {before[name]} -> {value}" for name, value in change.settings.items())
        described = replace(change, description=", ".join(differences))
        before.update(change.settings)
        self._write_settings(change.service)
        return AppliedChange(described, began, tuple(instance.name for instance in self.instances(change.service)))

    def undoing(self, change: ShopChange) -> ShopChange:
        """The change that takes another back; ask for it before that is made."""
        if change.kind is ChangeKind.DEPLOY:
            version = self._serving[change.service][0].version
            return replace(deploy(change.service, version, "", actor="on-call"), description=f"Roll back to {version}")
        before = self._settings[change.service]
        return replace(change, actor="on-call", settings={name: before[name] for name in change.settings})

    def instances(self, service: str) -> tuple[Instance, ...]:
        """What serves a service now; callers take turns among them."""
        return tuple(self._serving[service])

    @contextmanager
    def storage(self, name: str) -> Iterator[redis.Redis]:
        """A client of one of the Redis servers."""
        with closing(self._servers[name].client()) as client:
            yield client

    def storage_pid(self, name: str) -> int:
        """The process id of a Redis server."""
        return self._servers[name].pid

    def start(self, name: str, module: str, arguments: Sequence[str]) -> Child:
        """Start one of the lab's programs; it ends with the shop at the latest."""
        command = (sys.executable, "-m", module, *arguments)
        child = Child(name, command, self.folder.errors(f"{name.replace(' ', '-')}-{len(self._children)}"))
        self._children.append(child)
        return child

    def redirect(self, service: str, addresses: Sequence[str]) -> None:
        """Let callers reach a service through other addresses than those of its instances, until `restore`."""
        self.folder.replace(self.folder.address(service), "\n".join(addresses))

    def restore(self, service: str) -> None:
        """Let callers reach the service's instances directly again."""
        self._publish(service)

    def set_rate(self, requests_per_second: float) -> None:
        """From now on customers come at this mean rate."""
        self.folder.replace(self.folder.requests_per_second, repr(requests_per_second))

    def tell_bank(self, **behaviour: float) -> None:
        """From now on the bank behaves as it usually does, but for what is named."""
        self.folder.replace(self.folder.bank, json.dumps({**BANK_WELL, **behaviour}))

    def use_volume(self, service: str, size: int) -> None:
        """Let so many bytes of a service's small disk be used; what is added takes no room on the real one."""
        with self.folder.volume(service).open("ab") as file:
            os.truncate(file.fileno(), size)

    def restart(self, service: str, *, instance: str = "") -> tuple[str, ...]:
        """Replace a service's instances, one after the other, by new ones of the same version.

        Args:
            service: whose.
            instance: the one to replace; all where it is empty.

        Returns:
            The names of the new ones.

        Raises:
            BadInput: there is no such instance.
        """
        serving = self._serving[service]
        places = [place for place, each in enumerate(serving) if instance in ("", each.name)]
        if not places:
            known = ", ".join(each.name for each in serving)
            raise BadInput(f"{service} has no instance {instance!r}.", remedy=f"Choose one of: {known}.")
        for place in places:
            self._replace(service, place, serving[place].version)
        return tuple(serving[place].name for place in places)

    def tend(self, *, whatever_ended: bool = False) -> tuple[str, ...]:
        """Do what a container runtime does: end what uses more memory than it may, and start it again.

        Args:
            whatever_ended: also start again what ended for any other reason. A recording would rather end than hide that.

        Returns:
            The names of the instances that were started again.
        """
        restarted = []
        for service, instances in self._serving.items():
            for place, instance in enumerate(instances):
                ended = whatever_ended and not instance.process.runs()
                if ended or instance.process.memory_bytes() > MEMORY_LIMIT_BYTES:
                    self._restart(service, place, instance)
                    restarted.append(instance.name)
        return tuple(restarted)

    def _restart(self, service: str, place: int, instance: Instance) -> None:
        """Under the same name and address book, as a container that is started again."""
        instance.process.kill()
        self.folder.port(instance.name).unlink(missing_ok=True)
        started = self._launch(service, instance.version, name=instance.name, restarts=instance.restarts + 1)
        self._serving[service][place] = self._answering(started)
        self._publish(service)

    def check(self) -> None:
        """Raise `Unavailable` if a process of the shop is gone."""
        serving = (instance.process for instances in self._serving.values() for instance in instances)
        for child in (*self._load, *serving):
            child.check()

    def close(self) -> None:
        """Send the customers home, let the services finish and write the rest of their telemetry."""
        for child in reversed(self._load):
            child.stop()
        for service in FIRST_VERSIONS:  # callers before those whom they call
            for instance in self._serving[service]:
                instance.process.stop()

    def _deploy(self, change: ShopChange) -> tuple[str, ...]:
        """Roll out, one instance after the other: the new one takes over when it answers, the old one ends a little later."""
        serving = self._serving[change.service]
        outdated = [place for place, instance in enumerate(serving) if instance.version != change.version]
        for place in outdated[: change.instances]:
            self._replace(change.service, place, change.version)
        return tuple(serving[place].name for place in outdated[: change.instances])

    def _replace(self, service: str, place: int, version: str) -> None:
        """The new instance takes over when it answers, and the old one ends a little later."""
        serving = self._serving[service]
        old, serving[place] = serving[place], self._answering(self._launch(service, version))
        self._publish(service)
        time.sleep(self.options.overlap_seconds)
        old.process.stop()

    def _launch(self, service: str, version: str, *, name: str = "", restarts: int = 0) -> Instance:
        name = name or f"{service}-{uuid.uuid4().hex[:8]}"
        arguments = (
            *(service, "--version", version, "--instance", name, "--folder", str(self.folder.root)),
            *("--metrics-interval-seconds", str(self.options.metrics_interval_seconds)),
            *("--restarts", str(restarts), "--otlp", self.options.otlp),
        )
        process = self.start(f"{service} {version}", "middlewatch.evals.lab.services.serve", arguments)
        return Instance(service, version, name, process, restarts=restarts)

    def _answering(self, instance: Instance) -> Instance:
        port_file = self.folder.port(instance.name)
        instance.process.await_(port_file.exists)
        port = int(port_file.read_text(encoding="ascii"))
        instance.process.await_(lambda: _answers(port))
        return replace(instance, address=f"127.0.0.1:{port}")

    def _publish(self, service: str) -> None:
        self.redirect(service, [instance.address for instance in self._serving[service]])

    def _write_settings(self, service: str) -> None:
        values: Mapping[str, int] = self._settings[service]
        self.folder.replace(self.folder.settings(service), json.dumps(values))


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1.0)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
