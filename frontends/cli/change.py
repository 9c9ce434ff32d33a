"""`middlewatch change`: record what was changed, list it, and see what is watched."""

from __future__ import annotations

import getpass
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from middlewatch.frontends.cli.output import UtcTime, application, json_option, print_page, width
from middlewatch.frontends.cli.page import Column, Page, Span, Tone
from middlewatch.frontends.cli.terminal import print_line, quotation
from middlewatch.frontends.program import program
from middlewatch.frontends.quantity import stamp
from middlewatch.records import Change, ChangeKind, ReportedChange, WatchedChange, digest_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import timedelta

    from middlewatch.app import App
    from middlewatch.changes import Recorded

SENDER = "command-line"
_COLUMNS = (
    Column("made (UTC)"),
    Column("service"),
    Column("kind"),
    Column("version"),
    Column("by"),
    Column("told by"),
    Column("what", elastic=True),
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def change() -> None:
    """What people and machines changed. For ten minutes after a deploy, config, flag or migration its service is watched.

    \b
    Examples:
      middlewatch change record checkout --kind deploy --version 5.4.0
      middlewatch change list
      middlewatch change watch
    """


@change.command()
@click.argument("service")
@click.option("--kind", type=click.Choice([kind.value for kind in ChangeKind]), default="deploy", show_default=True)
@click.option("--version", default="", help="That runs now; of a flag its name.")
@click.option("--at", type=UtcTime(), help="When it was made, ISO 8601; now where absent.")
@click.option("--actor", default="", help="Who made it; you where absent.")
@click.option("--description", default="", help="What was changed.")
@click.option("--region", default="")
@click.option("--cluster", default="")
@click.option("--id", "--reference", "reference", default="", help="Your own id of it: told again with it, it is the same change.")
@json_option
def record(
    *,
    service: str,
    kind: str,
    version: str,
    at: datetime | None,
    actor: str,
    description: str,
    region: str,
    cluster: str,
    reference: str,
    as_json: bool,
) -> None:
    """Record a change of SERVICE, as the telemetry calls it. It is on disk when this ends.

    The same service, kind, version and --at, or the same service and --id, are the same change: recorded again, nothing happens. So
    a pipeline may repeat it. Without either, the same words within a minute are the same change, unless another one was recorded of
    that service and kind in between.

    A service that neither telemetry nor services.toml knows is recorded as well, with a notice and the names that are like it. An
    alias of services.toml is recorded as the service that it stands for.

    \b
    Examples:
      middlewatch change record checkout --version 5.4.0
      middlewatch change record checkout --kind flag --version new-basket --description "on for 10 %"
      middlewatch change record orders --kind migration --at 2026-11-21T01:55:00Z --id $CI_JOB_ID
    """
    with application() as app:
        now = datetime.now(UTC)
        told = Change(
            tenant=app.settings.tenant,
            time=at or now,
            service=app.service_catalogue.named(service) or service,
            kind=ChangeKind(kind),
            version=version,
            actor=actor or getpass.getuser(),
            description=description,
            region=region,
            cluster=cluster,
        )
        own = reference or digest_of(kind, version, told.time.isoformat())
        report = ReportedChange(change=told, sender=SENDER, reference=own)
        (kept,) = app.changes.record([report], retold=not (at or reference))
        notices = tuple(_notices(app, told.service, now))
    _print_kept(kept, service, notices, as_json=as_json)


@change.command(name="list")
@click.option("--service", default="", help="Of this one alone.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 500))
@json_option
def list_(*, service: str, limit: int, as_json: bool) -> None:
    """List the changes of live telemetry, newest first.

    \b
    Example:
      middlewatch change list --service checkout --json
    """
    with application() as app:
        found = app.changes.list(limit=limit, services=[service] if service else ())
    if as_json:
        click.echo(json.dumps([one.model_dump(mode="json") for one in found], indent=1))
    elif not found:
        print_line(
            f"No change is recorded. Record one with: {' '.join(program())} change record SERVICE; docs/changes.md has more."
        )
    else:
        page = Page(width(), quotation())
        page.table(_COLUMNS, [_cells(one, page) for one in found])
        print_page(page)


@change.command()
@json_option
def watch(*, as_json: bool) -> None:
    """Show which changes are watched now. Until when, and what is worse than before them; nobody is told anything by this.

    \b
    Example:
      middlewatch change watch --json
    """
    with application() as app:
        now = datetime.now(UTC)
        found = app.deploy_watch.watched(now)
    if as_json:
        click.echo(json.dumps([one.model_dump(mode="json") for one in found], indent=1))
    elif not found:
        print_line("Nothing was changed in the last ten minutes that is watched: no deploy, config, flag or migration.")
    else:
        page = Page(width(), quotation())
        for one in found:
            _watched(one, page, one.until - now)
        print_page(page)


def _notices(app: App, service: str, now: datetime) -> Iterator[str]:
    """What whoever records a change of a service should know of its name."""
    from middlewatch.unknown_services import unknown  # noqa: PLC0415  what it imports no --help needs

    if app.service_catalogue.problem:
        yield "services.toml cannot be used, so an alias in it stands for no service. See why with: middlewatch slo check"
    if notice := unknown(app, service, now):
        yield notice


def _print_kept(kept: Recorded, service: str, notices: Sequence[str], *, as_json: bool) -> None:
    change = kept.report.change
    if as_json:
        said = {"id": kept.report.id, "new": kept.new, "change": change.model_dump(mode="json"), "notice": " ".join(notices)}
        click.echo(json.dumps(said))
        return
    of = f", of {change.service}" if change.service != service else ""
    print_line(f"{kept.report.id} {'recorded' if kept.new else 'was recorded before'}{of}")
    for notice in notices:
        print_line(f"notice: {notice}", err=True)


def _cells(one: ReportedChange, page: Page) -> tuple[Span, ...]:
    say, told = page.say, one.change
    service = (
        Span(say.named(told.service)) if one.mapped_by or one.sender in {SENDER, "api"} else Span(f"{say.named(told.service)} ?")
    )
    what = Span(say.line(told.description) if told.description else "")
    version, actor = (Span(say.named(text) if text else "") for text in (told.version, told.actor))
    return Span(stamp(told.time)), service, Span(told.kind.value), version, actor, Span(one.sender), what


def _watched(one: WatchedChange, page: Page, left: timedelta) -> None:
    say = page.say
    version = f" {say.named(one.version)}" if one.version else ""
    still = f"{max(0, round(left.total_seconds()))} s to go" if not one.raised else "its alert fires"
    page.entry(say.named(one.service), Span(f"{one.kind.value}{version} at {stamp(one.time)} UTC; {still}"))
    for words in one.worse:
        page.entry("", Span(f"worse: {words}", Tone.WAIT))
    if not one.worse:
        seen = f"{one.minutes} minutes compared, nothing is worse" if one.minutes else "nothing can be told yet"
        page.entry("", Span(f"{seen}{': ' if one.note else ''}{one.note}"))
