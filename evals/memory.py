"""How often an earlier incident of the same fault is found before others: every incident is asked about all others recorded.

Labels are read by this module alone, after all investigations are done.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from middlewatch.alerts import incident_alert
from middlewatch.app import App
from middlewatch.evals.labels import read_labels
from middlewatch.evals.tables import markdown_table, shown_share
from middlewatch.records import Investigation, Outcome, Snapshot
from middlewatch.records.errors import MiddlewatchError
from middlewatch.similar import Likenesses, traits_of

CUT_OUT = "lab-incidents"
"""The folder of recordings of which the last incident alone is meant: of those before, no telemetry is there."""
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
Order = Callable[[Snapshot, Sequence[Investigation]], list[Investigation]]


@dataclass(frozen=True, slots=True)
class Case:
    """One incident that was investigated."""

    recording: str
    faults: frozenset[tuple[str, str]]
    """(service, fault) as labelled; none for a false alarm."""
    snapshot: Snapshot

    @property
    def investigation(self) -> Investigation:
        """As a list has it."""
        return self.snapshot.investigation


def investigated(app: App, recording: Path) -> Iterator[Case]:
    """Investigate every incident of a recording."""
    imported = app.import_recording(recording)
    labels = read_labels(recording)
    for incident in imported.incidents[-1:] if recording.parent.name == CUT_OUT else imported.incidents:
        alert = incident_alert(app.settings.tenant, imported.name, incident, imported.incidents)
        opened = app.investigate(alert, recording=imported.name, models=False)
        for _ in app.follow(opened.id):
            pass
        snapshot = app.snapshot(opened.id)
        if snapshot.report is None:
            raise MiddlewatchError(f"The investigation of incident {incident.id!r} ended without a report.")
        label = labels[incident.id]
        faults = frozenset(zip(label.services, label.root_cause_kind.split(" + "), strict=False))
        yield Case(recording.name, faults, snapshot)


def by_signature(asked: Snapshot, others: Sequence[Investigation]) -> list[Investigation]:
    """As `App.similar` orders them, feedback apart."""
    return Likenesses(traits_of(asked), others).order(others)


def plainly(asked: Snapshot, others: Sequence[Investigation]) -> list[Investigation]:
    """What it is compared with: same cause, same service, same alarm, same alarming service, same kind; then the newest."""

    def likeness(other: Investigation) -> int | None:
        ours, theirs = asked.investigation.headline, other.headline
        if ours is None or theirs is None:
            return None
        found = theirs.outcome is Outcome.FINDING
        service, kind = found and theirs.service == ours.service, found and theirs.cause is not None and theirs.cause == ours.cause
        now, then = asked.investigation.alert.symptom, other.alert.symptom
        alarmed = now is not None and then is not None and now.service == then.service
        checks = (service and kind, service, alarmed and now == then, alarmed, kind)
        return next((place for place, holds in enumerate(checks) if holds), None)

    ranked = [
        (place, -other.alert.detected_at.timestamp(), other.id, other) for other in others if (place := likeness(other)) is not None
    ]
    return [other for *_, other in sorted(ranked, key=lambda row: row[:3])]


def overview(cases: Sequence[Case]) -> str:
    """How far down the first incident of the same fault stands, by either order."""
    rows = []
    for name, same in (("same fault in the same service", _same_place), ("same fault in any service", _same_fault)):
        for order_name, order in (("signature", by_signature), ("plain order", plainly)):
            places = [place for case in cases if (place := _place(case, cases, same, order)) is not None]
            first, third = (sum(0 < place <= most for place in places) for most in (1, 3))
            mean = statistics.fmean(1 / place if place else 0.0 for place in places)
            shares = [f"{hits} of {len(places)} ({shown_share(hits / len(places))})" for hits in (first, third)]
            rows.append([name, order_name, *shares, f"{mean:.2f}"])
    return markdown_table(["asked for", "ordered by", "first", "among three", "mean reciprocal rank"], rows)


def likenesses(cases: Sequence[Case]) -> str:
    """How alike pairs are."""
    found: dict[str, list[float]] = {}
    for case in cases:
        others = [other for other in cases if other is not case]
        measure = Likenesses(traits_of(case.snapshot), [other.investigation for other in others])
        for other in others:
            found.setdefault(_pair(case, other), []).append(measure.of(other.investigation))
    rows = [
        [name, str(len(values)), *(f"{_quantile(values, part):.2f}" for part in _QUANTILES)]
        for name, values in sorted(found.items())
    ]
    return markdown_table(["pairs", "number", *(f"{part:.0%}" for part in _QUANTILES)], rows)


def misses(cases: Sequence[Case]) -> str:
    """Where another fault came before the same one in the same service."""
    rows = []
    for case in cases:
        place = _place(case, cases, _same_place, by_signature)
        if place is not None and place != 1:
            others = [other for other in cases if other is not case]
            first = by_signature(case.snapshot, [other.investigation for other in others])[:1]
            before = next((other for other in others if first and other.investigation.id == first[0].id), None)
            rows.append([_told(case), str(place) if place else "not found", _told(before) if before else "-"])
    return markdown_table(["incident", "place", "first instead"], rows)


def _same_place(one: Case, other: Case) -> bool:
    return bool(one.faults & other.faults)


def _same_fault(one: Case, other: Case) -> bool:
    return bool({fault for _, fault in one.faults} & {fault for _, fault in other.faults})


def _place(case: Case, cases: Sequence[Case], same: Callable[[Case, Case], bool], order: Order) -> int | None:
    """Of the first of the same fault: 0 where none was found, None where there is none to be found."""
    others = [other for other in cases if other is not case]
    wanted = {other.investigation.id for other in others if same(case, other)}
    if not wanted:
        return None
    found = order(case.snapshot, [other.investigation for other in others])
    return next((place for place, other in enumerate(found, 1) if other.id in wanted), 0)


def _pair(one: Case, other: Case) -> str:
    if _same_place(one, other):
        return "same fault, same service"
    if _same_fault(one, other):
        return "same fault, other service"
    return "other fault" if one.faults and other.faults else "one or both false alarms"


def _quantile(values: Sequence[float], part: float) -> float:
    return sorted(values)[round(part * (len(values) - 1))]


def _told(case: Case) -> str:
    return f"{case.recording}: {' + '.join(sorted(' '.join(fault) for fault in case.faults)) or 'false alarm'}"
