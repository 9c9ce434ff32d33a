"""`middlewatch acknowledge`, `assign` and `feedback`: who has an investigation, and what its answer was worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from middlewatch.frontends.cli.approval_desk import FACE, viewer
from middlewatch.frontends.cli.naming import investigation_argument, investigation_id, principal_argument
from middlewatch.frontends.cli.output import application, json_option, print_page, print_record, width
from middlewatch.frontends.cli.page import Page, Span
from middlewatch.frontends.cli.terminal import print_line, quotation
from middlewatch.frontends.quantity import stamp
from middlewatch.records import Handling, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from middlewatch.app import App
    from middlewatch.records import Principal


@click.command()
@investigation_argument
@json_option
def acknowledge(investigation: str, as_json: bool) -> None:
    """Say that you have seen it. It is yours then, unless somebody has it already. A second time changes nothing.

    You are whom policy maps your token or unix user to. Exits with 65 where there is no such investigation, 77 where policy does
    not know you.

    \b
    Example:
      middlewatch acknowledge inv-0123
    """
    _change(investigation, lambda app, id_, person: app.handlings.acknowledge(id_, person, face=FACE), as_json=as_json)


@click.command()
@investigation_argument
@principal_argument
@click.option("--note", default="", help="What they should know. The audit log keeps its digest; the text can be deleted.")
@json_option
def assign(investigation: str, principal: str, note: str, as_json: bool) -> None:
    """Hand an investigation over to PRINCIPAL, or take it: an id of somebody whom policy names.

    Exits with 65 where policy has no such principal, 77 where it does not know you.

    \b
    Examples:
      middlewatch assign inv-0123 leo --note "the rollback is done, the queue still drains"
      middlewatch policy check                  who there is
    """
    _change(
        investigation, lambda app, id_, person: app.handlings.assign(id_, principal, person, note=note, face=FACE), as_json=as_json
    )


@click.command()
@investigation_argument
@click.argument("verdict", type=click.Choice([verdict.value for verdict in Verdict]))
@click.option("--cause", default="", help="What the cause was, in your words. The audit log keeps its digest.")
@json_option
def feedback(investigation: str, verdict: str, cause: str, as_json: bool) -> None:
    """Say whether the answer was right. Said again, your last word counts.

    Exits with 65 where there is no answer yet, 77 where policy does not know you.

    \b
    Examples:
      middlewatch feedback inv-0123 right
      middlewatch feedback inv-0123 wrong --cause "a certificate had run out"
    """

    def say(app: App, id_: str, person: Principal | None) -> Handling:
        return app.handlings.give_feedback(id_, Verdict(verdict), person, cause=cause, face=FACE)

    _change(investigation, say, as_json=as_json)


def print_handling(handling: Handling) -> None:
    """Who has it and what people said of the answer; nothing where nobody said a word."""
    page = Page(width(), quotation())
    named, quoted = page.say.named, page.say.line
    if handling.handovers:
        last = handling.handovers[-1]
        by = f", from {named(last.by)}" if last.by != last.to else ""
        note = f": {quoted(last.note)}" if last.note else ""
        page.entry("Has it", Span(f"{named(last.to)} since {stamp(last.at)} UTC{by}{note}"))
    for number, said in enumerate(handling.feedback):
        cause = f"; the cause was {quoted(said.cause)}" if said.cause else ""
        page.entry("" if number else "Feedback", Span(f"{said.verdict}, says {named(said.by)}{cause}"))
    print_page(page)


def _change(investigation: str, change: Callable[[App, str, Principal | None], Handling], *, as_json: bool) -> None:
    with application() as app:
        id_ = investigation_id(app, investigation)
        handling = change(app, id_, viewer(app))
    if as_json:
        print_record(handling)
        return
    print_line(id_)
    print_handling(handling)
