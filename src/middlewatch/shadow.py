"""The application with nobody at the other end: it reads telemetry and says what it finds, and tells, proposes and keeps nothing.

What it writes goes to a store of its own, which is thrown away. Settings by which anybody could be told or anything be acted on are
as if they had never been made, and nothing runs beside its worker: no executor, no alerts, no objectives, no approvals.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Final

from middlewatch.app import App, open_app
from middlewatch.back_ends import MIB, limits_of, open_redis, open_telemetry
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.store import ContextStore
from middlewatch.data_directory import DataDirectory
from middlewatch.settings import Settings
from middlewatch.working import at_work

_KEPT: Final = frozenset(
    {"data_dir", "tenant", "slots", "lease_seconds", "max_attempts", "redis_memory_mib", "baseline_hours", "wider_baseline_hours"}
    | {"query_seconds", "query_rows", "query_memory_mib", "query_concurrency"}
)
"""Settings that an answer follows from. All others have their defaults, also those that do not exist yet."""


def silenced(settings: Settings) -> Settings:
    """The same without everything that could reach anybody. `data_dir` stays: it must be one of its own."""
    fields = Settings.model_fields.items()
    unmade = {name: field.get_default(call_default_factory=True) for name, field in fields if name not in _KEPT}
    return settings.model_copy(update=unmade)


@contextmanager
def open_shadow(own: Settings, telemetry: Settings | None = None) -> Iterator[App]:
    """Open it.

    Args:
        own: with a data directory that is nobody else's and is thrown away by the caller.
        telemetry: whose tables are read, as `telemetry_at_hand` holds them; its own, for recordings, where left out.

    Raises:
        Unavailable: what is needed does not answer.
    """
    silent = silenced(own)
    with ExitStack() as stack:
        directory = stack.enter_context(DataDirectory(silent.data_dir))
        if not directory.own():
            raise directory.locked_error()
        redis = stack.enter_context(open_redis(silent, directory))
        there = directory
        if telemetry is not None and telemetry.clickhouse_url is None:
            there = stack.enter_context(DataDirectory(telemetry.data_dir))
            there.use()
        database = stack.enter_context(open_telemetry(telemetry or silent, there, limits_of(silent)))
        store = ContextStore(
            redis,
            epoch=Epoch(),
            lease_seconds=silent.lease_seconds,
            max_attempts=silent.max_attempts,
            memory_limit_bytes=silent.redis_memory_mib * MIB,
        )
        yield App(silent, database, store, archive_folder=silent.data_dir / "archive", owner=True)


@contextmanager
def telemetry_at_hand(settings: Settings) -> Iterator[None]:
    """Where the telemetry is embedded, hold it open so that others can attach to it; nothing is worked on."""
    if settings.clickhouse_url is not None:
        yield
        return
    with open_app(settings):
        yield


def answering(app: App) -> AbstractContextManager[threading.Event]:
    """Work on its tasks, and on nothing else, for as long as the block runs; see `working.at_work`."""
    return at_work(lambda stop: app.worker("shadow").run(stop), "shadow", {})
