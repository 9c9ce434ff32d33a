"""Cuts one incident out of a recording of the lab, with what came before it: small enough to be kept and replayed by a test.

    python -m middlewatch.evals.lab.cutting /tmp/matrix/seed-1-01 shop-20261122-072215 evals/recordings/lab-incidents/surge

What came before is kept as it is, earlier incidents included, so that the answer is the one that the whole recording gets. What
came after the incident's window is left out: nothing reads it.
"""

from __future__ import annotations

import argparse
import json
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from middlewatch.evals.lab.recording import write_lines, write_table
from middlewatch.evals.lab.truth import TRUTH_FILE, read_truth
from middlewatch.evals.labels import LABELS_FILE, NOTHING
from middlewatch.records.errors import BadInput
from middlewatch.telemetry.recording_files import CHANGES, LOGS, METRICS, TOPOLOGY, TRACES
from middlewatch.telemetry.recordings import INCIDENTS_FILE, INFO_FILE, read_recording


def cut(recording: Path, moment: str, output: Path, *, before_seconds: float | None = None) -> Path:
    """Write a recording of one incident, or of one quiet moment, and of what came before it.

    Args:
        recording: a folder with `truth.json`.
        moment: the id of an incident or of a quiet moment. It is the last incident of what is written.
        output: the folder to write; it must not exist.
        before_seconds: how much to keep of the time before the detection; everything where it is left out.

    Returns:
        The folder.

    Raises:
        BadInput: there is no such moment, or the folder exists.
    """
    info, incidents = read_recording(recording)
    truth = read_truth(recording)
    chosen = next((one for one in (*incidents, *truth.quiet) if one.id == moment), None)
    if chosen is None:
        told = ", ".join(one.id for one in (*incidents, *truth.quiet))
        raise BadInput(f"There is no moment {moment!r} in {recording}.", remedy=f"Name one of: {told}.")
    if output.exists():
        raise BadInput(f"{output} exists.", remedy="Name a new folder.")
    output.mkdir(parents=True)
    start = info.start if before_seconds is None else max(info.start, chosen.detected_at - timedelta(seconds=before_seconds))
    kept = [one for one in incidents if start < one.detected_at and one.window_end <= chosen.detected_at] + [chosen]
    for file, time in ((METRICS, "time"), (LOGS, "time"), (CHANGES, "time"), (TRACES, "start_time")):
        table = pq.read_table(recording / file.name)
        write_table(output / file.name, table.filter(_inside(table, time, start, chosen.window_end)))
    (output / TOPOLOGY.name).write_bytes((recording / TOPOLOGY.name).read_bytes())
    told = json.loads((recording / INFO_FILE).read_text(encoding="utf-8"))
    told |= {"start": start.isoformat(), "end": chosen.window_end.isoformat()}
    (output / INFO_FILE).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    write_lines(output / INCIDENTS_FILE, (one.model_dump(mode="json") for one in kept))
    names = {one.id for one in kept}
    labels = [json.loads(line) for line in (recording / LABELS_FILE).read_text(encoding="utf-8").splitlines()]
    none = [{"incident": one.id, "root_cause_service": None, "root_cause_kind": NOTHING} for one in truth.quiet if one == chosen]
    write_lines(output / LABELS_FILE, [*(label for label in labels if label["incident"] in names), *none])
    own = truth.model_copy(
        update={
            "incidents": tuple(one for one in truth.incidents if one.incident in names),
            "quiet": tuple(one for one in truth.quiet if one == chosen),
        }
    )
    (output / TRUTH_FILE).write_text(own.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return output


def _inside(table: pa.Table, column: str, start: datetime, end: datetime) -> pa.ChunkedArray:
    """Which rows are of that time; of spans, those whose whole request began in it."""
    times = table.column(column)
    inside = pc.and_(pc.greater_equal(times, start), pc.less_equal(times, end))
    if "trace_id" not in table.column_names or column == "time":
        return inside
    began = table.group_by("trace_id").aggregate([(column, "min")])
    early = began.filter(pc.less(began.column(f"{column}_min"), start)).column("trace_id")
    return pc.and_(inside, pc.invert(pc.is_in(table.column("trace_id"), value_set=early.combine_chunks())))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Cut one incident out of a recording of the lab.")
    parser.add_argument("recording", type=Path)
    parser.add_argument("moment", help="the id of an incident, or of a quiet moment of truth.json")
    parser.add_argument("output", type=Path)
    parser.add_argument("--before", type=float, help="seconds to keep from before the detection; all of them otherwise")
    given = parser.parse_args()
    cut(given.recording, given.moment, given.output, before_seconds=given.before)


if __name__ == "__main__":
    main()
