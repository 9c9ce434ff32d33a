"""Fixtures that the whole suite shares."""

from __future__ import annotations

import gc
import itertools
import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

from middlewatch.telemetry.clickhouse import ClickHouse
from middlewatch.telemetry.limits import Limits

# No timed tests: a first call may take long on a busy machine.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# To look for garbage in all that tests import takes a sixth of their time.
gc.set_threshold(100_000, 50, 100)

# A job in the background of a shell is started with Ctrl-C ignored, and all that tests start would ignore it, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_tenants = itertools.count(1)


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    """The one embedded telemetry store of the test process, migrated. chdb allows one data directory a process.

    Tests share it and stay apart by `tenant`.
    """
    with ClickHouse.embedded(tmp_path_factory.mktemp("telemetry"), Limits(query_seconds=20)) as database:
        database.migrate()
        yield database


@pytest.fixture
def tenant() -> str:
    """A tenant that no other test uses."""
    return f"tenant-{next(_tenants)}"
