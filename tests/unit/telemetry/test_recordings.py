"""Bad recordings are refused with one line that names the file and what is wrong with it, before a row is written."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from middlewatch.records import ImportedRecording, Scope, Window
from middlewatch.records.errors import RecordingError, SourceUnavailable
from middlewatch.telemetry import import_attempt, recording_files, recordings
from middlewatch.telemetry.clickhouse import ClickHouse
from middlewatch.telemetry.import_attempt import ImportAttempt
from middlewatch.telemetry.recordings import import_recording, imported_recordings, read_recording, recording_digest
from tests.telemetry_data import moment, signal_table, write_recording

_HOUR = Window(start=moment(0), end=moment(3600))


def with_column(place: str, values: pa.Array) -> pa.Table:
    """One row of a signal with another column, given as `signal.column`."""
    signal, _, name = place.partition(".")
    table = signal_table(signal, [{}])
    return table.set_column(table.schema.get_field_index(name), name, values)


def test_a_recording_says_what_it_is_and_which_incidents_it_holds(tmp_path: Path) -> None:
    info, incidents = read_recording(write_recording(tmp_path / "shop"))
    assert (info.system, info.start) == ("test", moment(0))
    assert [incident.id for incident in incidents] == ["incident-1"]


@pytest.mark.parametrize("missing", ["recording.json", "incidents.jsonl"])
def test_a_folder_without_its_two_files_is_no_recording(tmp_path: Path, missing: str) -> None:
    folder = write_recording(tmp_path / "shop")
    (folder / missing).unlink()
    with pytest.raises(RecordingError, match=f"is not a recording: it has no {missing}"):
        read_recording(folder)


@pytest.mark.parametrize(("place", "said"), [("nowhere", "There is no folder .*nowhere"), ("file", "file is not a folder")])
def test_a_path_that_is_no_folder_is_no_recording(tmp_path: Path, place: str, said: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordingError, match=said):
        read_recording(tmp_path / place)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", "line 2: Invalid JSON"),
        ('{"id": "x"}', "line 2: title: Field required"),
        ('{"id": "x", "title": "t", "detected_at": "yesterday", "window_end": "2026-03-01T00:00:00Z"}', "line 2: detected_at"),
        ('{"id": "x", "title": "t", "detected_at": "2026-03-01T00:00:00", "window_end": "2026-03-01T00:00:00Z"}', "timezone"),
        ('{"id": "incident-1", "title": "t", "detected_at": 0, "window_end": 1}', "line 2: the id 'incident-1' is used twice"),
    ],
)
def test_a_bad_line_is_named_by_its_number(tmp_path: Path, line: str, complaint: str) -> None:
    folder = write_recording(tmp_path / "shop")
    with (folder / "incidents.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(RecordingError, match=complaint) as caught:
        read_recording(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "[]", '{"format": "recording/v2"}', "\xff"])
def test_a_bad_header_is_refused(tmp_path: Path, content: str) -> None:
    folder = write_recording(tmp_path / "shop")
    (folder / "recording.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(RecordingError, match=r"recording\.json"):
        read_recording(folder)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def scramble(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4:60] = bytes(56)
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [cut, empty, scramble])
@pytest.mark.parametrize("signal", ["metrics", "logs", "traces", "changes", "topology"])
def test_damaged_parquet_is_refused_and_leaves_nothing(
    clickhouse: ClickHouse, tenant: str, tmp_path: Path, signal: str, damage: Callable[[Path], None]
) -> None:
    folder = write_recording(tmp_path / "shop", logs=[{}])
    pq.write_table(signal_table(signal, [{}]), folder / f"{signal}.parquet")
    damage(folder / f"{signal}.parquet")
    with pytest.raises(RecordingError, match=rf"{signal}\.parquet is truncated, corrupt or not Parquet"):
        import_recording(clickhouse, tenant, folder)
    assert imported_recordings(clickhouse, tenant) == ()


@pytest.mark.parametrize(
    ("place", "values", "complaint"),
    [
        ("metrics.value", pa.array(["fast"]), "metrics.parquet: column 'value' is string, and double is expected"),
        ("metrics.attributes", pa.array(["a=b"]), "column 'attributes' is string, and map<string, string> is expected"),
        (
            "logs.time",
            pa.array([moment(0)], pa.timestamp("us")),
            r"logs.parquet: column 'time' is timestamp\[us\], and timestamp",
        ),
        ("logs.body", pa.array([b"x"]), "logs.parquet: column 'body' is binary, and string is expected"),
        ("traces.duration_ns", pa.array([1.5]), "traces.parquet: column 'duration_ns' is double, and int64 is expected"),
        ("traces.start_time", pa.array([5]), "traces.parquet: column 'start_time' is int64, and timestamp"),
        ("changes.service", pa.array([5]), "changes.parquet: column 'service' is int64, and string is expected"),
        ("topology.callee", pa.array([None], pa.null()), "topology.parquet: column 'callee' is null, and string is expected"),
    ],
)
def test_a_wrong_column_type_names_both_types(
    clickhouse: ClickHouse, tenant: str, tmp_path: Path, place: str, values: Any, complaint: str
) -> None:
    folder = write_recording(tmp_path / "shop")
    pq.write_table(with_column(place, values), folder / f"{place.partition('.')[0]}.parquet")
    with pytest.raises(RecordingError, match=complaint):
        import_recording(clickhouse, tenant, folder)


def test_a_missing_column_is_named(clickhouse: ClickHouse, tenant: str, tmp_path: Path) -> None:
    folder = write_recording(tmp_path / "shop")
    pq.write_table(signal_table("traces", [{}]).drop_columns(["span_id"]), folder / "traces.parquet")
    with pytest.raises(RecordingError, match=r"traces\.parquet has no column 'span_id' \(string expected\)"):
        import_recording(clickhouse, tenant, folder)


def test_every_file_is_checked_before_the_first_row_is_written(clickhouse: ClickHouse, tenant: str, tmp_path: Path) -> None:
    folder = write_recording(tmp_path / "shop", metrics=[{}], logs=[{}])
    pq.write_table(with_column("topology.callee", pa.array([1])), folder / "topology.parquet")
    written: list[str] = []
    with pytest.raises(RecordingError):
        import_recording(clickhouse, tenant, folder, on_progress=lambda name, _done, _all: written.append(name))
    assert written == []


def test_rows_without_a_time_are_refused(clickhouse: ClickHouse, tenant: str, tmp_path: Path) -> None:
    folder = write_recording(tmp_path / "shop")
    pq.write_table(with_column("logs.time", pa.array([None], pa.timestamp("us", tz="UTC"))), folder / "logs.parquet")
    with pytest.raises(RecordingError, match=r"logs\.parquet: column 'time' has rows without a time"):
        import_recording(clickhouse, tenant, folder)


def test_other_spellings_of_the_types_are_read(clickhouse: ClickHouse, tenant: str, tmp_path: Path) -> None:
    folder = write_recording(tmp_path / "shop")
    table = with_column("traces.service", pa.array(["cart"]).dictionary_encode())
    table = table.set_column(0, "trace_id", pa.array(["t"], pa.large_string()))
    table = table.set_column(
        table.schema.get_field_index("start_time"), "start_time", pa.array([moment(1)], pa.timestamp("ms", tz="+02:00"))
    )
    table = table.set_column(table.schema.get_field_index("duration_ns"), "duration_ns", pa.array([-5], pa.int32()))
    table = table.set_column(table.schema.get_field_index("status_code"), "status_code", pa.array(["STATUS_CODE_ERROR"]))
    table = table.set_column(table.schema.get_field_index("name"), "name", pa.array([None], pa.string()))
    pq.write_table(table, folder / "traces.parquet")
    imported = import_recording(clickhouse, tenant, folder)
    rows = clickhouse.sources(Scope(tenant=tenant, recording=imported.name), moment(3600)).traces.spans(_HOUR).table.to_pylist()
    assert [(row["service"], row["start"], row["duration_ns"], row["status"], row["operation"]) for row in rows] == [
        ("cart", moment(1), 0, "Error", "")
    ]


def test_maps_and_values_that_are_absent_are_empty(clickhouse: ClickHouse, tenant: str, tmp_path: Path) -> None:
    folder = write_recording(tmp_path / "shop", metrics=[{}])
    table = signal_table("metrics", [{"attributes": {"a": "1"}, "instance": "i"}, {}, {"attributes": {"b": "2"}}])
    maps = pa.array([[("a", None)], None, [("b", "2"), ("c", "3")]], pa.map_(pa.string(), pa.string()))
    values = pa.array([1.0, None, 3.0])
    table = table.set_column(table.schema.get_field_index("attributes"), "attributes", maps)
    pq.write_table(table.set_column(table.schema.get_field_index("value"), "value", values), folder / "metrics.parquet")
    imported = import_recording(clickhouse, tenant, folder)
    assert imported.rows == {"otel_metrics_gauge": 2}
    metrics = clickhouse.sources(Scope(tenant=tenant, recording=imported.name), moment(3600)).metrics
    rows = metrics.series(_HOUR, step_seconds=60).table.to_pylist()
    assert [(row["instance"], dict(row["attributes"]), row["average"]) for row in rows] == [
        ("", {"b": "2", "c": "3"}, [3.0]),
        ("i", {"a": ""}, [1.0]),
    ]


def test_large_files_are_read_in_pieces_and_the_progress_is_told(
    clickhouse: ClickHouse, tenant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording_files, "BATCH_ROWS", 2)
    folder = write_recording(tmp_path / "shop", logs=[{"body": str(number)} for number in range(5)])
    told: list[tuple[str, int, int]] = []
    imported = import_recording(clickhouse, tenant, folder, on_progress=lambda *progress: told.append(progress))
    assert told == [("logs.parquet", 2, 5), ("logs.parquet", 4, 5), ("logs.parquet", 5, 5)]
    lines = clickhouse.sources(Scope(tenant=tenant, recording=imported.name), moment(3600)).logs.lines(_HOUR).table
    assert sorted(lines["body"].to_pylist()) == ["0", "1", "2", "3", "4"]


def test_a_recording_is_imported_once(clickhouse: ClickHouse, tenant: str, tmp_path: Path) -> None:
    folder = write_recording(tmp_path / "a shop!", logs=[{}], topology=[{}])
    first = import_recording(clickhouse, tenant, folder)
    again = import_recording(clickhouse, tenant, folder)
    renamed = import_recording(clickhouse, tenant, folder.rename(tmp_path / "other"))
    assert first == again == renamed
    assert first.name.startswith(f"a-shop-{first.digest[:12]}-")
    assert first.rows == {"otel_logs": 1, "topology": 1}
    assert imported_recordings(clickhouse, tenant) == (first,)


def test_another_byte_is_another_recording(tmp_path: Path) -> None:
    folder = write_recording(tmp_path / "shop", logs=[{}])
    before = recording_digest(folder)
    (folder / "labels.jsonl").write_text("never read")
    assert recording_digest(folder) == before
    write_recording(folder, logs=[{"body": "x"}])
    assert recording_digest(folder) != before


def test_what_a_failed_import_left_is_invisible_and_removed(
    clickhouse: ClickHouse, tenant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_recording(tmp_path / "shop", metrics=[{}], logs=[{}, {}], traces=[{}])
    insert = ClickHouse.insert

    def failing(self: ClickHouse, table: str, rows: pa.Table) -> None:
        if table == "otel_traces":
            raise SourceUnavailable("the disk is full")
        insert(self, table, rows)

    with monkeypatch.context() as patched:
        patched.setattr(ClickHouse, "insert", failing)
        with pytest.raises(SourceUnavailable):
            import_recording(clickhouse, tenant, folder)
    assert imported_recordings(clickhouse, tenant) == ()
    assert stored_rows(clickhouse, tenant) == 0
    imported = import_recording(clickhouse, tenant, folder)
    sources = clickhouse.sources(Scope(tenant=tenant, recording=imported.name), moment(3600))
    assert sources.logs.lines(_HOUR).table.num_rows == 2
    assert sources.metrics.series(_HOUR, step_seconds=60).table["count"].to_pylist() == [[1]]


def test_doubled_rows_are_not_published(
    clickhouse: ClickHouse, tenant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_recording(tmp_path / "shop", logs=[{}])
    insert = ClickHouse.insert

    def doubling(self: ClickHouse, table: str, rows: pa.Table) -> None:
        for _ in range(2 if table == "otel_logs" else 1):
            insert(self, table, rows)

    with monkeypatch.context() as patched:
        patched.setattr(ClickHouse, "insert", doubling)
        with pytest.raises(SourceUnavailable, match="otel_logs has 2 rows of this recording and should have 1"):
            import_recording(clickhouse, tenant, folder)
    assert import_recording(clickhouse, tenant, folder).rows == {"otel_logs": 1}


def stored_rows(database: ClickHouse, tenant: str) -> int:
    """Rows of all imports that were ever begun, published or not."""
    with database._pool.client() as client:
        begun = client.query_arrow("SELECT Recording FROM imports WHERE Tenant = {t:String}", parameters={"t": tenant})
    counted = (database.query("recording_rows", {"tenant": tenant, "recording": name})[0] for name in begun[0].to_pylist())
    return sum(sum(table["rows"].to_pylist()) for table in counted)


def every_body(database: ClickHouse, tenant: str, imported: ImportedRecording) -> list[str]:
    lines = database.sources(Scope(tenant=tenant, recording=imported.name), moment(3600)).logs.lines(_HOUR).table
    return sorted(lines["body"].to_pylist())


@pytest.fixture
def two_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Imports do not wait for one another, as if they were in different processes."""
    monkeypatch.setattr(recordings, "_importing", nullcontext())


