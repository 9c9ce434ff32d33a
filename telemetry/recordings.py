"""Recordings: telemetry of past incidents on disk, read, checked and copied into the telemetry store."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from middlewatch.records import ImportedRecording, Incident, RecordingInfo, Tenant
from middlewatch.records.errors import MiddlewatchError, RecordingError
from middlewatch.telemetry.clickhouse import ClickHouse
from middlewatch.telemetry.import_attempt import ImportAttempt, remove_abandoned
from middlewatch.telemetry.recording_files import SIGNAL_FILES, SignalFile, batches, check, open_parquet

INFO_FILE: Final = "recording.json"
INCIDENTS_FILE: Final = "incidents.jsonl"

_FORMAT_HINT: Final = "The recording format is described in docs/recordings.md."
_NAME_CHARACTERS: Final = 48
_DIGEST_CHARACTERS: Final = 12
_SUGGESTIONS: Final = 5
_importing = threading.Lock()
"""Spares threads of one process double work. Nothing depends on it: other processes import as well."""

Progress = Callable[[str, int, int], None]
"""Told the file that is being copied, its rows copied so far, and its rows in all."""


def read_recording(path: Path) -> tuple[RecordingInfo, tuple[Incident, ...]]:
    """What a recording says of itself, and its incidents.

    Raises:
        RecordingError: a file is missing or wrong; the message names the file, and the line where there is one.
    """
    _require_folder(path)
    return _read_info(path / INFO_FILE), tuple(_read_incidents(path / INCIDENTS_FILE))


def import_recording(database: ClickHouse, tenant: Tenant, path: Path, *, on_progress: Progress | None = None) -> ImportedRecording:
    """Copy a recording into the telemetry store; one that is there already is not copied again.

    Every file is checked before the first row is written. Rows become readable only with the row in `recordings`, written
    last: an import that was killed leaves nothing visible, and one a day later or more removes what it left. Of several processes
    that import the same recording at the same time the first to publish wins, and all return its name.

    Args:
        database: where to.
        tenant: whose recording it is.
        path: the recording's folder.
        on_progress: called after every batch.

    Raises:
        RecordingError: the recording cannot be read.
        SourceUnavailable: the store does not answer or its disk is full.
    """
    info, incidents = read_recording(path)
    present = [(file, path / file.name) for file in SIGNAL_FILES if (path / file.name).exists()]
    for file, place in present:
        check(place, open_parquet(place), file)
    digest = recording_digest(path)
    with _importing:
        if known := _with_digest(database, tenant, digest):
            return known
        remove_abandoned(database, tenant)
        attempt = ImportAttempt.begin(database, tenant, f"{_slug(path)}-{digest[:_DIGEST_CHARACTERS]}")
        with _discarded_on_failure(attempt):
            rows = {file.table: _copy(attempt, place, file, on_progress) for file, place in present}
            attempt.check(rows)
            known = _with_digest(database, tenant, digest)
        if known:  # another process was faster
            attempt.discard()
            return known
        # From here on nothing is removed, not even after an error: the row may have arrived all the same.
        imported = ImportedRecording(name=attempt.name, info=info, incidents=incidents, rows=rows, digest=digest)
        _publish(database, tenant, imported)
        return _with_digest(database, tenant, digest) or imported


def imported_recordings(database: ClickHouse, tenant: Tenant) -> tuple[ImportedRecording, ...]:
    """The recordings that a tenant has imported, oldest import first."""
    table, _ = database.query("recordings", {"tenant": tenant, "recording": ""})
    return tuple(
        ImportedRecording(
            name=row["name"],
            info=RecordingInfo.model_validate_json(row["info"]),
            incidents=_INCIDENTS.validate_json(row["incidents"]),
            rows=json.loads(row["rows"]),
            digest=row["digest"],
        )
        for row in table.to_pylist()
    )


def recording_digest(path: Path) -> str:
    """SHA-256 over the names and contents of the files that are imported, in a fixed order."""
    total = hashlib.sha256()
    for name in (INFO_FILE, INCIDENTS_FILE, *(file.name for file in SIGNAL_FILES)):
        if (path / name).exists():
            with (path / name).open("rb") as content:
                total.update(f"{name}\0{hashlib.file_digest(content, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()


_INCIDENTS: Final = TypeAdapter(tuple[Incident, ...])


def _require_folder(path: Path) -> None:
    """Tell a folder that is not there, and one of several recordings, from a recording that lacks something."""
    if not path.is_dir():
        what = f"{path} is not a folder" if path.exists() else f"There is no folder {path}"
        raise RecordingError(what, remedy=f"Name the folder of a recording, with {INFO_FILE} in it.")
    below = [] if (path / INFO_FILE).exists() else _recordings_below(path)
    if below:
        named = ", ".join(map(str, below[:_SUGGESTIONS])) + (", ..." if len(below) > _SUGGESTIONS else "")
        raise RecordingError(f"{path} is not a recording: it has no {INFO_FILE}", remedy=f"Name one of those below it: {named}")


def _recordings_below(path: Path) -> list[Path]:
    """The nearest recordings first; not searched further down than a folder of folders of recordings."""
    return [file.parent for pattern in ("*", "*/*") for file in sorted(path.glob(f"{pattern}/{INFO_FILE}"))]


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise RecordingError(f"{path.parent} is not a recording: it has no {path.name}", remedy=_FORMAT_HINT) from error
    except (OSError, UnicodeDecodeError) as error:
        raise RecordingError(f"{path} cannot be read as text", remedy=_FORMAT_HINT) from error


def _read_info(path: Path) -> RecordingInfo:
    try:
        return RecordingInfo.model_validate_json(_read_text(path))
    except ValidationError as error:
        raise RecordingError(f"{path.name}: {_first(error)}", remedy=_FORMAT_HINT) from error


def _read_incidents(path: Path) -> Iterator[Incident]:
    seen: set[str] = set()
    # Not splitlines: JSON strings may hold characters that Python takes for line ends.
    for number, line in enumerate(_read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            incident = Incident.model_validate_json(line)
        except ValidationError as error:
            raise RecordingError(f"{path.name}, line {number}: {_first(error)}", remedy=_FORMAT_HINT) from error
        if incident.id in seen:
            raise RecordingError(f"{path.name}, line {number}: the id '{incident.id}' is used twice", remedy=_FORMAT_HINT)
        seen.add(incident.id)
        yield incident


def _first(error: ValidationError) -> str:
    detail = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(part) for part in detail["loc"])
    return f"{field}: {detail['msg']}" if field else str(detail["msg"])


def _slug(path: Path) -> str:
    """The folder's name in the characters that a scope's `recording` may have."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", path.resolve().name)[:_NAME_CHARACTERS].strip("-.") or "recording"


