"""`middlewatch alerts`, `again` and `severity`: what senders tell, what was opened for it, and how severe that is."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from middlewatch.frontends.alert_wording import course_words, place_words, services_words, severity_words, state_word, state_words
from middlewatch.frontends.cli.approval_desk import FACE, viewer
from middlewatch.frontends.cli.naming import alert_argument, alert_id, investigation_argument, investigation_id
from middlewatch.frontends.cli.output import application, json_option, print_page, print_record, width
from middlewatch.frontends.cli.page import Column, Page, Row, Span, Tone
from middlewatch.frontends.cli.terminal import print_line, quotation
from middlewatch.frontends.program import program
from middlewatch.frontends.reading import count
from middlewatch.records import Occurrence, Severity
from middlewatch.records.quoting import cut

if TYPE_CHECKING:
    from collections.abc import Sequence

    from middlewatch.alerting import AlertStory
    from middlewatch.frontends.quotation import Quotation

_COLUMNS = (
    Column("alert"),
    Column("since (UTC)"),
    Column("state"),
    Column("severity"),
    Column("sender", elastic=True),
)
_LONGEST_SEVERITY = 8
"""Letters of a sender's word for it: with it, and a name of 14 letters, a row fits 80 columns."""
_LONGEST_TITLE = 200
SHOWN = 20
"""Alerts of an investigation that its page in the terminal shows; `alerts list --investigation` has them all."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def alerts() -> None:
    """What senders tell of their alerts. ALERT is the id of an occurrence: one time that an alert fired, until it was resolved. The
    beginning of an id is enough.

    \b
    Example:
      middlewatch alerts list --held
    """


@alerts.command(name="list")
@click.option(
    "--limit", default=50, show_default=True, type=click.IntRange(1, 2000), help="How many are looked through, newest first."
)
@click.option("--held", is_flag=True, help="Only those that opened nothing: of no service, or held by maintenance.")
@click.option("--firing", is_flag=True, help="Only those that are not resolved.")
@click.option("--investigation", "about", default="", help="Only those that this investigation shows.")
@json_option
def list_(*, limit: int, held: bool, firing: bool, about: str, as_json: bool) -> None:
    """List alerts, the newest first. Of which service each is, and what became of it; none is ever dropped.

    The severity is the sender's word; how severe an investigation is, `middlewatch list` says.

    \b
    Examples:
      middlewatch alerts list --firing
      middlewatch alerts list --investigation inv-0123 --json
    """
    with application() as app:
        every = app.occurrences.of(investigation_id(app, about))[::-1] if about else app.occurrences.list(limit=limit)
    found = tuple(one for one in every[:limit] if (one.held or not held) and (one.resolved_at is None or not firing))
    if as_json:
        click.echo(json.dumps([one.model_dump(mode="json") for one in found], indent=1))
    elif not found:
        print_line("No such alert was told of. Senders are configured in intake.toml; see docs/alerts.md.")
    else:
        print_page(_list(found))


@alerts.command()
@alert_argument
@json_option
def show(alert: str, *, as_json: bool) -> None:
    """Show an alert. What its sender says of it, which service that is, how often it was told of, and what became of it.

    \b
    Example:
      middlewatch alerts show occ-0123
    """
    with application() as app:
        one = app.occurrences.occurrence(alert_id(app, alert))
    if as_json:
        print_record(one)
        return
    page, message = Page(width(), quotation()), one.message
    say = page.say
    page.entry("Alert", Span(f"{one.id}: "), Span(say.quoted(message.title), Tone.STRONG))
    page.entry("State", Span(f"{state_words(one)}; {course_words(one)}"))
    page.entry("Became", Span(place_words(one), Tone.WAIT if one.held else Tone.PLAIN))
    service = f"{services_words(one, say.named)}, by {say.line(one.mapped_by)}" if one.service else "none that is known"
    page.entry("Services" if len(one.services) > 1 else "Service", Span(service))
    page.entry("Sender", Span(f"{message.sender} ({say.line(message.kind)})"))
    if message.severity:
        page.entry("It says", Span(f"severity {say.quoted(message.severity)}"))
    for number, (name, value) in enumerate(sorted((message.labels | message.annotations).items())):
        page.entry("" if number else "Labels", Span(f"{say.named(name)} = {say.quoted(value)}"))
    if message.url:
        page.entry("There", Span(say.quoted(message.url)))
    if one.investigation is None:
        whose = () if one.service else ("--service", "NAME")
        page.command("Investigate", (*program(), "alerts", "investigate", one.id, *whose))
    print_page(page)


@alerts.command()
@alert_argument
@click.option("--service", default="", metavar="NAME", help="Of which service it is, where it maps to none.")
@json_option
def investigate(alert: str, *, service: str, as_json: bool) -> None:
    """Investigate an alert by hand, also one that is held. Where its investigation is open that one is named.

    \b
    Examples:
      middlewatch alerts investigate occ-0123
      middlewatch alerts investigate occ-0123 --service checkout
    """
    from middlewatch.unknown_services import unknown  # noqa: PLC0415  what it imports no --help needs

    with application() as app:
        found = app.alerting.investigate(alert_id(app, alert), service=service)
        notice = unknown(app, service, datetime.now(UTC)) if service else ""
    if notice:
        print_line(f"notice: {notice}", err=True)
    if as_json:
        print_record(found)
    else:
        _print_opened(found.id)


@click.command()
@investigation_argument
@json_option
def again(investigation: str, *, as_json: bool) -> None:
    """Run an investigation again, over the same time: by what telemetry, agents and settings say now. One that is open is left so.

    \b
    Example:
      middlewatch again inv-0123
    """
    with application() as app:
        found = app.alerting.again(investigation_id(app, investigation))
    if as_json:
        print_record(found)
    else:
        _print_opened(found.id)


@click.command()
@investigation_argument
@click.argument("level", required=False, type=click.Choice([one.value for one in Severity], case_sensitive=False))
@click.option("--why", default="", help="Why. The audit log keeps its digest; the text can be deleted.")
@json_option
def severity(investigation: str, level: str | None, *, why: str, as_json: bool) -> None:
    """Say how severe an investigation is and why, or set it to LEVEL: then it stays so, whatever is measured.

    Exits with 77 where policy does not know you.

    \b
    Examples:
      middlewatch severity inv-0123
      middlewatch severity inv-0123 SEV-1 --why "the board is watching"
    """
    with application() as app:
        id_ = investigation_id(app, investigation)
        if level is not None:
            app.alerting.ratings.set(id_, Severity(level.upper()), viewer(app), why=why, face=FACE)
        story, now = app.alerting.story(id_), app.approvals.now()
    if as_json:
        click.echo(json.dumps(story.rating.model_dump(mode="json") if story.rating else None, indent=1))
    elif story.rating is None:
        print_line(f"Nobody rated {id_}. Set it with: {' '.join(program())} severity {id_} SEV-3")
    else:
        print_alerts(story, now, alone=True)


def print_alerts(story: AlertStory, now: datetime, *, alone: bool = False) -> None:
    """The severity of an investigation, what it follows, and its alerts; nothing where there is nothing of it."""
    page = Page(width(), quotation())
    say, alert = page.say, story.investigation.alert
    if story.rating is not None:
        words = severity_words(story.rating, now, answered=story.answered, called=story.called)
        page.entry("Severity", Span(words, Tone.FAULT if story.is_late(now) else Tone.STRONG))
        for reason in story.rating.reasons:
            page.entry("", Span(say.line(reason)))
    if not alone:
        if alert.follows is not None:
            page.entry("Follows", Span(alert.follows))
        for line in alert.since:
            page.entry("", Span(say.line(line)))
        if story.followed_by:
            page.entry("Followed by", Span(", ".join(story.followed_by)))
        for number, one in enumerate(story.alerts[:SHOWN]):
            named = f"{services_words(one, say.named)}: " if one.service else ""
            words = f"{named}{say.quoted(one.message.title)}, {state_words(one)}; {course_words(one)}"
            page.entry("" if number else "Alerts", Span(words))
        if story.count > SHOWN:
            page.entry("", Span(f"and {count(story.count - SHOWN, 'more alert')}:"))
            page.command("", (*program(), "alerts", "list", "--investigation", story.investigation.id, "--limit", "2000"))
    print_page(page)


def _list(found: Sequence[Occurrence]) -> Page:
    """Of each alert what its sender says on one line, and below what became of it, whole."""
    page = Page(width(), quotation())
    page.table(_COLUMNS, [_cells(one, page.say) for one in found], below=[_below(one, page.say) for one in found])
    return page


def _cells(one: Occurrence, say: Quotation) -> Row:
    tone = Tone.SOFT if one.resolved_at else Tone.STRONG
    severity = cut(say.named(one.message.severity), _LONGEST_SEVERITY) if one.message.severity else ""
    return (
        Span(one.id),
        Span(f"{one.first_at:%Y-%m-%d %H:%M}"),
        Span(state_word(one), tone),
        Span(severity),
        Span(one.message.sender),
    )


def _below(one: Occurrence, say: Quotation) -> Sequence[Row]:
    service = services_words(one, say.named) or "no service that is known"
    title = Span(f"{service}: {say.quoted(cut(one.message.title, _LONGEST_TITLE))}")
    return ([title], [Span(place_words(one), Tone.WAIT if one.held else Tone.PLAIN)])


def _print_opened(id_: str) -> None:
    print_line(id_)
    page = Page(width(), quotation())
    page.command("Follow it", (*program(), "watch", id_))
    print_page(page)
