"""`middlewatch list`, `show`, `watch`, `cancel` and `post-mortem`: investigations again, once they are begun."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from middlewatch.frontends import model_wording
from middlewatch.frontends.cli.alerts import print_alerts
from middlewatch.frontends.cli.approval_desk import FACE, viewer
from middlewatch.frontends.cli.handling import print_handling
from middlewatch.frontends.cli.naming import investigation_argument, investigation_id
from middlewatch.frontends.cli.output import application, details_option, json_option, print_page, print_record, print_report, width
from middlewatch.frontends.cli.page import Column, Page, Row, Span, Tone
from middlewatch.frontends.cli.similar import print_precedents
from middlewatch.frontends.cli.terminal import print_line, quotation
from middlewatch.frontends.program import program
from middlewatch.frontends.quantity import percent, stamp
from middlewatch.frontends.wording import is_stalled, standing
from middlewatch.model_costs import calls_of
from middlewatch.records import Handling, Investigation, InvestigationState, ModelCall, Outcome, Rating, Snapshot
from middlewatch.records.errors import BadInput

SEEN_BEFORE = 3
"""Earlier investigations below a detailed report."""
SIDE_BY_SIDE = 100
"""Columns from which on an investigation fits on one line."""
_COLUMNS = (
    Column("investigation"),
    Column("opened (UTC)"),
    Column("severity"),
    Column("answer"),
    Column("has it"),
    Column("about", elastic=True),
)


@click.command(name="list")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000), help="How many, newest first.")
@json_option
def list_(limit: int, as_json: bool) -> None:
    """List investigations, newest first: what came of each, and who has it.

    \b
    Examples:
      middlewatch list --limit 5
      middlewatch list --json | jq -r '.[] | select(.state == "open") | .id'
    """
    with application() as app:
        rows = app.investigations(limit=limit)
        ids = [row.id for row in rows]
        held = {} if as_json else app.handlings.of_all(ids)
        rated = {} if as_json else app.alerting.ratings.of_all(ids)
    if as_json:
        click.echo(json.dumps([row.model_dump(mode="json") for row in rows], indent=1))
    elif not rows:
        print_line(f"No investigations yet. Start one with: {' '.join(program())} investigate --help")
    else:
        print_page(_list(rows, held, rated))


def _list(rows: tuple[Investigation, ...], held: dict[str, Handling], rated: dict[str, Rating | None]) -> Page:
    page = Page(width(), quotation())
    cells = [_cells(row, held[row.id], rated[row.id], page) for row in rows]
    if page.width >= SIDE_BY_SIDE:
        page.table(_COLUMNS, cells)
        return page
    for id_, opened, severity, answer, owner, about in cells:
        level = Span(f"{severity.text}  " if severity.text else "", severity.tone)
        page.paragraph(
            id_,
            Span("  "),
            opened,
            Span("  "),
            level,
            Span("  "),
            answer,
            Span(f", {owner.text} has it" if owner.text else ""),
            indent=0,
        )
        page.paragraph(about)
    return page


def _cells(row: Investigation, handling: Handling, rating: Rating | None, page: Page) -> Row:
    found, say = row.headline, page.say
    if found is None:
        running = row.state is InvestigationState.OPEN
        answer = Span("running" if running else str(row.state), Tone.WORK if running else Tone.SOFT)
    elif found.outcome is Outcome.FINDING:
        answer = Span(f"{say.named(found.service)}, {percent(found.confidence)}", Tone.STRONG)
    else:
        answer = Span("no finding", Tone.WAIT)
    opened = stamp(row.opened_at) if row.opened_at else ""
    owner = say.named(handling.assignee) if handling.assignee else ""
    severity = Span(rating.severity if rating else "", Tone.FAULT if rating and rating.escalated_at else Tone.PLAIN)
    return (Span(row.id), Span(opened), severity, answer, Span(owner), Span(say.quoted(row.alert.title)))


@click.command()
@investigation_argument
@details_option
@json_option
def show(investigation: str, details: bool, as_json: bool) -> None:
    """Show the report of an investigation, or where it stands. INVESTIGATION is an id, or its beginning.

    Exits with 0 whatever it shows, 65 where there is no such investigation.

    \b
    Examples:
      middlewatch show inv-0123
      middlewatch show inv-0123456789ab --json
    """
    with application() as app:
        snapshot = app.snapshot(investigation_id(app, investigation))
        handling = Handling() if as_json else app.handlings.of(snapshot.investigation.id)
        story = None if as_json else app.alerting.story(snapshot.investigation.id)
        before = app.similar.to(snapshot, limit=SEEN_BEFORE if details else 1) if story is not None else None
        calls = () if snapshot.report is not None else calls_of(app, snapshot)
        now = app.approvals.now()
    if snapshot.report is not None:
        print_report(snapshot.report, as_json=as_json, details=details)
    elif as_json:
        print_record(snapshot)
    else:
        _print_standing(snapshot, calls)
    if story is not None and before is not None:
        print_precedents(before, full=False)
        print_alerts(story, now)
        print_handling(handling)


def _print_standing(snapshot: Snapshot, calls: Sequence[ModelCall] = ()) -> None:
    """Where one stands that has no report, and what to do about it."""
    row, page = snapshot.investigation, Page(width(), quotation())
    page.entry("Investigation", Span(f"{row.id} is "), Span(standing(snapshot), Tone.FAULT if is_stalled(snapshot) else Tone.PLAIN))
    page.entry("Alert", Span(page.say.quoted(row.alert.title)))
    if snapshot.preliminary is not None:
        sure = f"{percent(snapshot.preliminary.confidence)} sure: "
        page.entry("Rules answer", Span(sure), Span(snapshot.preliminary.answer, Tone.STRONG))
        page.entry("", Span(model_wording.by_rules(snapshot), Tone.SOFT))
    if calls:
        page.entry("Models so far", Span(model_wording.investigation(calls)))
    if row.opened_at is not None:
        closed = f", ended {stamp(row.closed_at)}" if row.closed_at else ""
        page.entry("Opened", Span(f"{stamp(row.opened_at)} UTC{closed}"))
    if is_stalled(snapshot):
        page.entry("Next", Span("Mend the cause, stop this one, and start it again:"))
        page.command("", (*program(), "cancel", row.id))
    elif row.state is InvestigationState.OPEN:
        page.command("Follow it", (*program(), "watch", row.id))
    print_page(page)


@click.command()
@investigation_argument
@json_option
def cancel(investigation: str, as_json: bool) -> None:
    """Stop an investigation; nothing more is recorded for it. One that is cancelled already stays so.

    Whoever policy names may, and the audit log says who did. Exits with 0 where it is cancelled, 65 where it is closed already or
    there is none, 77 where policy does not know you.

    \b
    Example:
      middlewatch cancel inv-0123
    """
    with application() as app:
        row = app.handlings.cancel(investigation_id(app, investigation), viewer(app), face=FACE)
    if as_json:
        print_record(row)
    else:
        print_line(f"{row.id} is {row.state}")


@click.command(name="post-mortem")
@investigation_argument
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write it to this file, not to standard output.")
@click.option("--force", is_flag=True, help="Replace the file where it exists.")
@json_option
def post_mortem(investigation: str, output: Path | None, force: bool, as_json: bool) -> None:
    """Write a post-mortem in Markdown: what was measured and done is filled in, what only people know is left blank.

    Where MIDDLEWATCH_PUBLIC_URL is set it links to the web page and to each fact. Exits with 65 where there is no report yet.

    \b
    Examples:
      middlewatch post-mortem inv-0123
      middlewatch post-mortem inv-0123 --output post-mortem.md
    """
    from middlewatch.frontends.post_mortem import post_mortem_of  # noqa: PLC0415  what it imports no --help needs

    if output is not None and output.exists() and not force:
        raise BadInput(f"{output} exists already.", remedy="Choose another file, or replace it with --force.")
    with application() as app:
        id_ = investigation_id(app, investigation)
        text = post_mortem_of(app, id_)
    if output is not None:
        output.write_text(text, encoding="utf-8")
    if as_json:
        click.echo(json.dumps({"investigation": id_, "file": str(output) if output else None, "markdown": text}))
    elif output is not None:
        print_line(f"{output}: the post-mortem of {id_}")
    else:
        click.echo(text, nl=False)
