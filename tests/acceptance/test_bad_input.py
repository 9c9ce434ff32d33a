"""Invariant: whatever is wrong, there is one clear line with what to do, an exit code, no traceback, and no loss."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.acceptance.command import command, environment, refused, report_of, run
from tests.acceptance.incident import record_incident
from tests.telemetry_data import incident_row


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return record_incident(tmp_path / "incident")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def test_a_folder_without_a_recording(data: Path, tmp_path: Path) -> None:
    assert "recording.json" in refused(run(data, "investigate", "--recording", tmp_path), 65)


def test_a_folder_that_does_not_exist(data: Path, tmp_path: Path) -> None:
    assert f"There is no folder {tmp_path / 'absent'}" in refused(run(data, "investigate", "--recording", tmp_path / "absent"), 65)


def test_a_folder_of_recordings_names_some_of_them(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("c", "b", "a/1", "a/2", "a/3", "a/4"):
        (tmp_path / "many" / name).mkdir(parents=True)
        (tmp_path / "many" / name / "recording.json").touch()
    message = refused(run(data, "investigate", "--recording", "many"), 65)
    assert "many is not a recording" in message
    assert message.endswith("Name one of those below it: many/b, many/c, many/a/1, many/a/2, many/a/3, ...\n")


@pytest.mark.parametrize("name", ["metrics.parquet", "traces.parquet"])
def test_a_truncated_file(data: Path, recording: Path, name: str) -> None:
    file = recording / name
    file.write_bytes(file.read_bytes()[:-200])
    assert name in refused(run(data, "investigate", "--recording", recording), 65)


def test_a_wrong_column_type(data: Path, recording: Path) -> None:
    table = pq.read_table(recording / "metrics.parquet")
    at = table.column_names.index("value")
    pq.write_table(table.set_column(at, "value", pa.array(["much"] * table.num_rows)), recording / "metrics.parquet")
    message = refused(run(data, "investigate", "--recording", recording), 65)
    assert "metrics.parquet" in message
    assert "value" in message


def test_a_broken_line_of_incidents(data: Path, recording: Path) -> None:
    (recording / "incidents.jsonl").write_text("{}\nnot json\n")
    assert "incidents.jsonl" in refused(run(data, "investigate", "--recording", recording), 65)


def test_a_mistake_is_no_loss(data: Path, recording: Path) -> None:
    """What was there before a refused import is there afterwards, and the mended recording is taken."""
    first = report_of(run(data, "investigate", "--recording", recording, "--json"))
    broken = shutil.copytree(recording, recording.parent / "broken")
    whole = (broken / "logs.parquet").read_bytes()
    (broken / "logs.parquet").write_bytes(whole[:1000])
    refused(run(data, "recordings", "import", broken), 65)
    assert run(data, "show", first["investigation"]).returncode == 0
    (broken / "logs.parquet").write_bytes(whole)
    assert run(data, "recordings", "import", broken).returncode == 0


def test_a_redis_that_refuses(data: Path, tmp_path: Path) -> None:
    variables = {"MIDDLEWATCH_REDIS_URL": "redis://127.0.0.1:1/0", "MIDDLEWATCH_EPOCH_FILE": str(tmp_path / "epoch")}
    assert "127.0.0.1" in refused(run(data, "list", **variables), 69)


def test_a_clickhouse_that_refuses(data: Path) -> None:
    assert "127.0.0.1" in refused(run(data, "recordings", "list", MIDDLEWATCH_CLICKHOUSE_URL="http://127.0.0.1:1"), 69)


def test_a_setting_that_cannot_be_used(data: Path) -> None:
    assert "MIDDLEWATCH_SLOTS" in refused(run(data, "doctor", MIDDLEWATCH_SLOTS="none"), 78)


def test_a_data_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "MIDDLEWATCH_DATA_DIR" in refused(run(tmp_path / "file" / "data", "recordings", "list"), 78)


HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202etxt\nincident-2"
"""Sets the window's title, clears the screen (twice: C1 has a CSI too), reverses what follows, and starts a line of its own."""


@pytest.mark.timeout(180)
def test_names_that_a_terminal_would_obey(data: Path, tmp_path: Path) -> None:
    rows = [incident_row(1200, 120) | {"id": HOSTILE, "title": f"title {HOSTILE}"}]
    recording = record_incident(tmp_path / "recordings" / "hostile", incidents=rows)
    imported = run(data, "recordings", "import", recording)
    listed = run(data, "recordings", "list")
    unknown = run(data, "investigate", "--recording", recording, "--incident", HOSTILE + "3")
    evaluated = run(data, "evaluate", recording.parent)
    for result, code in ((imported, 0), (listed, 0), (unknown, 65), (evaluated, 0)):
        assert result.returncode == code, result.stderr
        assert not set(result.stdout + result.stderr) & set("\x1b\x07\x9b\u202e")
        assert not any(line.startswith("incident-2") for line in (result.stdout + result.stderr).splitlines())
    escaped = "\\x1b]0;owned\\x07"
    assert listed.stdout.count(escaped) == 2  # the id and the title
    assert escaped in refused(unknown, 65).splitlines()[1]
    assert escaped in evaluated.stderr


def test_an_argument_that_a_terminal_would_obey(data: Path) -> None:
    result = run(data, "recordings", "import", "absent", f"--{HOSTILE}")
    assert result.returncode == 2
    assert not set(result.stderr) & set("\x1b\x07\x9b\u202e")


@pytest.mark.parametrize(
    "words",
    [
        ["investigate"],
        ["investigate", "--service", "a", "--recording", "b"],
        ["investigate", "--service", "a", "--incident", "b"],
        ["investigate", "--recording", "a", "--metric", "b"],
        ["investigate", "--recording", "a", "--at", "2026-11-21T01:56:00Z"],
        ["investigate", "--service", "a", "--at", "soon"],
        ["investigate", "--service", "a", "--at", "0001-01-01T00:00:00+05:00"],
        ["evaluate", ".", "--agents", "gossip"],
        ["dance"],
    ],
)
def test_words_that_make_no_sense(data: Path, words: list[str]) -> None:
    result = run(data, *words)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


def test_an_option_that_would_be_ignored_is_named(data: Path, tmp_path: Path) -> None:
    result = run(data, "investigate", "--recording", tmp_path, "--metric", "b", "--at", "2026-11-21T01:56:00Z")
    assert "Error: --metric and --at cannot be given with --recording: a recording says itself what alarmed" in result.stderr


def test_the_future_cannot_be_investigated(data: Path) -> None:
    assert "future" in refused(run(data, "investigate", "--service", "a", "--at", "2999-01-01T00:00:00Z"), 65)


@pytest.fixture(params=["64k", "512k"])
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A file system of its own with little room."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={request.param}", "tmpfs", str(disk)]
    if os.geteuid() or not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small file system can only be mounted by root where mounting is allowed")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)  # noqa: S607  as mount above


def test_a_full_disk(small_disk: Path, recording: Path) -> None:
    result = run(small_disk / "data", "investigate", "--recording", recording)
    assert result.returncode in (69, 78), (result.stdout, result.stderr)
    assert "Traceback" not in result.stderr
    assert "disk" in result.stderr or "space" in result.stderr


def test_a_reader_that_has_seen_enough(data: Path) -> None:
    """`middlewatch ... | head -1` ends without noise."""
    process = subprocess.Popen(command("schema"), env=environment(data), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 0
