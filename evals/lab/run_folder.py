"""Where the files of one run are: storage, configuration, addresses and telemetry."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MAILS = "mails"
"""The list in the queue's Redis; also the name of the destination in spans."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The private folder that the shop's processes share for one run."""

    root: Path

    def create(self) -> None:
        folders = ("addresses", "containers", "settings", "volumes", "clocks", "telemetry")
        for name in folders:
            (self.root / name).mkdir(mode=0o700)

    @property
    def catalogue_database(self) -> Path:
        return self.root / "catalogue.sqlite3"

    @property
    def inventory_database(self) -> Path:
        return self.root / "inventory.sqlite3"

    @property
    def orders_database(self) -> Path:
        """Of checkout; payment writes its charges into it, too."""
        return self.root / "orders.sqlite3"

    @property
    def requests_per_second(self) -> Path:
        """The rate at which customers come now; the load generator looks before each of them."""
        return self.root / "requests_per_second"

    @property
    def load_report(self) -> Path:
        """What the customers met with lately, written by the load generator once a second, and in all when it stops."""
        return self.root / "load.json"

    @property
    def bank(self) -> Path:
        """How the bank behaves; it looks at every request."""
        return self.root / "bank.json"

    @property
    def telemetry(self) -> Path:
        """One `<instance>.<signal>.jsonl` per instance and signal, and its `<instance>.resource.json`."""
        return self.root / "telemetry"

    def redis(self, name: str) -> Path:
        """The folder of a Redis server. Its URL is the address of the service of that name."""
        return self.root / name

    def address(self, service: str) -> Path:
        """Where callers look up what serves `service` now: a line with `host:port` for each instance, or one URL."""
        return self.root / "addresses" / service

    def settings(self, service: str) -> Path:
        return self.root / "settings" / f"{service}.json"

    def volume(self, service: str) -> Path:
        """The one file on the small disk of a service that has one."""
        return self.root / "volumes" / service

    def clock(self, service: str) -> Path:
        """By how many seconds the clock of the service's machine is wrong; absent where it is right."""
        return self.root / "clocks" / service

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
