"""Where the files of one run are: storage, configuration, addresses and telemetry."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SHIPMENTS = "shipments"
"""The list in the queue's Redis; also the name of the destination in spans."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The private folder that the shop's processes share for one run."""

    root: Path

    def create(self) -> None:
        for folder in (self.root / "addresses", self.root / "containers", self.root / "settings", self.telemetry):
            folder.mkdir(mode=0o700)

    @property
    def inventory_database(self) -> Path:
        return self.root / "inventory.sqlite3"

    @property
    def orders_database(self) -> Path:
        return self.root / "orders.sqlite3"

    @property
    def redis(self) -> Path:
        """The folder of pricing's Redis. Its URL is the address of the service `redis`."""
        return self.root / "redis"

    @property
    def queue(self) -> Path:
        """The folder of the queue's Redis. Its URL is the address of the service `queue`."""
        return self.root / "queue"

    @property
    def requests_per_second(self) -> Path:
        """The rate at which customers come now; the load generator looks before each of them."""
        return self.root / "requests_per_second"

    @property
    def load_report(self) -> Path:
        """What the load generator counted, written when it stops."""
        return self.root / "load.json"

    @property
    def telemetry(self) -> Path:
        """One `<instance>.<signal>.jsonl` per instance and signal, and its `<instance>.resource.json`."""
        return self.root / "telemetry"

    def address(self, service: str) -> Path:
        """Where callers look up what serves `service` now: a line with `host:port` for each instance, or one URL."""
        return self.root / "addresses" / service

    def settings(self, service: str) -> Path:
        return self.root / "settings" / f"{service}.json"

    def container(self, instance: str) -> Path:
        """The ids of the processes that share the instance's container with it, one a line; absent where there are none."""
        return self.root / "containers" / instance

    def port(self, instance: str) -> Path:
        """Where a new instance says which port it was given."""
        return self.root / f"{instance}.port"

    def errors(self, instance: str) -> Path:
        """What the process wrote to its standard error."""
        return self.root / f"{instance}.stderr"

    def replace(self, path: Path, text: str) -> None:
        """Replace a file's contents at once: a reader sees the old text or the new, never a part."""
        partial = path.with_name(path.name + ".partial")
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
