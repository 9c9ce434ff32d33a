"""The running shop: Redis, the services' processes and the load, started, replaced and stopped."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from middlewatch.context_store.redis_server import RedisServer
from middlewatch.evals.lab.data import create_inventory, create_orders, fill_prices
from middlewatch.evals.lab.faults import FIRST_CONFIGURATION, FIRST_VERSIONS, ShopChange
from middlewatch.evals.lab.run_folder import RunFolder
from middlewatch.evals.lab.schedule import Plan
from middlewatch.records import ChangeKind
from middlewatch.records.errors import Unavailable

_START_SECONDS = 60.0
"""How long a process may take to answer; a start takes about two, more on a busy machine."""
_STOP_SECONDS = 15.0
_POLL_SECONDS = 0.05
_TAIL_CHARACTERS = 400


@dataclass(frozen=True, slots=True)
class AppliedChange:
    """A change that was made, when its making began, and the instance that runs with it."""

    change: ShopChange
    time: datetime
    instance: str


class Child:
    """A process that ends when its standard input closes; so none outlives the one that started it."""

    def __init__(self, name: str, arguments: Sequence[str], errors: Path) -> None:
        self.name = name
        self._errors = errors
        with errors.open("wb") as sink:
            self._process = subprocess.Popen(  # noqa: S603 -- our own programs with arguments made here
                arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=sink,
                # a hermetic environment: proxies and OTEL_* variables of the caller's shell must not change the shop
                env={"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
                start_new_session=True,  # Ctrl-C reaches only the recorder, which then stops the shop in order
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def check(self) -> None:
        """Raise if the process is gone.

        Raises:
            Unavailable: it ended by itself; the message has the end of what it wrote.
        """
        code = self._process.poll()
        if code is None:
            return
        said = self._errors.read_text(encoding="utf-8", errors="replace")[-_TAIL_CHARACTERS:]
        raise Unavailable(
            f"The lab's {self.name} ended by itself with code {code}: {' '.join(said.split()) or 'it said nothing'}.",
            remedy="Try again; if it happens again, see `middlewatch doctor`.",
        )

    def await_(self, ready: Callable[[], bool]) -> None:
        """Wait until ``ready`` says so.

        Raises:
            Unavailable: the process ended, or took too long.
        """
        deadline = time.monotonic() + _START_SECONDS
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"The lab's {self.name} did not answer within {_START_SECONDS:g} s.", remedy="Is the machine overloaded?"
                )
            time.sleep(_POLL_SECONDS)

    def ask_to_stop(self) -> None:
        """Let it finish what it is doing and end."""
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.close()

    def stop(self, *, patience_seconds: float = _STOP_SECONDS) -> None:
        """End it, by force where it does not end by itself. Stopping it again does nothing."""
        self.ask_to_stop()
        try:
            self._process.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


@dataclass(frozen=True, slots=True)
class _Instance:
    service: str
    name: str
    process: Child


class Shop:
    """One run's shop. Use it as a context manager: whatever happens inside, nothing is left running."""

    def __init__(self, folder: RunFolder, plan: Plan) -> None:
        self._folder = folder
        self._plan = plan
        self._redis = RedisServer(folder.redis)
        self._children: list[Child] = []
        self._load: list[Child] = []
        self._serving: dict[str, _Instance] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for child in self._children:
            child.ask_to_stop()
        for child in self._children:
            child.stop()
        self._redis.stop()

    def open(self) -> None:
        """Fill the storage and start every service in its first version."""
        create_inventory(self._folder.inventory_database, seed=self._plan.seed, movements=self._plan.stock_movements)
        create_orders(self._folder.orders_database, seed=self._plan.seed)
        self._redis.start()
        with self._redis.client() as client:
            fill_prices(client, seed=self._plan.seed)
        self._folder.replace(self._folder.address("redis"), self._redis.url)
        for service, values in FIRST_CONFIGURATION.items():
            self._configure(service, dict(values))
        for instance in [self._launch(service, version) for service, version in FIRST_VERSIONS.items()]:
            self._put_into_service(instance)

    def start_load(self) -> None:
        """Let the customers in."""
        arguments = ("--folder", str(self._folder.root), "--seed", str(self._plan.seed))
        rate = ("--requests-per-second", str(self._plan.requests_per_second))
        command = (sys.executable, "-m", "middlewatch.evals.lab.load", *arguments, *rate)
        self._load.append(self._start("load generator", command, self._folder.errors("load")))

    def apply(self, change: ShopChange) -> AppliedChange:
        """Make a change for real: replace the running instance by one of another version, or rewrite a configuration."""
        began = datetime.now(UTC)
        if change.kind is ChangeKind.DEPLOY:
            self._deploy(change.service, change.version)
        else:
            self._configure(change.service, dict(change.configuration))
        return AppliedChange(change, began, self._serving[change.service].name)

    def check(self) -> None:
        """Raise `Unavailable` if a process of the shop is gone."""
        for child in (*self._load, *(instance.process for instance in self._serving.values())):
            child.check()

    def close(self) -> None:
        """Send the customers home, let the services finish and write the rest of their telemetry."""
        for child in reversed(self._load):
            child.stop()
        for instance in self._serving.values():
            instance.process.stop()

    def _deploy(self, service: str, version: str) -> None:
        """Roll out: the new instance takes over when it answers, the old one ends a little later, with its requests done."""
        old = self._serving[service]
        new = self._launch(service, version)
        self._put_into_service(new)
        time.sleep(self._plan.overlap_seconds)
        old.process.stop()

    def _launch(self, service: str, version: str) -> _Instance:
        name = f"{service}-{uuid.uuid4().hex[:8]}"
        command = (
            *(sys.executable, "-m", "middlewatch.evals.lab.services.serve", service),
            *("--version", version, "--instance", name, "--folder", str(self._folder.root)),
            *("--metrics-interval-seconds", str(self._plan.metrics_interval_seconds)),
        )
        return _Instance(service, name, self._start(f"{service} {version}", command, self._folder.errors(name)))

    def _put_into_service(self, instance: _Instance) -> None:
        port_file = self._folder.port(instance.name)
        instance.process.await_(port_file.exists)
        port = int(port_file.read_text(encoding="ascii"))
        instance.process.await_(lambda: _answers(port))
        self._folder.replace(self._folder.address(instance.service), f"127.0.0.1:{port}")
        self._serving[instance.service] = instance

    def _start(self, name: str, command: Sequence[str], errors: Path) -> Child:
        child = Child(name, command, errors)
        self._children.append(child)
        return child

    def _configure(self, service: str, values: dict[str, int]) -> None:
        self._folder.replace(self._folder.configuration(service), json.dumps(values))


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1.0)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
