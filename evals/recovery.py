"""How soon a symptom is seen to be gone, on recordings whose faults were taken back: `python -m middlewatch.evals.recovery`.

An incident of the lab ends at its `window_end`: then the fault is taken back. So what is seen before must not be called recovered,
and what is seen after should be, until the next fault begins. The last incident of a recording has no time after it.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import click

from middlewatch.agents.briefing import History, brief
from middlewatch.alerts import incident_alert
from middlewatch.app import App, open_app
from middlewatch.evals.jobs import Failure, answer_all, recordings_below
from middlewatch.evals.labels import read_labels
from middlewatch.evals.tables import markdown_table
from middlewatch.records import Alert, ImportedRecording, Investigation, Record, Scope, UtcDatetime
from middlewatch.records.errors import MiddlewatchError
from middlewatch.settings import Settings
from middlewatch.tools.recovery import SymptomState, Verdict, symptom_now
from middlewatch.tools.recovery_reading import LEAST_SECONDS

POLL_SECONDS = 15
"""Between two looks."""
LONGEST_SECONDS = 600
"""Of looking after an incident, as long as a watch lasts."""
MEASURES = ("alarming metric", "spans of the service")
"""What the symptom is looked at with: as the alert names it, or as if it named the service alone."""


class Watched(Record):
    """What was seen of one incident."""

    incident: str
    measure: str
    during: tuple[str, ...]
    """The verdict of each look while the fault was there."""
    after: tuple[str, ...]
    """The same after it was taken back, up to the first that says that it recovered."""
    recovered_seconds: float | None = None
    """Of that first look, after the fault was taken back."""
    sentence: str


def watched(recording: Path, settings: Settings, *, measures: Sequence[str] = MEASURES) -> Iterator[Watched]:
    """Watch every labelled incident of a recording.

    Args:
        recording: the folder.
        settings: the back ends and bounds to use.
        measures: what to look at.
    """
    labels = read_labels(recording)
    with open_app(settings) as app:
        imported = app.import_recording(recording)
        starts = sorted(label.started_at for label in labels.values() if label.started_at is not None)
        for incident in imported.incidents:
            label = labels.get(incident.id)
            if label is None or not label.services or incident.symptom is None:
                continue
            alert = incident_alert(settings.tenant, imported.name, incident, imported.incidents)
            until = min((start for start in starts if start > alert.window_end), default=alert.window_end)
            for measure in measures:
                yield _watch(app, imported, alert, until, measure).model_copy(update={"incident": incident.id})


def _watch(app: App, imported: ImportedRecording, alert: Alert, until: UtcDatetime, measure: str) -> Watched:
    if measure != MEASURES[0] and alert.symptom is not None:
        alert = alert.model_copy(update={"symptom": alert.symptom.model_copy(update={"metric": None})})
    scope = Scope(tenant=alert.tenant, recording=imported.name)
    asked = brief(Investigation(tenant=alert.tenant, id="evaluation", scope=scope, alert=alert), 1, History())

    def looks(since: datetime, end: datetime) -> Iterator[tuple[datetime, SymptomState]]:
        moment = since + timedelta(seconds=LEAST_SECONDS)  # nothing is called recovered before
        while moment <= min(end, since + timedelta(seconds=LONGEST_SECONDS)):
            yield moment, symptom_now(app.telemetry.sources(scope, moment), asked, since)
            moment += timedelta(seconds=POLL_SECONDS)

    during = [state.verdict for _, state in looks(alert.detected_at, alert.window_end)]
    after, seconds, sentence = [], None, ""
    for moment, state in looks(alert.window_end, until):
        after.append(state.verdict)
        sentence = state.sentence
        if state.verdict is Verdict.RECOVERED:
            seconds = (moment - alert.window_end).total_seconds()
            break
    return Watched(
        incident="", measure=measure, during=tuple(during), after=tuple(after), recovered_seconds=seconds, sentence=sentence
    )


def table(found: Sequence[Watched]) -> str:
    """What was seen, for each measure."""
    rows = []
    for measure in MEASURES:
        own = [each for each in found if each.measure == measure]
        looks = Counter(verdict for each in own for verdict in each.during)
        watched_on = [each for each in own if each.after]
        back = sorted(each.recovered_seconds for each in watched_on if each.recovered_seconds is not None)
        last = Counter(each.after[-1] for each in watched_on if each.recovered_seconds is None)
        rows.append(
            [
                measure,
                str(len(own)),
                f"{looks[Verdict.RECOVERED]} of {sum(looks.values())} looks",
                f"{len(back)} of {len(watched_on)}",
                f"{back[len(back) // 2]:.0f} s ({back[0]:.0f} to {back[-1]:.0f})" if back else "-",
                ", ".join(f"{verdict.replace('_', ' ')} {number}" for verdict, number in sorted(last.items())) or "-",
            ]
        )
    header = ["looked at", "incidents", "called recovered while the fault was there", "called recovered after it", "after", "else"]
    return markdown_table(header, rows)


@click.command(epilog="\b\nExample:\n  python -m middlewatch.evals.recovery evals/recordings")
@click.argument("folders", nargs=-1, required=True, metavar="FOLDER...", type=click.Path(path_type=Path, file_okay=False))
@click.option("--jobs", type=click.IntRange(1, 64), default=1, show_default=True, help="Recordings at a time.")
@click.option("--json", "as_json", is_flag=True, help="Print what was seen of each incident, one JSON line each.")
def main(folders: tuple[Path, ...], jobs: int, as_json: bool) -> None:  # noqa: FBT001  an option
    """Watch the symptom of every labelled incident, while its fault was there and after it was taken back."""
    found: list[Watched] = []

    def keep(_recording: Path, each: Watched) -> None:
        found.append(each)
        if as_json:
            click.echo(each.model_dump_json())

    failures: tuple[Failure, ...] = answer_all(
        recordings_below(*folders), Settings.load(), partial(watched), jobs=jobs, on_answer=keep
    )
    if not as_json:
        click.echo(table(found))
    for failure in failures:
        click.echo(f"{failure.recording}: {failure.message}", err=True)
    if failures:
        sys.exit(failures[0].exit_code)


def run() -> None:
    """Run the command; errors are told as sentences."""
    try:
        main(prog_name="python -m middlewatch.evals.recovery")
    except MiddlewatchError as error:
        click.echo(str(error), err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    run()
