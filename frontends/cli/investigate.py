"""`middlewatch investigate`."""

from __future__ import annotations

import sys
import threading
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from middlewatch.alerts import incident_alert, service_alert
from middlewatch.frontends.cli.output import UtcTime, application, details_option, json_option, print_report, report_code
from middlewatch.frontends.cli.progress import Progress, rules_answer
from middlewatch.frontends.cli.terminal import print_line, quotation
from middlewatch.frontends.program import program
from middlewatch.frontends.steps import PRELIMINARY
from middlewatch.records import Alert, ImportedRecording, Incident, Investigation
from middlewatch.records.errors import MiddlewatchError, UnknownIncident
from middlewatch.settings import ascii_only, no_color

if TYPE_CHECKING:
    from middlewatch.app import App


@click.command()
@click.option("--recording", type=click.Path(path_type=Path), help="Folder of a recording; imported first where it is not yet.")
@click.option("--incident", help="Which incident of the recording; needed where it has several.")
@click.option("--service", help="The service that is degraded, in the configured telemetry.")
@click.option("--metric", help="The metric of that service that alarmed. Not with --recording.")
@click.option("--at", "noticed_at", type=UtcTime(), help="When it was noticed, ISO 8601; now where absent. Not with --recording.")
@click.option("--watch/--no-watch", default=None, help="Show what the agents do. On where the terminal is one.")
@details_option
@json_option
def investigate(
    recording: Path | None,
    incident: str | None,
    service: str | None,
    metric: str | None,
    noticed_at: datetime | None,
    watch: bool | None,
    details: bool,
    as_json: bool,
) -> None:
    """Investigate an incident and say what caused it, how sure that is, and why.

    Exits with 0 for a finding and with 3 when the answer is "I don't know".

    \b
    Examples:
      middlewatch investigate --recording evals/recordings/shop-slow-pages
      middlewatch investigate --service checkout --at 2026-11-21T01:56:00Z --json
    """
    if (recording is None) == (service is None):
        raise click.UsageError("Give either --recording DIR or --service NAME.")
    given = {"--incident": incident, "--metric": metric, "--at": noticed_at}
    idle = [name for name, value in given.items() if value is not None and (name == "--incident") == (recording is None)]
    if idle:
        use = "a recording says itself what alarmed, and when" if recording else "it goes with --recording"
        raise click.UsageError(f"{' and '.join(idle)} cannot be given with {'--recording' if recording else '--service'}: {use}.")
    show = watch if watch is not None else sys.stderr.isatty() and not as_json
    if show:
        click.echo("starting", err=True)
    with application() as app:
        if recording is not None:
            alert, name = _recorded_alert(app, recording, incident, show=show)
        else:
            now = datetime.now(UTC)
            alert, name = service_alert(app.settings.tenant, service or "", metric, noticed_at or now, now), ""
        opened = app.investigate(alert, recording=name)
        try:
            with app.working() as ended:
                _follow(app, opened, ended, show=show)
        except KeyboardInterrupt:
            print_line(f"{opened.id} is kept; go on with: {' '.join(program())} watch {opened.id}", err=True)
            raise
        report = app.report(opened.id)
        if report is None:
            raise MiddlewatchError(f"The investigation {opened.id} was cancelled.", remedy="Run it again to start a new one.")
        print_report(report, as_json=as_json, details=details)
    sys.exit(report_code(report))


def _recorded_alert(app: App, folder: Path, incident: str | None, *, show: bool) -> tuple[Alert, str]:
    def progress(file: str, done: int, rows: int) -> None:
        if sys.stderr.isatty():
            click.echo(f"\rimporting {file}: {done:,} of {rows:,} rows\x1b[K", nl=False, err=True)

    imported = app.import_recording(folder, on_progress=progress) if show else app.import_recording(folder)
    if show and sys.stderr.isatty():
        click.echo("\r\x1b[K", nl=False, err=True)
    chosen = _choose(imported, incident)
    return incident_alert(app.settings.tenant, imported.name, chosen, imported.incidents), imported.name


def _choose(imported: ImportedRecording, incident: str | None) -> Incident:
    by_id = {i.id: i for i in imported.incidents}
    if incident is None and len(by_id) == 1:
        return next(iter(by_id.values()))
    if incident in by_id:
        return by_id[incident]
    known = ", ".join(map(quotation().named, sorted(by_id)[:10])) + (", ..." if len(by_id) > 10 else "")  # noqa: PLR2004  what fits a line or two
    what = f"has no incident {incident!r}" if incident else f"has {len(by_id)} incidents"
    raise UnknownIncident(f"The recording {what}.", remedy=f"Choose one with --incident: {known}")


def _follow(app: App, opened: Investigation, ended: threading.Event, *, show: bool) -> None:
    with Progress(color=not no_color(), ascii_only=ascii_only()) if show else nullcontext() as progress:
        for event in app.follow(opened.id, stopped=ended.is_set):
            if progress is not None:
                progress.show(event)
                if event.kind == PRELIMINARY and (answer := rules_answer(app, opened.id)):
                    progress.say(answer)
