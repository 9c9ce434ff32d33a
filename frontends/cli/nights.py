"""`middlewatch report`: what the team's own nights were like."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from middlewatch.frontends.cli.output import application, json_option, print_page, print_record, width
from middlewatch.frontends.cli.page import Column, Page, Span, Tone
from middlewatch.frontends.cli.terminal import quotation

if TYPE_CHECKING:
    from middlewatch.nights import Nights

WEEKS = 4
MOST_WEEKS = 52
MOST_SERVICES = 5
"""Rows: with four weeks it all fits one screen of 24 lines or a little more. JSON and the web have the rest."""


@click.command()
@click.option("--weeks", type=click.IntRange(1, MOST_WEEKS), default=WEEKS, show_default=True, help="How many, up to now.")
@click.option("--markdown", is_flag=True, help="Print Markdown, with all weeks and services.")
@json_option
def report(weeks: int, markdown: bool, as_json: bool) -> None:
    """Say what your own nights were like: how long each step took, how often an answer was wrong, who was woken for nothing.

    Times count from the alert's start. What nobody said (who acknowledged, whether it is over) is counted as unknown, and never as
    0. A finding is wrong where feedback says so: at most 5 % may be, and below 20 findings with feedback nobody can tell.
    docs/nights.md says what each number is.

    \b
    Examples:
      middlewatch report
      middlewatch report --weeks 12 --markdown > quarter.md
      middlewatch report --json | jq '.whole.steps.cause.median_seconds'
    """
    if markdown and as_json:
        raise click.UsageError("Give --markdown or --json, not both.")
    from middlewatch.frontends import nights_wording as words  # noqa: PLC0415  no --help needs what it imports
    from middlewatch.looking_back import look_back  # noqa: PLC0415  likewise

    with application() as app:
        nights = look_back(app, weeks)
    if as_json:
        print_record(nights)
    elif markdown:
        click.echo(words.markdown(nights), nl=False)
    else:
        print_page(_page(nights))


def _page(nights: Nights) -> Page:
    from middlewatch.frontends import nights_wording as words  # noqa: PLC0415  see above
    from middlewatch.nights import Standing, Step  # noqa: PLC0415  likewise

    page, judged = Page(width(), quotation()), nights.false_positives
    tone = {Standing.TOO_FEW: Tone.SOFT, Standing.KEPT: Tone.PLAIN, Standing.MISSED: Tone.FAULT}[judged.standing]
    page.entry("Nights", Span(words.head(nights)))
    page.entry("Pages", Span(words.pages(nights)))
    page.entry("Wrong", Span(words.wrong(judged), tone))
    for note in words.notes(nights):
        page.entry("", Span(note, Tone.SOFT))
    if not nights.nights:
        return page
    page.blank()
    columns = (Column(words.FROM_THE_START.lower(), elastic=True), *(Column(name, right=True) for name in words.FIGURE_COLUMNS))
    page.table(columns, [_row(words.STEPS[step], *words.figure_cells(nights.whole.steps[step])) for step in Step])
    page.blank()
    steps = (Step.CAUSE, Step.RESOLVE)
    names = ("all", "pages", "no action", *(words.STEPS[step] for step in steps))
    grouped = [Column(name, right=True, prefix=f"{name} ") for name in names]
    weeks = [_row(words.week(row), *words.group_cells(row, steps)) for row in nights.weeks]
    page.table((Column("week from", elastic=True), *grouped), weeks)
    page.blank()
    named = [_row(words.service(row), *words.group_cells(row, steps)) for row in nights.services[:MOST_SERVICES]]
    page.table((Column("service", elastic=True), *grouped), named)
    more = len(nights.services) - MOST_SERVICES
    if more > 0:
        page.paragraph(Span(f"{more} more services: --markdown or --json", Tone.SOFT))
    return page


def _row(*texts: str) -> tuple[Span, ...]:
    return tuple(map(Span, texts))
