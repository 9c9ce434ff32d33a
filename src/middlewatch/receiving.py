"""Telemetry that comes in live: the intake over whichever store the settings name, in a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

from middlewatch.back_ends import limits_of, open_redis, open_telemetry
from middlewatch.besides import kept_running
from middlewatch.data_directory import DataDirectory
from middlewatch.executor import beside
from middlewatch.settings import Settings
from middlewatch.telemetry.intake import Intake

__all__ = ["Intake", "OpenIntake", "beside_serving", "open_intake"]


@dataclass(frozen=True, slots=True)
class OpenIntake:
    """An intake, and where it stores."""

    intake: Intake
    where: str
    owner: bool
    """Whether this process owns the data directory."""
    deserted: Callable[[], bool] = lambda: False
    """Whether the process ended that owned the data directory: nothing can be stored until somebody owns it."""


@contextmanager
def open_intake(settings: Settings) -> Iterator[OpenIntake]:
    """Open the telemetry store and an intake over it; what was taken is stored before it is closed.

    Where nobody owns the data directory this process does, with all that an owner starts for others.

    Raises:
        Misconfigured: a setting or a program is missing.
        Unavailable: the store does not answer.
    """
    with ExitStack() as stack:
        directory = None
        if settings.clickhouse_url is None:
            directory = stack.enter_context(DataDirectory(settings.data_dir))
            if directory.own():
                stack.enter_context(open_redis(settings, directory))
        telemetry = stack.enter_context(open_telemetry(settings, directory, limits_of(settings)))
        owner = directory is not None and directory.owned
        if owner:
            stack.enter_context(beside(settings))
        with Intake(telemetry.insert) as intake:
            deserted = directory.deserted if directory is not None else lambda: False
            yield OpenIntake(intake, telemetry.where, owner=owner, deserted=deserted)
        if directory is not None and owner:
            directory.await_users()


def beside_serving(settings: Settings) -> AbstractContextManager[None]:
    """`middlewatch otlp` in a process of its own for as long as the block runs: decoding must not slow the pages down."""
    command = [sys.executable, "-m", "middlewatch.frontends.otlp"]
    return kept_running("otlp", command, settings.for_receiver(), "the OTLP intake")
