"""How fast a recording of many spans is imported and read. Run by hand; the figures stand in docs/measurements/telemetry.md.

.venv/bin/python -m tests.benchmarks.import_spans --spans 1000000
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from middlewatch.records import Scope, Window
from middlewatch.telemetry import recording_files
from middlewatch.telemetry.clickhouse import ClickHouse
from middlewatch.telemetry.recordings import import_recording
from middlewatch.telemetry.sources import Answer
from tests.telemetry_data import START, moment, write_recording

_SPANS_PER_TRACE = 10
_SERVICES = 50
_OPERATIONS = 20
_RATE = 2_000
"""Spans per second of the recorded system: 1 M spans are a little over eight minutes."""
_PIECE = 1_000_000


def hexadecimal(generator: np.random.Generator, size: int, digits: int) -> pa.Array:
    text = generator.bytes(size * digits // 2).hex().encode()
    return pa.array(np.frombuffer(text, f"S{digits}")).cast(pa.string())


def piece(generator: np.random.Generator, first: int, size: int) -> pa.Table:
    """`size` spans from span number `first` on: traces of ten, each span the child of the one before."""
    numbers = np.arange(first, first + size)
    place = numbers % _SPANS_PER_TRACE
    trace = (numbers - first) // _SPANS_PER_TRACE
    spans = hexadecimal(generator, size, 16)
    parents = pa.array(np.where(place > 0, np.arange(size) - 1, 0))
    begins = (numbers - place) * (1_000_000 // _RATE) + place * 100
    durations = generator.lognormal(15, 1, size).astype(np.int64)
    service = pa.array((trace * 7 + place * 3) % _SERVICES, pa.int32())
    operation = pa.array(place % _OPERATIONS, pa.int32())
    no_parent = pa.array(place == 0)
    return pa.table(
        {
            "trace_id": hexadecimal(generator, size // _SPANS_PER_TRACE + 1, 32).take(pa.array(trace)),
            "span_id": spans,
            "parent_span_id": pa.compute.if_else(no_parent, "", spans.take(parents)),
            "service": pa.DictionaryArray.from_arrays(service, [f"service-{number}" for number in range(_SERVICES)]),
            "instance": pa.DictionaryArray.from_arrays(service, [f"service-{number}-5d4f8" for number in range(_SERVICES)]),
            "name": pa.DictionaryArray.from_arrays(operation, [f"GET /operation/{number}" for number in range(_OPERATIONS)]),
            "start_time": pa.array(begins + int(START.timestamp() * 1_000_000), pa.timestamp("us", tz="UTC")),
            "duration_ns": pa.array(durations),
            "status_code": pa.DictionaryArray.from_arrays(pa.array((numbers % 97 == 0).astype(np.int32)), ["Unset", "Error"]),
        }
    )


def write(folder: Path, spans: int) -> Path:
    generator = np.random.default_rng(1)
    write_recording(folder, info={"end": moment(spans / _RATE + 60)})
    sizes = [min(_PIECE, spans - first) for first in range(0, spans, _PIECE)]
    first = 0
    with pq.ParquetWriter(folder / "traces.parquet", piece(generator, 0, _SPANS_PER_TRACE).schema) as writer:
        for size in sizes:
            writer.write_table(piece(generator, first, size))
            first += size
    return folder


def timed(name: str, work: Callable[[], Answer]) -> None:
    """Wall time depends on what else the machine does; processor time hardly does."""
    begun, processor = time.perf_counter(), time.process_time()
    answer = work()
    wall, processor = time.perf_counter() - begun, time.process_time() - processor
    click.echo(f"{name}: {wall:.2f} s ({processor:.2f} s of processor time), {answer.table.num_rows} rows")


def peak_mib() -> float:
    scale = 1024**2 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale


@click.command()
@click.option("--spans", default=1_000_000, show_default=True)
@click.option("--batch", default=recording_files.BATCH_ROWS, show_default=True, help="Rows a batch.")
def main(spans: int, batch: int) -> None:
    """Write a recording of so many spans, import it, and ask every question about traces."""
    recording_files.BATCH_ROWS = batch  # type: ignore[misc]  # what is compared
    with tempfile.TemporaryDirectory() as place:
        folder = write(Path(place) / "recording", spans)
        before = peak_mib()
        with ClickHouse.embedded(Path(place) / "data") as database:
            database.migrate()
            begun, processor = time.perf_counter(), time.process_time()
            imported = import_recording(database, "benchmark", folder)
            wall, processor = time.perf_counter() - begun, time.process_time() - processor
            rate = f"{wall:.1f} s ({processor:.1f} s of processor time), {spans / wall:,.0f} spans/s"
            click.echo(f"import: {rate}, peak memory {before:.0f} -> {peak_mib():.0f} MiB")
            traces = database.sources(Scope(tenant="benchmark", recording=imported.name), imported.info.end).traces
            window = Window(start=START, end=imported.info.end)
            timed("freshness and slowest spans", lambda: traces.spans(window))
            trace_id = traces.spans(window, limit=1).table["trace_id"][0].as_py()
            timed("one trace by its id", lambda: traces.spans(window, trace_ids=[trace_id]))
            timed("behaviours, 60 s steps", lambda: traces.behaviours(window, step_seconds=60))
            timed("edges, 60 s steps", lambda: traces.edges(window, step_seconds=60))
            timed("one request in a hundred", lambda: traces.requests(window, share=0.01))
        click.echo(f"peak memory {peak_mib():.0f} MiB")


if __name__ == "__main__":
    main()
