"""`middlewatch models costs`: what language models did and cost."""

from __future__ import annotations

import click

from middlewatch.frontends import model_wording as words
from middlewatch.frontends.cli.output import application, json_option, print_page, print_record, width
from middlewatch.frontends.cli.page import Column, Page, Row, Span, Tone
from middlewatch.frontends.cli.terminal import quotation
from middlewatch.model_costs import MOST_DAYS, USUAL_DAYS, ModelCosts, model_costs

ROWS = 10
"""Of each table; JSON has all."""


@click.command()
@click.option(
    "--days", type=click.IntRange(1, MOST_DAYS), default=USUAL_DAYS, show_default=True, help="How many, today (UTC) included."
)
@json_option
def costs(days: int, as_json: bool) -> None:
    """Say what language models did and cost, and where it went.

    By model, agent, day and investigation; one that runs still, or was cancelled, counts with the calls that are over. Tokens read
    include those of the provider's cache; tokens written include what the model thought. Dollars are by the price list
    (docs/models.md), and no invoice.

    \b
    Examples:
      middlewatch models costs
      middlewatch models costs --days 30 --json | jq '.whole.dollars'
    """
    with application() as app:
        found = model_costs(app, days)
    if as_json:
        print_record(found)
    else:
        print_page(_page(found))


def _page(found: ModelCosts) -> Page:
    page = Page(width(), quotation())
    page.entry("Days", Span(words.days(found)))
    page.entry("Models", Span(words.told(found.whole) if found.whole.calls else "no language model was asked"))
    if found.cut:
        page.entry("", Span("There are more investigations than are looked through: older ones are missing.", Tone.WAIT))
    if not found.investigations:
        return page
    columns = (Column(elastic=True), *(Column(name, right=True, prefix=f"{name} ") for name in words.COLUMNS))
    for name, parts in (("Model", found.models), ("Agent", found.agents), ("Day", found.days), ("Dearest", found.dearest)):
        page.blank()
        rows: list[Row] = [tuple(map(Span, (page.say.named(part.name), *words.cells(part.sum)))) for part in parts[:ROWS]]
        page.table(columns, rows, label=name)
        if len(parts) > ROWS:
            page.paragraph(Span(f"and {len(parts) - ROWS} more: --json", Tone.SOFT))
    return page
