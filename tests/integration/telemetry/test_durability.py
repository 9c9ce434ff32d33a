"""What was acknowledged survives SIGKILL; an import that was killed leaves nothing visible; a full disk loses nothing."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.telemetry.processes import output, start, wait_for
from tests.telemetry_data import write_recording

_INSERT_FOREVER = """
with ClickHouse.embedded(Path(sys.argv[1])) as database:
    database.migrate()
    number = 0
    while True:
        times = pa.array([moment(0)] * 100, pa.timestamp("us", tz="UTC"))
        database.insert("otel_logs", pa.table({"Tenant": ["t"] * 100, "Timestamp": times, "Body": [str(number)] * 100}))
        number += 1
        print(number, flush=True)
"""
_COUNT = """
with ClickHouse.embedded(Path(sys.argv[1])) as database:
    logs = database.sources(Scope(tenant="t"), moment(60)).logs
    found = logs.patterns(Window(start=moment(0), end=moment(60)), step_seconds=60)
    print(sum(found.table["total"].to_pylist()))
"""


def test_acknowledged_inserts_survive_sigkill(tmp_path: Path) -> None:
    with start(_INSERT_FOREVER, tmp_path / "data") as process:
        wait_for(process, "3")
        process.kill()
        printed, _ = process.communicate()
    acknowledged = max([3, *map(int, printed.split())])
    stored = int(output(_COUNT, tmp_path / "data"))
    # One insert may have been written and not acknowledged yet; none is written in part.
    assert stored in {acknowledged * 100, (acknowledged + 1) * 100}


_IMPORT_AND_STALL = """
import time
def stall(name, done, total):
    if name == "traces.parquet":
        print("half", flush=True)
        time.sleep(60)
with ClickHouse.embedded(Path(sys.argv[1])) as database:
    database.migrate()
    import_recording(database, "t", Path(sys.argv[2]), on_progress=stall)
"""
_IMPORT_AGAIN = """
with ClickHouse.embedded(Path(sys.argv[1])) as database:
    print(len(imported_recordings(database, "t")))
    imported = import_recording(database, "t", Path(sys.argv[2]))
    sources = database.sources(Scope(tenant="t", recording=imported.name), moment(3600))
    window = Window(start=moment(0), end=moment(3600))
    print(sources.logs.lines(window).table.num_rows, sources.traces.spans(window).table.num_rows)
"""


def test_an_import_killed_half_way_is_invisible_and_can_be_repeated(tmp_path: Path) -> None:
    folder = write_recording(tmp_path / "shop", logs=[{}, {}], traces=[{}], topology=[{}])
    with start(_IMPORT_AND_STALL, tmp_path / "data", folder) as process:
        wait_for(process, "half")
        process.kill()
    assert output(_IMPORT_AGAIN, tmp_path / "data", folder).splitlines() == ["0", "2 1"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 MB."""
    mounted = os.geteuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(tmp_path)],  # noqa: S607 - mount is where the system has it
        check=False,
        capture_output=True,
    ).returncode == 0  # fmt: skip
    if not mounted:
        pytest.skip("a small file system can only be mounted by root, and here it cannot")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)  # noqa: S607 - as above


_FILL = """
import os
acknowledged = 0
with ClickHouse.embedded(Path(sys.argv[1]) / "data") as database:
    database.migrate()
    try:
        while True:
            times = pa.array([moment(0)] * 1000, pa.timestamp("us", tz="UTC"))
            bodies = [os.urandom(2500).hex() for _ in range(1000)]
            database.insert("otel_logs", pa.table({"Tenant": ["t"] * 1000, "Timestamp": times, "Body": bodies}))
            acknowledged += 1000
    except MiddlewatchError as error:
        print(type(error).__name__, error.retryable, error)
    logs = database.sources(Scope(tenant="t"), moment(60)).logs
    found = logs.patterns(Window(start=moment(0), end=moment(60)), step_seconds=60)
    print(sum(found.table["total"].to_pylist()) - acknowledged)
"""


def test_a_full_disk_is_told_in_one_line_and_loses_nothing(small_disk: Path) -> None:
    told, lost = output(_FILL, small_disk).splitlines()
    assert told.startswith("SourceUnavailable True the disk of the telemetry store in")
    assert "is full; nothing that was acknowledged is lost" in told
    assert lost == "0"
