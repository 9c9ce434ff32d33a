"""Fill a store with a made-up system's telemetry. ClickHouse computes every row itself, from hashes of the row's number."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Final

import click
import pyarrow as pa

from middlewatch.evals.scale.size import START, Size
from middlewatch.evals.scale.system import NOUNS, System
from middlewatch.records import DEFAULT_TENANT, Tenant
from middlewatch.telemetry.clickhouse import DATABASE, ClickHouse
from middlewatch.telemetry.clickhouse_reader import NANOSECONDS, nanoseconds
from middlewatch.telemetry.clients import Client, embedded
from middlewatch.telemetry.limits import Limits

INSTANCES: Final = 2
"""Instances of every service."""
ROWS: Final = 1_000_000
"""Rows of one INSERT, about."""
INSERT_SECONDS: Final = 3600
SLOWER: Final = 2.0
"""What the fault adds to the logarithm of the faulty service's own times: they become 7 times as long."""
GAUGES: Final = (
    ("process.cpu.utilization", "1"),
    ("jvm.cpu.recent_utilization", "1"),
    ("process.memory.usage", "By"),
    ("jvm.memory.used", "By"),
    ("jvm.memory.used_after_last_gc", "By"),
    ("jvm.thread.count", "{thread}"),
    ("db.client.connection.count", "{connection}"),
    ("system.network.connections", "{connection}"),
    ("messaging.consumer.lag", "{message}"),
)
SUMS: Final = (
    ("http.server.requests", "{request}"),
    ("http.client.requests", "{request}"),
    ("process.disk.io", "By"),
    ("process.network.io", "By"),
    ("jvm.gc.collections", "{collection}"),
)
HISTOGRAMS: Final = (("http.server.request.duration", "s"),)
METRICS: Final = len(GAUGES) + len(SUMS) + len(HISTOGRAMS)
SENTENCES: Final = (
    # severity, text, noun, text, variable part, text, variable part: 1 number, 2 id, 3 time, 4 quoted, 5 address, 6 UUID, 0 none
    ("ERROR", "request failed: no connection for ", " from the pool after ", 3, ", waiting: ", 1),
    ("INFO", "handled ", " request ", 6, " in ", 3),
    ("INFO", "loaded ", " of customer ", 1, " from replica ", 5),
    ("INFO", "published event ", " with id=", 2, " to partition ", 1),
    ("DEBUG", "cache lookup of ", " key=", 4, " took ", 3),
    ("DEBUG", "o.s.Repository#214 query ", " returned rows: ", 1, " fetch ", 3),
    ("INFO", "updated ", " status to ", 4, " version ", 1),
    ("WARN", "slow ", " lookup of ", 6, " took ", 3),
    ("INFO", "forwarding ", " to http://", 5, "/internal?id=", 2),
    ("DEBUG", "serialised ", " into bytes: ", 1, "", 0),
    ("INFO", "validated ", " against schema", 0, "", 0),
    ("INFO", "acquired lock on ", " owner=", 2, " ttl ", 3),
)

OTHER_LINES: Final = 0.1
"""Share of the lines that no request writes."""
DEPLOY_SECONDS: Final = 120.0
"""How long before the fault its service was deployed."""

OnProgress = Callable[[str, int, int], None]
"""Told the kind of rows, how many are written, and how many there will be."""


def tell(what: str, written: int, of: int) -> None:
    """Say on standard error how far it is."""
    click.echo(f"{written:,} of {of:,} {what}", err=True)


def fill(directory: Path, size: Size, on_progress: OnProgress = tell, *, tenant: Tenant = DEFAULT_TENANT) -> None:
    """Write a made-up system's telemetry into a ClickHouse directory.

    Args:
        directory: of the embedded ClickHouse; created where it is absent.
        size: how much to write.
        on_progress: told after every statement.
        tenant: whose live telemetry it becomes.

    Raises:
        DataDirectoryLocked: another process holds it.
    """
    _Fill(size, System.drawn(size.services, size.seed), on_progress, tenant).into(directory)


