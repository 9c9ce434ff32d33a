"""How often deploy watch finds a bad change, and is alarmed without one: `python -m middlewatch.evals.deploy_watch`."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

import click
import pyarrow.compute as pc
import pyarrow.parquet as pq

from middlewatch.app import App, open_app
from middlewatch.evals.degrade import json_lines
from middlewatch.evals.jobs import recordings_below
from middlewatch.evals.labels import LABELS_FILE, Label, read_labels
from middlewatch.evals.overlay_cases import Placed, Role, Sort, place
from middlewatch.evals.overlay_recording import SAME_MOMENT, system_of
from middlewatch.evals.scoring import wilson
from middlewatch.evals.tables import markdown_table, shown_interval, shown_share
from middlewatch.records import ChangeKind, ImportedRecording, Incident, Record, Scope, UtcDatetime, Window
from middlewatch.records.errors import MiddlewatchError
from middlewatch.settings import Settings
from middlewatch.telemetry.recording_files import CHANGES, TRACES
from middlewatch.telemetry.sources import Sources
from middlewatch.tools.deploy_watch import HELD_STEPS, HISTORY_SECONDS, LEAST_HISTORY_STEPS, WATCH_SECONDS, judge
from middlewatch.tools.service_steps import read_steps
from middlewatch.tools.shared_calls import Others
from middlewatch.tools.watched_steps import STEP_SECONDS

LEAD = timedelta(seconds=150)
"""Before the detection of an earlier incident: the same that the running watch leaves out."""
SETTLED = timedelta(seconds=120)
"""After a recorded incident, before which nothing is called quiet."""
LEAST = timedelta(seconds=STEP_SECONDS * (HELD_STEPS + 3))
"""A watch that can see nothing in a whole minute is no case."""
WATCHED_KINDS = frozenset({ChangeKind.DEPLOY, ChangeKind.CONFIG, ChangeKind.FLAG, ChangeKind.MIGRATION})


class What(StrEnum):
    """What a watched change really was."""

    TRUE = "brought the fault"
    BESIDE = "innocent, a fault elsewhere or another one meanwhile"
    QUIET = "innocent, nothing wrong meanwhile"


class Case(Record):
    """One watched change, and what was said of it."""

    recording: str
    service: str
    time: UtcDatetime
    laid: bool
    """Whether it was laid over the recording, and nobody made it."""
    what: What
    kind: str = ""
    """Of the fault that it brought."""
    watched_seconds: float
    told: bool
    """Whether there was enough to compare."""
    measure: str = ""
    after_seconds: float = 0.0
    note: str = ""

    @property
    def raised(self) -> bool:
        return bool(self.measure)


@dataclass(frozen=True, slots=True)
class _Fault:
    service: str
    kind: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class _Recorded:
    """One recording, and what is known of it."""

    name: str
    imported: ImportedRecording
    sources: Sources
    begin: datetime
    end: datetime
    faults: tuple[_Fault, ...]

    def case(self, change: Placed, until: datetime, *, laid: bool, cause: _Fault | None) -> Case | None:
        """Watch one change until a moment; None where too little is left of it."""
        end = min(change.time + timedelta(seconds=WATCH_SECONDS), until, self.end)
        steps = int(min((change.time - self.begin).total_seconds(), HISTORY_SECONDS) // STEP_SECONDS)
        if end - change.time < LEAST or steps < 1:
            return None
        before = Window(start=change.time - timedelta(seconds=steps * STEP_SECONDS), end=change.time)
        hidden = [
            Window(start=i.detected_at - LEAD, end=i.window_end) for i in self.imported.incidents if i.window_end <= change.time
        ]
        if change.role is Role.QUIET and _left(before, hidden) < LEAST_HISTORY_STEPS * STEP_SECONDS:
            return None
        after = Window(start=change.time, end=end)
        usual, since = (read_steps(self.sources, change.service, window) for window in (before, after))
        others = Others(change.service, change.time, usual)
        judgement = judge(usual, since, hidden, lambda minute: others.shared(self.sources, since, minute))
        met = [f for f in self.faults if f.start < end and f.end + SETTLED > change.time]
        first = judgement.first
        return Case(
            recording=self.name,
            service=change.service,
            time=change.time,
            laid=laid,
            what=What.TRUE if cause else What.BESIDE if met else What.QUIET,
            kind=cause.kind if cause else "",
            watched_seconds=(end - change.time).total_seconds(),
            told=judgement.looked > 0,
            measure=first.measure.value if first else "",
            after_seconds=(first.window.end - change.time).total_seconds() if first else 0.0,
            note=judgement.note,
        )


def cases(app: App, folder: Path, *, quiet: int, seed: int) -> Iterator[Case]:
    """Every case of a recording: its own changes or those of the overlay, and changes at quiet moments.

    Args:
        app: what it is imported into.
        folder: of the recording.
        quiet: how many quiet changes are laid over it.
        seed: everything is drawn from it.
    """
    if not (folder / TRACES.name).exists():
        return
    labels = read_labels(folder)
    recorded = _recorded(app, folder)
    made = folder / CHANGES.name
    if made.exists():
        yield from _real(recorded, made)
    else:
        yield from _laid(recorded, folder, labels, seed)
    draw = random.Random(f"{seed}:{recorded.name}")  # noqa: S311  nothing secret
    services = sorted(_services(folder))
    found = 0
    for _ in range(quiet * 50):
        if found == quiet:
            return
        span = (recorded.end - recorded.begin).total_seconds()
        moment = recorded.begin + timedelta(seconds=round(draw.uniform(0, span)))
        until = min((f.start - SETTLED / 2 for f in recorded.faults if f.end + SETTLED > moment), default=recorded.end)
        change = Placed(incident="", sort=Sort.QUIET, role=Role.QUIET, time=moment, service=draw.choice(services))
        case = recorded.case(change, until, laid=True, cause=None)
        if case is not None and case.told:
            found += 1
            yield case


def _real(recorded: _Recorded, file: Path) -> Iterator[Case]:
    """Changes that were really made."""
    rows = sorted(pq.read_table(file).to_pylist(), key=lambda row: row["time"])
    for row in rows:
        if row["kind"] not in WATCHED_KINDS:
            continue
        until = min((o["time"] for o in rows if o["service"] == row["service"] and o["time"] > row["time"]), default=recorded.end)
        cause = next(
            (f for f in recorded.faults if f.service == row["service"] and abs(f.start - row["time"]) <= SAME_MOMENT), None
        )
        placed = Placed(incident="", sort=Sort.REAL, role=Role.REAL, time=row["time"], service=row["service"], kind=row["kind"])
        case = recorded.case(placed, until, laid=False, cause=cause)
        if case is not None:
            yield case


def _laid(recorded: _Recorded, folder: Path, labels: dict[str, Label], seed: int) -> Iterator[Case]:
    """For each incident one change that brought it, and those that did not."""
    system = system_of(folder)
    for incident in recorded.imported.incidents:
        label = labels.get(incident.id)
        if label is None or label.started_at is None or label.root_cause_service is None:
            continue
        fault = next(f for f in recorded.faults if f.start == label.started_at)
        for change in place(incident, label, Sort.TRUE_DEPLOY, system, seed):
            if change.role not in {Role.CAUSE, Role.SAME_MOMENT} or change.kind not in WATCHED_KINDS:
                continue
            true = change.role is Role.CAUSE
            later = [f.start for f in recorded.faults if f.start > fault.start]
            case = recorded.case(change, min([incident.window_end, *later]), laid=True, cause=fault if true else None)
            if case is not None:
                yield case


def _left(window: Window, hidden: Sequence[Window]) -> float:
    """Seconds of a window outside of others, at least."""
    return window.seconds - sum(
        max(0.0, (min(window.end, one.end) - max(window.start, one.start)).total_seconds()) for one in hidden
    )


def _recorded(app: App, folder: Path) -> _Recorded:
    imported = app.import_recording(folder)
    times = pq.read_table(folder / TRACES.name, columns=["start_time"])["start_time"]
    begin, end = pc.min(times).as_py(), pc.max(times).as_py()
    windows = {incident.id: incident for incident in imported.incidents}
    faults = [fault for line in json_lines(folder / LABELS_FILE) if (fault := _fault(Label.model_validate(line), windows))]
    sources = app.telemetry.sources(Scope(tenant=app.settings.tenant, recording=imported.name), end)
    return _Recorded(f"{folder.parent.name}/{folder.name}", imported, sources, begin, end, tuple(faults))


def _fault(label: Label, windows: Mapping[str, Incident]) -> _Fault | None:
    """Of one line: two causes of an incident may begin at different moments."""
    incident = windows.get(label.incident)
    if incident is None or label.root_cause_service is None:
        return None
    start = label.started_at or incident.detected_at - LEAD
    return _Fault(label.root_cause_service, label.root_cause_kind, start, incident.window_end)


def _services(folder: Path) -> frozenset[str]:
    """Those with spans."""
    column = pq.read_table(folder / TRACES.name, columns=["service"])["service"]
    return frozenset(str(service) for service in pc.unique(column).to_pylist() if service)


def tables(found: Sequence[Case]) -> str:
    """How many were found and raised, with Wilson 95 % intervals, and every miss and false alarm."""
    rows = []
    for laid in (False, True):
        for what in What:
            some = [case for case in found if case.what is what and case.laid is laid]
            told = [case for case in some if case.told]
            raised = [case for case in told if case.raised]
            if some:
                interval = wilson(len(raised), len(told)) if told else None
                share = f"{shown_share(len(raised) / len(told))} ({shown_interval(interval)})" if interval else "-"
                seconds = sorted(case.after_seconds for case in raised)
                middle = f"{seconds[len(seconds) // 2]:.0f} s" if seconds else "-"
                watched = f"{sum(case.watched_seconds for case in told) / 3600:.1f} h"
                source = "laid over" if laid else "really made"
                rows.append((source, what.value, str(len(some)), str(len(told)), str(len(raised)), share, middle, watched))
    head = ("changes", "each of which", "cases", "told of", "raised", "share of those told of", "median after", "watched")
    wrong = [case for case in found if case.told and case.raised is not (case.what is What.TRUE)]
    lines = [
        f"- {case.recording} {case.service} {case.time:%H:%M:%S}: {case.what.value} {case.kind}"
        f" -> {case.measure or 'nothing'}{f' after {case.after_seconds:.0f} s' if case.raised else ''} {case.note}".rstrip()
        for case in wrong
    ]
    return "\n".join([markdown_table(head, rows), "", *lines])


EXAMPLE = "python -m middlewatch.evals.deploy_watch evals/recordings/lab-suite --quiet 20"


@click.command(epilog=f"\b\nExample:\n  {EXAMPLE}")
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path, file_okay=False))
@click.option("--quiet", type=click.IntRange(0, 1000), default=20, show_default=True, help="Quiet changes of each recording.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--cases", "file", type=click.Path(path_type=Path, dir_okay=False), help="Where to append every case, as JSON lines.")
def main(folders: tuple[Path, ...], quiet: int, seed: int, file: Path | None) -> None:
    """Watch every change of every recording with traces below the folders."""
    found: list[Case] = []
    with open_app(Settings.load()) as app:
        for folder in recordings_below(*folders):
            for case in cases(app, folder, quiet=quiet, seed=seed):
                found.append(case)
                if file is not None:
                    with file.open("a", encoding="utf-8") as opened:
                        opened.write(case.model_dump_json() + "\n")
            click.echo(f"{folder}: {len(found)} cases by now", err=True)
    click.echo(tables(found))


def run() -> None:
    """Run the command; errors are told as sentences."""
    try:
        main(prog_name="python -m middlewatch.evals.deploy_watch")
    except MiddlewatchError as error:
        click.echo(str(error), err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    run()
