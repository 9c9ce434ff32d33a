"""A recording with changes laid over it, on disk; and what a recording shows of who calls whom."""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from middlewatch.evals.degrade import json_lines, read_batches
from middlewatch.evals.labels import LABELS_FILE, Label, read_labels
from middlewatch.evals.overlay_cases import Placed, Role, Sort, System, place, sorts
from middlewatch.records import Incident
from middlewatch.records.errors import BadInput
from middlewatch.telemetry.recording_files import CHANGES, LOGS, METRICS, SIGNAL_FILES, TOPOLOGY, TRACES
from middlewatch.telemetry.recordings import read_recording

NOTE = "Semi-synthetic: the changes were laid over it by middlewatch.evals.overlay, and nobody made them."
PLACED_FILE = "overlay.jsonl"
SAME_MOMENT = timedelta(seconds=5)
"""Between a change that is the cause and the beginning of its fault, by the clock of who labelled it."""
APART = timedelta(minutes=45)
"""Between incidents with changes of their own: more than changes are suspects for, so that no case disturbs another."""
SCHEMA = pa.schema(
    {
        "time": pa.timestamp("us", tz="UTC"),
        **{name: pa.string() for name in ("service", "kind", "version", "actor", "description")},
    }
)


def system_of(recording: Path) -> System:
    """The services of a recording and their neighbours, from its topology or else from its traces."""
    services = {s for file in (METRICS, LOGS, TRACES) for s in _column(recording / file.name, "service")}
    neighbours: dict[str, set[str]] = defaultdict(set)
    topology, traces = recording / TOPOLOGY.name, recording / TRACES.name
    for caller, callee in _declared(topology) if topology.exists() else _seen(traces) if traces.exists() else ():
        if caller and callee and caller != callee:
            services |= {caller, callee}
            neighbours[caller].add(callee)
            neighbours[callee].add(caller)
    return System(frozenset(services - {""}), {service: frozenset(known) for service, known in neighbours.items()})


def real_changes(recording: Path, incident: Incident, label: Label) -> tuple[Placed, ...]:
    """The changes that were really made until the end of an incident's window; empty where the recording has none.

    The cause is the one of the broken service in the moment in which the fault began, if there is one.
    """
    file = recording / CHANGES.name
    placed = []
    for table in read_batches(file, ["time", "service", "kind", "version"]) if file.exists() else ():
        for row in table.to_pylist():
            if row["time"] < incident.window_end:
                began = label.started_at is not None and abs(row["time"] - label.started_at) <= SAME_MOMENT
                cause = began and row["service"] == label.root_cause_service
                role = Role.CAUSE if cause else Role.REAL
                placed.append(Placed(incident=incident.id, sort=Sort.REAL, role=role, **row))
    return tuple(placed)


def write_overlay(recording: Path, output: Path, seed: int) -> tuple[Placed, ...]:
    """Write a copy of a recording with changes, their truth in `overlay.jsonl`.

    Of incidents less than `APART` from one another only one keeps its label and gets changes, so that no case disturbs another;
    which ones, and the sort of each, depends on the seed.

    Args:
        recording: the folder.
        output: the folder to write; it must not exist.
        seed: everything is drawn from it.

    Returns:
        The changes.

    Raises:
        BadInput: the recording has changes or no labels, or `output` exists.
    """
    if (recording / CHANGES.name).exists():
        raise BadInput(f"{recording} has changes of its own.", remedy="Lay changes over a recording without changes.parquet.")
    if output.exists():
        raise BadInput(f"{output} exists.", remedy="Name a new folder.")
    labels, incidents = read_labels(recording), read_recording(recording)[1]
    chosen = _apart([i for i in incidents if i.id in labels and sorts(labels[i.id])], seed)
    if not chosen:
        raise BadInput(f"{recording} has no labelled incident.", remedy=f"Add {LABELS_FILE} (docs/recordings.md).")
    system = system_of(recording)
    placed = [p for n, i in enumerate(chosen) for p in place(i, labels[i.id], _sort(labels[i.id], n + seed), system, seed)]
    placed.sort(key=lambda change: (change.time, change.service, change.version))
    output.mkdir(parents=True)
    for file in SIGNAL_FILES:
        if (recording / file.name).exists():
            shutil.copyfile(recording / file.name, output / file.name)
    pq.write_table(pa.Table.from_pylist(change_rows(placed), SCHEMA), output / CHANGES.name)
    _write_json(recording, output, {incident.id for incident in chosen}, placed)
    return tuple(placed)


def change_rows(placed: Iterable[Placed]) -> list[dict[str, object]]:
    """As rows of `changes.parquet`. Nothing in them tells what a change is there for."""
    return [
        {
            **change.model_dump(include={"time", "service", "version"}),
            "kind": change.kind.value,
            "actor": "nobody",
            "description": "semi-synthetic",
        }
        for change in placed
    ]


def _apart(incidents: Sequence[Incident], seed: int) -> list[Incident]:
    """As many as fit, beginning with another one for another seed; in order of time."""
    ordered = sorted(incidents, key=lambda i: (i.detected_at, i.id))
    first = seed % len(ordered) if ordered else 0
    chosen: list[Incident] = []
    for incident in (*ordered[first:], *ordered[:first]):
        if all(abs(incident.detected_at - other.detected_at) >= APART for other in chosen):
            chosen.append(incident)
    return sorted(chosen, key=lambda i: (i.detected_at, i.id))


def _sort(label: Label, turn: int) -> Sort:
    possible = sorts(label)
    return possible[turn % len(possible)]


def _write_json(recording: Path, output: Path, chosen: set[str], placed: Sequence[Placed]) -> None:
    shutil.copyfile(recording / "incidents.jsonl", output / "incidents.jsonl")
    (info,) = json_lines(recording / "recording.json")
    described = {**info, "notes": f"{NOTE} {info.get('notes', '')}".strip()}
    (output / "recording.json").write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
    kept = [line for line in json_lines(recording / LABELS_FILE) if line["incident"] in chosen]
    (output / LABELS_FILE).write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
    (output / PLACED_FILE).write_text("".join(change.model_dump_json() + "\n" for change in placed), encoding="utf-8")


def _column(file: Path, name: str) -> set[str]:
    tables = read_batches(file, [name]) if file.exists() else ()
    return {each or "" for table in tables for each in table[name].unique().to_pylist()}


def _declared(topology: Path) -> set[tuple[str, str]]:
    return {
        pair
        for table in read_batches(topology, ["caller", "callee"])
        for pair in zip(table["caller"].to_pylist(), table["callee"].to_pylist(), strict=True)
    }


def _seen(traces: Path) -> set[tuple[str, str]]:
    """Caller and callee of every span whose parent belongs to another service."""
    owner: dict[str, str] = {}
    called: set[tuple[str, str]] = set()
    for table in read_batches(traces, ["span_id", "parent_span_id", "service"]):
        for span, parent, service in zip(*(table[c].to_pylist() for c in table.column_names), strict=True):
            owner[span] = service
            called.add((parent, service))
    return {(owner[parent], service) for parent, service in called if parent in owner}
