"""`middlewatch similar`: whether it happened before, and what fixed it then."""

from __future__ import annotations

import click

from middlewatch.frontends import similar_wording as words
from middlewatch.frontends.cli.naming import investigation_argument, investigation_id
from middlewatch.frontends.cli.output import application, json_option, print_page, print_record, width
from middlewatch.frontends.cli.page import Page, Span, Tone
from middlewatch.frontends.cli.terminal import quotation
from middlewatch.frontends.quantity import stamp
from middlewatch.similar import USUAL, Precedents

MOST = 20


@click.command()
@investigation_argument
@click.option("--limit", type=click.IntRange(1, MOST), default=USUAL, show_default=True, help="How many, the most alike first.")
@json_option
def similar(investigation: str, limit: int, as_json: bool) -> None:
    """Find earlier investigations like one, and say what fixed them. INVESTIGATION is an id, or its beginning.

    Alike is what has the same service and kind of cause, alarm, log templates, and the same metrics and requests that went the same
    way; what is rare counts more. docs/memory.md says how, and how often that is right.

    \b
    Examples:
      middlewatch similar inv-0123
      middlewatch similar inv-0123 --json | jq -r '.earlier[0].fixed_by'
    """
    with application() as app:
        found = app.similar.to(app.snapshot(investigation_id(app, investigation)), limit=limit)
    if as_json:
        print_record(found)
    else:
        print_precedents(found, full=True)


def print_precedents(found: Precedents, *, full: bool) -> None:
    """Those that are alike; below a report on a line or two each."""
    page = Page(width(), quotation())
    say = page.say
    if full:
        page.entry("Seen before", Span(words.head(found)))
    for number, one in enumerate(found.earlier):
        told = f"{stamp(one.detected_at)} UTC, {one.investigation}: {words.answer(one, say)}"
        if not full:
            page.short_entry("Seen before" if number == 0 else "", Span(told))
            page.short_entry("", Span(f"{words.fixed(one, say)}; {words.alike(one, say)}"), most_lines=2)
            continue
        page.blank()
        page.entry("", Span(told, Tone.STRONG))
        page.entry("", Span(words.fixed(one, say), Tone.WORK if one.fixed_by else Tone.SOFT))
        page.entry("", Span(words.alike(one, say)))
        for line in words.others(one, say):
            page.entry("", Span(line, Tone.SOFT))
    if full and not found.earlier:
        page.entry("", Span("none is like it"))
    print_page(page)
