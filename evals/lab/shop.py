"""The running shop: its two Redis servers, the services' processes and the customers, started, replaced and stopped."""

from __future__ import annotations

import http.client
import json
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
from middlewatch.evals.lab.data import MOVEMENTS, create_inventory, create_orders, fill_prices
from middlewatch.evals.lab.run_folder import RunFolder
from middlewatch.records import ChangeKind


@dataclass(frozen=True, slots=True)
class ShopOptions:
    """How a shop is run."""

    requests_per_second: float = 8.0
    seed: int = 1
    stock_movements: int = MOVEMENTS
    """Rows of the inventory's ledger; with more of them, a scan takes longer."""
    overlap_seconds: float = 2.0
    """How long an old instance lives on after a deploy, so that its last requests end well."""
    metrics_interval_seconds: float = 5.0


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


class Shop:
    """One run's shop. Use it as a context manager: whatever happens inside, nothing is left running."""

    def __init__(self, folder: RunFolder, options: ShopOptions) -> None:
        self.folder = folder
        self.options = options
        self._servers = {"redis": RedisServer(folder.redis), "queue": RedisServer(folder.queue)}
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
        create_inventory(self.folder.inventory_database, seed=seed, movements=self.options.stock_movements)
        create_orders(self.folder.orders_database, seed=seed)
        for name, server in self._servers.items():
            self._running.enter_context(server)
            prefer(server.pid)
            self.folder.replace(self.folder.address(name), server.url)
        with self.storage("redis") as client:
            fill_prices(client, seed=seed)
        for service in self._settings:
            self._write_settings(service)
        starting = [
            self._launch(service, version) for service, version in FIRST_VERSIONS.items() for _ in range(INSTANCES[service])
        ]
        for instance in starting:
            self._serving[instance.service].append(self._answering(instance))
        for service in FIRST_VERSIONS:
            self._publish(service)

    def start_load(self) -> None:
        """Let the customers in."""
        self.set_rate(self.options.requests_per_second)
        arguments = ("--folder", str(self.folder.root), "--seed", str(self.options.seed))
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
        """A client of one of the Redis servers: `redis`, which is pricing's, or `queue`."""
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
            old, serving[place] = serving[place], self._answering(self._launch(change.service, change.version))
            self._publish(change.service)
            time.sleep(self.options.overlap_seconds)
            old.process.stop()
        return tuple(serving[place].name for place in outdated[: change.instances])

    def _launch(self, service: str, version: str) -> Instance:
        name = f"{service}-{uuid.uuid4().hex[:8]}"
        arguments = (
            *(service, "--version", version, "--instance", name, "--folder", str(self.folder.root)),
            *("--metrics-interval-seconds", str(self.options.metrics_interval_seconds)),
        )
        return Instance(
            service, version, name, self.start(f"{service} {version}", "middlewatch.evals.lab.services.serve", arguments)
        )

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
