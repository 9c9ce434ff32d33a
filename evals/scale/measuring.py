"""How long one investigation takes, beside a probe that reads the same rows in the simplest way."""

from __future__ import annotations

import os
import resource
import statistics
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from pydantic import Field, computed_field

from middlewatch.alerts import incident_alert
from middlewatch.app import App, open_app
from middlewatch.evals.scale.size import Size
from middlewatch.evals.scale.store import statement
from middlewatch.evals.scale.system import System
from middlewatch.records import DEFAULT_TENANT, Alert, Outcome, Record, Report
from middlewatch.records.errors import MiddlewatchError
from middlewatch.settings import Settings
from middlewatch.telemetry.clickhouse import DATABASE
from middlewatch.telemetry.clients import Client, embedded

PROBE: Final = ("spans", "lines", "points")
"""The probe's statements, asked one after the other."""
PROBE_TIMES: Final = 3
"""The probe is asked so often; its median counts, because the first one may find nothing in the file system's cache."""
SETTLE_SECONDS: Final = 120.0
"""How long to wait at most until ClickHouse has merged what was just inserted."""


class Round(Record):
    """One investigation of one made-up store, in a process of its own."""

    size: Size
    probe_seconds: dict[str, float]
    probe_processor_seconds: float
    seconds: float = Field(description="from the order to the report")
    processor_seconds: float = Field(description="of all threads of the process, which the load of the machine hardly changes")
    agents_seconds: dict[str, float]
    peak_mib: float = Field(description="largest resident size of the process, which holds ClickHouse, since its start")
    start_mib: float = Field(description="the same before the first question")
    load: float = Field(description="processes that wanted to run during the last minute, this one included")
    outcome: Outcome
    blamed: str
    right: bool
    notes: tuple[str, ...] = Field(description="what the report says was missing or cut")

    @computed_field  # type: ignore[prop-decorator]  # pydantic's way
    @property
    def ratio(self) -> float:
        """How many probes the investigation took."""
        return self.seconds / sum(self.probe_seconds.values())

    @computed_field  # type: ignore[prop-decorator]
    @property
    def processor_ratio(self) -> float:
        """The same of processor time."""
        return self.processor_seconds / self.probe_processor_seconds


class Incidents(Record):
    """Incidents of recordings, investigated one after the other in one store."""

    seconds: tuple[float, ...]
    processor_seconds: tuple[float, ...] = Field(description="of all threads of the process")
    load: float

    @computed_field  # type: ignore[prop-decorator]
    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def processor_median(self) -> float:
        return statistics.median(self.processor_seconds)


def measure(data_dir: Path, size: Size) -> Round:
    """Ask the probe and investigate once.

    Args:
        data_dir: a store that `Fill` has filled; nothing else holds it.
        size: what it was filled with.

    Raises:
        MiddlewatchError: what the investigation raises.
    """
    with open_app(_settings(data_dir)) as app:
        with _client(app) as client:
            _settle(client)
            start_mib = _peak_mib()
            probe = {name: _median_seconds(client, name) for name in PROBE}
        processor, started = time.process_time(), time.monotonic()
        with app.working() as ended:
            report = _investigated(app, ended, size.alert, recording="")
            seconds = time.monotonic() - started
        processor = time.process_time() - processor
    faulty = System.drawn(size.services, size.seed)
    blamed = report.ranking[0].service if report.ranking else ""
    return Round(
        size=size,
        probe_seconds={name: wall for name, (wall, _) in probe.items()},
        probe_processor_seconds=sum(processor for _, processor in probe.values()),
        seconds=seconds,
        processor_seconds=processor,
        agents_seconds={timing.name: timing.seconds for timing in report.timings},
        peak_mib=_peak_mib(),
        start_mib=start_mib,
        load=os.getloadavg()[0],
        outcome=report.outcome,
        blamed=blamed,
        right=report.outcome is Outcome.FINDING and blamed == faulty.services[faulty.faulty],
        notes=report.missing,
    )


def measure_incidents(data_dir: Path, recordings: Sequence[Path]) -> Incidents:
    """Import recordings into a store and investigate each of their incidents.

    Args:
        data_dir: a store, loaded or empty.
        recordings: folders.
    """
    seconds, processor = [], []
    with open_app(_settings(data_dir)) as app, app.working() as ended:
        for folder in recordings:
            imported = app.import_recording(folder)
            for incident in imported.incidents:
                alert = incident_alert(app.settings.tenant, imported.name, incident, imported.incidents)
                worked, started = time.process_time(), time.monotonic()
                _investigated(app, ended, alert, recording=imported.name)
                seconds.append(round(time.monotonic() - started, 3))
                processor.append(round(time.process_time() - worked, 3))
    return Incidents(seconds=tuple(seconds), processor_seconds=tuple(processor), load=os.getloadavg()[0])


def _investigated(app: App, ended: threading.Event, alert: Alert, *, recording: str) -> Report:
    opened = app.investigate(alert, recording=recording, models=False)
    for _ in app.follow(opened.id, stopped=ended.is_set):
        pass
    report = app.report(opened.id)
    if report is None:
        raise MiddlewatchError("The investigation ended without a report.")
    return report


def _settings(data_dir: Path) -> Settings:
    """The environment's settings over this store, whatever back ends they name."""
    own = {"data_dir": data_dir.absolute(), "clickhouse_url": None, "redis_url": None, "epoch_file": None}
    return Settings.load().model_copy(update=own)


@contextmanager
def _client(app: App) -> Iterator[Client]:
    directory = app.telemetry.directory
    assert directory is not None  # noqa: S101  _settings names no server
    with closing(embedded(directory, app.telemetry.limits)(DATABASE)) as client:
        yield client


def _settle(client: Client) -> None:
    """Wait until merges are done: they would run beside what is measured."""
    until = time.monotonic() + SETTLE_SECONDS
    while client.query_arrow(statement("merges"), parameters={}).num_rows and time.monotonic() < until:
        time.sleep(0.5)


def _median_seconds(client: Client, name: str) -> tuple[float, float]:
    """Seconds by the clock and of processor time."""
    clock, processor = [], []
    for _ in range(PROBE_TIMES):
        began, worked = time.monotonic(), time.process_time()
        client.query_arrow(statement(f"probe_{name}"), parameters={"tenant": DEFAULT_TENANT})
        clock.append(time.monotonic() - began)
        processor.append(time.process_time() - worked)
    return statistics.median(clock), statistics.median(processor)


def _peak_mib() -> float:
    unit = 1024**2 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