@dataclass(frozen=True, slots=True)
class _Fill:
    """Writes one made-up store."""

    size: Size
    system: System
    on_progress: OnProgress
    tenant: Tenant

    def into(self, directory: Path) -> None:
        limits = Limits(query_seconds=INSERT_SECONDS)
        with ClickHouse.embedded(directory, limits) as database:
            database.migrate()
            database.insert("changes", self._changes())
            client = embedded(directory, limits)(DATABASE)
            try:
                self._spans(client)
                self._lines(client)
                self._metrics(client)
            finally:
                client.close()

    @property
    def requests(self) -> int:
        """How many requests have so many spans."""
        return max(1, round(self.size.spans / self.system.spans_per_request))

    def _spans(self, client: Client) -> None:
        trees = self.system.trees
        parameters = {
            "slots": [1 + tree for tree in self.system.slots],
            "nodes": [[1 + node.service for node in tree] for tree in trees],
            "operations": [[node.operation for node in tree] for tree in trees],
            "kinds": [[node.kind for node in tree] for tree in trees],
            "log_ms": [[node.log_ms for node in tree] for tree in trees],
            "sizes": [[node.size for node in tree] for tree in trees],
            "parents": [_parents([node.size for node in tree]) for tree in trees],
            "requests": self.requests,
            "slower": SLOWER,
        }
        piece = max(1, round(ROWS / self.system.spans_per_request))
        for first, count in _pieces(self.requests, piece):
            self._run(client, "traces", {**parameters, "first": first, "count": count})
            self.on_progress("requests", first + count, self.requests)

    def _lines(self, client: Client) -> None:
        others = round(OTHER_LINES * self.size.lines)
        parameters = {
            "severities": [sentence[0] for sentence in SENTENCES],
            "heads": [sentence[1] for sentence in SENTENCES],
            "middles": [sentence[2] for sentence in SENTENCES],
            "tails": [sentence[4] for sentence in SENTENCES],
            "variables": [[sentence[3], sentence[5]] for sentence in SENTENCES],
            "nouns": list(NOUNS),
            "lines_per_span": (self.size.lines - others) / (self.requests * self.system.spans_per_request),
        }
        pieces = max(1, round(self.size.lines / ROWS))
        whole = nanoseconds(self.size.end) - nanoseconds(START)
        for number in range(pieces):
            begins = nanoseconds(START) + whole * number // pieces
            ends = nanoseconds(START) + whole * (number + 1) // pieces if number + 1 < pieces else 2**62
            self._run(client, "lines", {**parameters, "from": begins, "to": ends})
            self.on_progress("lines", self.size.lines * (number + 1) // pieces - others, self.size.lines)
        for first, count in _pieces(others, ROWS):
            self._run(client, "other_lines", {"lines": others, "first": first, "count": count})
        self.on_progress("lines", self.size.lines, self.size.lines)

    def _metrics(self, client: Client) -> None:
        steps = round(self.size.hours * 3600 / self.size.interval_seconds)
        written = 0
        left = self.size.series
        for name, metrics in (("sums", SUMS), ("histograms", HISTOGRAMS), ("gauges", GAUGES)):
            series = left if name == "gauges" else self.size.series * len(metrics) // METRICS
            left -= series
            parameters = {"series": series, "names": [metric for metric, _ in metrics], "units": [unit for _, unit in metrics]}
            for first, count in _pieces(series * steps, ROWS):
                self._run(client, name, {**parameters, "first": first, "count": count})
                written += count
                self.on_progress("points", written, self.size.series * steps)

    def _run(self, client: Client, name: str, parameters: dict[str, object]) -> None:
        common: dict[str, object] = {
            "tenant": self.tenant,
            "seed": self.size.seed,
            "start": nanoseconds(START),
            "end": nanoseconds(self.size.end),
            "fault": nanoseconds(self.size.fault),
            "interval": self.size.interval_seconds * NANOSECONDS,
            "faulty": 1 + self.system.faulty,
            "services": list(self.system.services),
            "instances": INSTANCES,
        }
        client.command(statement(name), parameters={**common, **parameters})

    def _changes(self) -> pa.Table:
        """A deploy of every tenth service at some time, and one of the faulty service just before it breaks."""
        services = self.system.services
        times = [START + (self.size.end - START) * (number / len(services)) for number in range(0, len(services), 10)]
        names = [services[number] for number in range(0, len(services), 10)]
        times.append(self.size.fault - timedelta(seconds=DEPLOY_SECONDS))
        names.append(services[self.system.faulty])
        size = len(names)
        return pa.table(
            {
                "Tenant": [self.tenant] * size,
                "Recording": [""] * size,
                "Timestamp": pa.array(times, pa.timestamp("us", tz="UTC")),
                "ServiceName": names,
                "Kind": ["deploy"] * size,
                "Version": [f"1.{number}.0" for number in range(size)],
                "Actor": ["pipeline"] * size,
                "Description": ["routine release"] * size,
            }
        )


def statement(name: str) -> str:
    """The text of `statements/<name>.sql`."""
    return files("middlewatch.evals.scale").joinpath("statements", f"{name}.sql").read_text(encoding="utf-8").strip()


def _parents(sizes: list[int]) -> list[int]:
    """The parent of each node of a preorder, both counted from 1; 0 for the root."""
    parents: list[int] = []
    path: list[tuple[int, int]] = []  # the nodes around, each with where its subtree ends
    for number, size in enumerate(sizes):
        while path and path[-1][1] <= number:
            path.pop()
        parents.append(path[-1][0] + 1 if path else 0)
        path.append((number, number + size))
    return parents


def _pieces(total: int, most: int) -> Iterator[tuple[int, int]]:
    """First and count of pieces that make up the total."""
    return ((first, min(most, total - first)) for first in range(0, total, most))