def _with_digest(database: ClickHouse, tenant: str, digest: str) -> ImportedRecording | None:
    return next((known for known in imported_recordings(database, tenant) if known.digest == digest), None)


@contextmanager
def _discarded_on_failure(attempt: ImportAttempt) -> Iterator[None]:
    """What cannot be removed now, because the store does not answer either, is removed by a later import."""
    try:
        yield
    except BaseException:  # an interrupt too: half a recording is no recording
        with suppress(MiddlewatchError):
            attempt.discard()
        raise


def _copy(attempt: ImportAttempt, place: Path, file: SignalFile, on_progress: Progress | None) -> int:
    parquet = open_parquet(place)
    read = written = 0
    for columns in batches(place, parquet, file):
        size = len(next(iter(columns.values())))
        if size:
            owner = {"Tenant": pa.repeat(pa.scalar(attempt.tenant), size), "Recording": pa.repeat(pa.scalar(attempt.name), size)}
            attempt.database.insert(file.table, pa.table({**owner, **columns}))
        written += size
        read = min(read + max(size, 1), parquet.metadata.num_rows)
        if on_progress is not None:
            on_progress(file.name, written, parquet.metadata.num_rows)
    return written


def _publish(database: ClickHouse, tenant: str, imported: ImportedRecording) -> None:
    database.insert(
        "recordings",
        pa.table(
            {
                "Tenant": [tenant],
                "Recording": [imported.name],
                "Digest": [imported.digest],
                "Info": [imported.info.model_dump_json()],
                "Incidents": [_INCIDENTS.dump_json(imported.incidents).decode()],
                "Rows": [json.dumps(imported.rows)],
            }
        ),
    )
