"""One process owns a data directory; others attach through its private socket and are told clearly where they cannot."""

from __future__ import annotations

import socket
import stat
import threading
from pathlib import Path

import pytest

from middlewatch.records.errors import BoundExceeded, DataDirectoryLocked, MiddlewatchError, Misconfigured, SourceUnavailable
from middlewatch.telemetry import clickhouse as clickhouse_module
from middlewatch.telemetry.clickhouse import ClickHouse
from middlewatch.telemetry.limits import Limits
from middlewatch.telemetry.shim import Shim
from tests.integration.telemetry.processes import output, start, wait_for
from tests.telemetry_data import write_recording

_OWN = """
with ClickHouse.embedded(Path(sys.argv[1])) as database:
    database.migrate()
    with Shim(database, Path(sys.argv[2])):
        print("serving", flush=True)
        sys.stdin.read()
print("closed", flush=True)
"""
_OPEN = """
try:
    ClickHouse.embedded(Path(sys.argv[1]))
except MiddlewatchError as error:
    print(type(error).__name__, error)
"""
_ATTACH = """
with ClickHouse.attach(Path(sys.argv[1])) as database:
    imported = import_recording(database, "t", Path(sys.argv[2]))
    sources = database.sources(Scope(tenant="t", recording=imported.name), moment(3600))
    print(sources.logs.lines(Window(start=moment(0), end=moment(3600))).table["body"].to_pylist())
"""


@pytest.fixture
def short_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("s")


def test_processes_share_a_data_directory_through_its_owner(tmp_path: Path, short_path: Path) -> None:
    path = short_path / "private" / "telemetry.sock"
    with start(_OWN, tmp_path / "data", path) as owner:
        wait_for(owner, "serving")
        assert output(_OPEN, tmp_path / "data").startswith(f"DataDirectoryLocked {tmp_path / 'data'} is in use by another process")
        folder = write_recording(tmp_path / "shop", logs=[{"body": "hello"}])
        assert output(_ATTACH, path, folder) == "['hello']"
        printed, complaints = owner.communicate()
    assert (printed.strip(), complaints, owner.returncode) == ("closed", "", 0)
    assert not path.exists()


def test_the_socket_is_private(clickhouse: ClickHouse, short_path: Path) -> None:
    path = short_path / "private" / "telemetry.sock"
    with Shim(clickhouse, path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_socket_left_by_a_dead_owner_is_replaced_and_a_live_one_is_not(clickhouse: ClickHouse, short_path: Path) -> None:
    path = short_path / "private" / "telemetry.sock"
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with Shim(clickhouse, path):
        with pytest.raises(DataDirectoryLocked, match="another process serves"):
            Shim(clickhouse, path)
        with ClickHouse.attach(path) as attached:
            assert attached.query("recordings", {"tenant": "t", "recording": ""})[0].num_rows >= 0


def test_nobody_behind_a_socket_is_told_with_a_remedy(short_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match="does not answer") as caught:
        ClickHouse.attach(short_path / "nobody.sock")
    assert caught.value.remedy


def test_an_owner_that_goes_away_is_told(clickhouse: ClickHouse, short_path: Path) -> None:
    path = short_path / "private" / "telemetry.sock"
    with Shim(clickhouse, path):
        attached = ClickHouse.attach(path)
    with attached, pytest.raises(SourceUnavailable, match="does not answer"):
        attached.query("recordings", {"tenant": "t", "recording": ""})


def test_closing_waits_for_a_running_query_and_leaves_no_thread(
    clickhouse: ClickHouse, short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        clickhouse_module,
        "statement",
        lambda _: "SELECT count() AS n FROM numbers({many:UInt64}) WHERE NOT ignore(sipHash64(number))",
    )
    before = set(threading.enumerate())
    outcome: list[object] = []
    shim = Shim(clickhouse, short_path / "private" / "telemetry.sock")
    attached = ClickHouse.attach(short_path / "private" / "telemetry.sock", Limits(query_seconds=1))

    def ask() -> None:
        try:
            attached.query("slow", {"many": 10**13})
        except MiddlewatchError as error:
            outcome.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    while not any(thread.name == "telemetry-shim-client" for thread in threading.enumerate()):
        pass
    shim.close()
    asking.join()
    attached.close()
    assert isinstance(outcome[0], BoundExceeded | SourceUnavailable)
    assert set(threading.enumerate()) <= before


def test_a_path_too_long_for_a_socket_is_refused(clickhouse: ClickHouse, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="too long for a socket"):
        Shim(clickhouse, tmp_path / ("x" * 100) / "telemetry.sock")


def test_only_an_embedded_store_is_served(clickhouse: ClickHouse, short_path: Path) -> None:
    path = short_path / "private" / "telemetry.sock"
    with Shim(clickhouse, path), ClickHouse.attach(path) as attached, pytest.raises(Misconfigured, match="only an embedded"):
        Shim(attached, short_path / "other.sock")


@pytest.mark.parametrize("url", ["", "shop", "ftp://shop", "http://", "http://shop:99999"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(Misconfigured, match="not a valid one"):
        ClickHouse.connect(url)


def test_a_server_that_does_not_answer_is_named_without_its_password() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(SourceUnavailable, match=f"http://127.0.0.1:{port} does not answer") as caught:
        ClickHouse.connect(f"http://someone:secret@127.0.0.1:{port}")
    assert "secret" not in str(caught.value)


def test_a_directory_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured, match="cannot be used"):
        ClickHouse.embedded(tmp_path / "file")


def test_a_second_directory_in_one_process_is_refused(clickhouse: ClickHouse, tmp_path: Path) -> None:
    assert clickhouse.directory != tmp_path
    with pytest.raises(Misconfigured, match="holds another data directory"):
        ClickHouse.embedded(tmp_path)


def test_the_machines_time_zone_does_not_matter(tmp_path: Path) -> None:
    folder = write_recording(tmp_path / "shop", logs=[{"time": 1}], metrics=[{"time": 1}], traces=[{"start_time": 1}])
    code = """
with ClickHouse.embedded(Path(sys.argv[1])) as database:
    database.migrate()
    imported = import_recording(database, "t", Path(sys.argv[2]))
    sources = database.sources(Scope(tenant="t", recording=imported.name), moment(3600))
    window = Window(start=moment(1), end=moment(2))
    print(sources.logs.lines(window).table["time"].to_pylist() == [moment(1)])
    print(sources.metrics.series(window, step_seconds=60).table["times"].to_pylist() == [[moment(1)]])
    print(sources.traces.spans(window).table["start"].to_pylist() == [moment(1)])
    print(sources.traces.freshness(window).watermark == moment(1))
"""
    assert output(code, tmp_path / "data", folder, timezone="America/New_York").split() == ["True"] * 4
