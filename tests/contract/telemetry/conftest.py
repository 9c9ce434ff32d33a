"""The three ways to one telemetry store: in the process, through its socket, and by URL."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from middlewatch.records import Scope, Window
from middlewatch.telemetry.clickhouse import ClickHouse
from middlewatch.telemetry.limits import Limits
from middlewatch.telemetry.recordings import import_recording
from middlewatch.telemetry.shim import Shim
from middlewatch.telemetry.sources import Sources
from tests.telemetry_data import moment, write_recording

RecordingSources = Callable[..., Sources]
Way = Callable[[Limits], ClickHouse]


@pytest.fixture(scope="session")
def ways(clickhouse: ClickHouse) -> Iterator[dict[str, Way]]:
    """Opens the shared store by each way, under given bounds."""
    assert clickhouse.directory is not None
    directory = clickhouse.directory
    with ExitStack() as stack:
        # A short path: a socket's may have 100 bytes, and pytest's folders can be deep.
        path = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mw-"))) / "private" / "telemetry.sock"
        stack.enter_context(Shim(clickhouse, path))
        listener = socket.create_server(("127.0.0.1", 0))
        stack.enter_context(Shim(clickhouse, listener))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        yield {
            "embedded": lambda limits: ClickHouse.embedded(directory, limits),
            "attached": lambda limits: ClickHouse.attach(path, limits),
            "url": lambda limits: ClickHouse.connect(url, limits),
        }


@pytest.fixture(scope="session", params=["embedded", "attached", "url"])
def way(request: pytest.FixtureRequest, ways: dict[str, Way]) -> Way:
    return ways[str(request.param)]


@pytest.fixture(scope="session")
def database(way: Way, clickhouse: ClickHouse) -> Iterator[ClickHouse]:
    """The store, once for each way to it."""
    with way(clickhouse.limits) as opened:
        yield opened


@pytest.fixture
def recorded(database: ClickHouse, tenant: str, tmp_path: Path) -> RecordingSources:
    """Imports a recording made of the given rows and opens it up to `horizon` seconds after its start."""

    def open_recording(horizon: float = 3600, *, owner: str = tenant, **signals: Any) -> Sources:
        imported = import_recording(database, owner, write_recording(tmp_path / "recording", **signals))
        return database.sources(Scope(tenant=owner, recording=imported.name), moment(horizon))

    return open_recording


LiveSources = Callable[..., Sources]


@pytest.fixture
def live(database: ClickHouse, tenant: str) -> LiveSources:
    """Inserts rows of one table as the tenant's live telemetry and opens it."""

    def insert(table: str, columns: dict[str, pa.Array | list[Any]], horizon: float = 3600) -> Sources:
        size = len(next(iter(columns.values())))
        database.insert(table, pa.table({"Tenant": [tenant] * size, "Recording": [""] * size, **columns}))
        return database.sources(Scope(tenant=tenant), moment(horizon))

    return insert


def window(start: float = 0, end: float = 3600) -> Window:
    return Window(start=moment(start), end=moment(end))
