"""What was really done in a recording of the lab: more than a label says, for whoever scores. No investigation reads it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from middlewatch.evals.lab.exported import Exported
from middlewatch.evals.lab.recording import LabIncident, incident_row
from middlewatch.evals.lab.shop import ShopOptions
from middlewatch.records import Incident, Record, UtcDatetime

TRUTH_FILE = "truth.json"
STEADY_SECONDS = 5.0
"""How long an objective must be met again before the shop is said to have recovered."""


class TrueCause(Record):
    """One thing that was done."""

    service: str
    kind: str
    at: UtcDatetime


class TrueChange(Record):
    """A change that a cause came with."""

    service: str
    kind: str
    at: UtcDatetime


class TrueIncident(Record):
    """One incident, or a false alarm."""

    incident: str
    name: str
    causes: tuple[TrueCause, ...]
    changes: tuple[TrueChange, ...]
    detected_at: UtcDatetime
    mended_at: UtcDatetime | None
    recovered_at: UtcDatetime | None
    """When the objective that was missed began to be met again; None where the recording ends before."""


class Truth(Record):
    """One recording."""

    seed: int
    requests_per_second: float
    incidents: tuple[TrueIncident, ...]
    quiet: tuple[Incident, ...] = ()
    """Moments of healthy time, as an alert would have told them. They are not among the recording's incidents."""


def write_truth(
    output: Path, exported: Exported, incidents: Sequence[LabIncident], quiet: Sequence[LabIncident], shop: ShopOptions
) -> None:
    """Write it beside the recording's files."""
    told = Truth(
        seed=shop.seed,
        requests_per_second=shop.requests_per_second,
        incidents=tuple(_told(exported, incident) for incident in incidents),
        quiet=tuple(Incident.model_validate(incident_row(each)) for each in quiet),
    )
    (output / TRUTH_FILE).write_text(told.model_dump_json(indent=1) + "\n", encoding="utf-8")


def read_truth(recording: Path) -> Truth:
    """What was done in a recording of the lab."""
    return Truth.model_validate_json((recording / TRUTH_FILE).read_text(encoding="utf-8"))


def _told(exported: Exported, incident: LabIncident) -> TrueIncident:
    return TrueIncident(
        incident=incident.id,
        name=incident.name,
        causes=tuple(TrueCause(service=each.service, kind=each.kind, at=each.at) for each in incident.causes),
        changes=tuple(
            TrueChange(service=each.change.service, kind=each.change.kind.value, at=each.time) for each in incident.blamable
        ),
        detected_at=incident.detection.at,
        mended_at=incident.mended_at,
        recovered_at=_recovered(exported, incident),
    )


def _recovered(exported: Exported, incident: LabIncident) -> UtcDatetime | None:
    """The first sample after the mending from which on the objective was met for a while."""
    if incident.mended_at is None or not incident.causes:
        return None
    objective = incident.detection.objective
    rows = sorted(
        (
            row
            for row in exported.metrics
            if (row.service, row.metric) == (objective.service, objective.metric) and row.time >= incident.mended_at
        ),
        key=lambda row: row.time,
    )
    since: UtcDatetime | None = None
    for row in rows:
        if row.value > objective.limit:
            since = None
        else:
            since = since or row.time
            if row.time - since >= timedelta(seconds=STEADY_SECONDS):
                return since
    return None