@pytest.mark.usefixtures("two_processes")
def test_of_two_importers_the_first_to_publish_wins(clickhouse: ClickHouse, tenant: str, tmp_path: Path) -> None:
    folder = write_recording(tmp_path / "shop", logs=[{"body": "a"}, {"body": "b"}], traces=[{}], topology=[{}])
    faster: list[ImportedRecording] = []

    def import_meanwhile(*_: object) -> None:
        if not faster:
            faster.append(import_recording(clickhouse, tenant, folder))

    slower = import_recording(clickhouse, tenant, folder, on_progress=import_meanwhile)
    assert [slower] == faster == list(imported_recordings(clickhouse, tenant))
    assert every_body(clickhouse, tenant, slower) == ["a", "b"]
    assert stored_rows(clickhouse, tenant) == 3, "the slower one's rows are removed"


@pytest.mark.usefixtures("two_processes")
@pytest.mark.parametrize("step", ["check", "_publish"])
def test_whatever_another_importer_does_meanwhile_what_is_published_is_whole(
    clickhouse: ClickHouse, tenant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    folder = write_recording(tmp_path / "shop", logs=[{"body": "a"}, {"body": "b"}])
    owner: Any = ImportAttempt if step == "check" else recordings
    original = getattr(owner, step)
    others: list[ImportedRecording] = []

    def import_first(*arguments: Any) -> None:
        monkeypatch.setattr(owner, step, original)
        with monkeypatch.context() as patched:
            patched.setattr(ImportAttempt, "check", failing)  # one that is given up, and removes its rows
            with pytest.raises(SourceUnavailable):
                import_recording(clickhouse, tenant, folder)
        others.append(import_recording(clickhouse, tenant, folder))  # and one that ends
        original(*arguments)

    def failing(*_: object) -> None:
        raise SourceUnavailable("the disk is full")

    monkeypatch.setattr(owner, step, import_first)
    mine = import_recording(clickhouse, tenant, folder)
    assert imported_recordings(clickhouse, tenant) == (others[0],) == (mine,)
    with clickhouse._pool.client() as client:
        published = client.query_arrow("SELECT Recording FROM recordings WHERE Tenant = {t:String}", parameters={"t": tenant})
    assert published.num_rows == (1 if step == "check" else 2)
    for name in published[0].to_pylist():
        assert every_body(clickhouse, tenant, mine.model_copy(update={"name": name})) == ["a", "b"]


def test_what_a_killed_import_left_is_removed_once_it_cannot_be_alive(
    clickhouse: ClickHouse, tenant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_recording(tmp_path / "shop", logs=[{}], topology=[{}])
    with monkeypatch.context() as patched:
        patched.setattr(ImportAttempt, "discard", lambda _: None)
        patched.setattr(import_attempt, "LONGEST_SECONDS", -1)
        with pytest.raises(SourceUnavailable, match="took more than half a day"):
            import_recording(clickhouse, tenant, folder)
    first = import_recording(clickhouse, tenant, folder)
    assert stored_rows(clickhouse, tenant) == 2, "it might have been alive"
    monkeypatch.setattr(import_attempt, "ABANDONED_SECONDS", -1)
    second = import_recording(clickhouse, tenant, write_recording(tmp_path / "other", logs=[{"body": "x"}]))
    assert stored_rows(clickhouse, tenant) == 2
    assert imported_recordings(clickhouse, tenant) == (first, second)


def test_a_recording_of_many_days_fits(clickhouse: ClickHouse, tenant: str, tmp_path: Path) -> None:
    metrics = [{"time": day * 86_400} for day in range(120)]
    assert import_recording(clickhouse, tenant, write_recording(tmp_path / "shop", metrics=metrics)).rows == {
        "otel_metrics_gauge": 120
    }
