"""Turn a recording into another one that is worse: what is missing, sampled, renamed or late in it is known exactly.

`evals/degradations.py` says what there is. Here is how it is done: file by file and batch by batch, so that a recording need not
fit in memory; the same seed gives the same files.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from middlewatch.telemetry.recording_files import BATCH_ROWS, SIGNAL_FILES

Json = dict[str, Any]
Rows = Callable[[pa.Table], pa.Table]
"""Rows of one file to rows with the same columns. Text columns are plain strings."""

JSON_FILES = ("recording.json", "incidents.jsonl", "labels.jsonl")


def _same(line: Json) -> Json:
    return line


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done to the files of one recording."""

    rows: Mapping[str, Rows] = field(default_factory=dict)
    """By signal: `traces` for `traces.parquet`. The files of other signals are copied as they are."""
    without: frozenset[str] = frozenset()
    """Signals whose files are left out."""
    line: Callable[[Json], Json] = _same
    """Done to every object in the JSON files."""


Planner = Callable[[Path, int], Plan]
"""Looks at a recording, takes a seed, and says what to do to it."""


@dataclass(frozen=True, slots=True)
class Degradation:
    """One way in which telemetry is worse than it could be."""

    name: str
    description: str
    plan: Planner


@contextmanager
def degraded(recording: Path, degradations: tuple[Degradation, ...], *, seed: int, near: Path) -> Iterator[Path]:
    """The recording after all degradations, one after the other; itself where there are none.

    Args:
        recording: the folder.
        degradations: what to do, in this order.
        seed: whatever is drawn is drawn from it.
        near: where the new recordings are kept for as long as the block runs; created where it is absent.
    """
    near.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=near) as temporary:
        for number, degradation in enumerate(degradations):
            output = Path(temporary) / str(number) / recording.name
            degrade(recording, output, degradation, seed=seed)
            recording = output
        yield recording


def degrade(recording: Path, output: Path, degradation: Degradation, *, seed: int) -> None:
    """Write the degraded recording into the folder `output`, which must not exist."""
    plan = degradation.plan(recording, seed)
    output.mkdir(parents=True)
    for name in JSON_FILES:
        if (recording / name).exists():
            _rewrite(recording / name, output / name, plan.line)
    for file in SIGNAL_FILES:
        signal = file.name.removesuffix(".parquet")
        if signal in plan.without or not (recording / file.name).exists():
            continue
        if signal in plan.rows:
            _transform(recording / file.name, output / file.name, plan.rows[signal])
        else:
            shutil.copyfile(recording / file.name, output / file.name)


def json_lines(file: Path) -> tuple[Json, ...]:
    """The objects of a JSON file, or of a file with one on each line; none where it is absent."""
    if not file.exists():
        return ()
    text = file.read_text(encoding="utf-8")
    return (json.loads(text),) if file.suffix == ".json" else tuple(json.loads(line) for line in text.split("\n") if line.strip())


def read_batches(file: Path, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """The rows of a Parquet file, `BATCH_ROWS` at a time, with text columns as plain strings."""
    for batch in pq.ParquetFile(file).iter_batches(batch_size=BATCH_ROWS, columns=columns):
        table = pa.Table.from_batches([batch])
        yield table.cast(_plain(table.schema)).combine_chunks()


def _plain(schema: pa.Schema) -> pa.Schema:
    """The schema with text columns as plain strings, however they are encoded."""
    fields = [f.with_type(pa.string()) if pa.types.is_dictionary(f.type) or pa.types.is_large_string(f.type) else f for f in schema]
    return pa.schema(fields)


def _rewrite(file: Path, output: Path, line: Callable[[Json], Json]) -> None:
    indent, end = (1, "") if file.suffix == ".json" else (None, "\n")
    written = (json.dumps(line(each), indent=indent) + end for each in json_lines(file))
    output.write_text("".join(written), encoding="utf-8")


def _transform(file: Path, output: Path, rows: Rows) -> None:
    schema = _plain(pq.ParquetFile(file).schema_arrow)
    with pq.ParquetWriter(output, schema, compression="zstd") as writer:
        for table in read_batches(file):
            writer.write_table(rows(table).cast(schema))
