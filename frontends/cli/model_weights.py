"""`middlewatch models weights`: what language models' votes count for, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from middlewatch.frontends import weight_wording as words
from middlewatch.frontends.cli.output import application, json_option, print_page, print_record, width
from middlewatch.frontends.cli.page import Column, Page, Row, Span, Tone
from middlewatch.frontends.cli.terminal import print_line, quotation

if TYPE_CHECKING:
    from middlewatch.model_weights import ModelStanding


@click.command()
@click.option("--forget", metavar="MODEL", help="Take the weight from a model that was evaluated; it has none until the next one.")
@json_option
def weights(forget: str | None, as_json: bool) -> None:
    """Say what each language model's vote counts for, and why.

    Nothing before an evaluation was recorded (evaluate --mode both --record); then what its record is worth, by agent and kind of
    cause, moved by what people say of answers (feedback). Exits with 65 where there is no model to forget, 77 where policy does not
    know you.

    \b
    Examples:
      middlewatch models weights
      middlewatch models weights --json | jq '.weights[] | select(.weight > 0)'
    """
    with application() as app:
        if forget is not None:
            from middlewatch.frontends.cli.approval_desk import FACE, viewer  # noqa: PLC0415  only who changes something needs it
            from middlewatch.records.errors import BadInput  # noqa: PLC0415  likewise

            if not app.model_weights.forget(forget, viewer(app), face=FACE):
                raise BadInput(f"No evaluation of {forget!r} was recorded.", remedy="See whose were: middlewatch models weights")
        found = app.model_weights.standing()
    if as_json:
        print_record(found)
        return
    if forget is not None:
        print_line(f"{quotation().named(forget)} has no weight any more.")
    print_page(weights_page(found))


def weights_page(found: ModelStanding) -> Page:
    """All of it, for a terminal."""
    page = Page(width(), quotation())
    columns = tuple(
        Column(name, right=number > 1, elastic=number == 1, prefix=f"{name} ") for number, name in enumerate(words.COLUMNS)
    )
    for evaluation in found.evaluations:
        page.heading(page.say.named(evaluation.model), Span(""))
        page.entry("Evaluated", Span(words.evaluated(evaluation)))
        rows: list[Row] = [tuple(map(Span, words.cells(row))) for row in words.speaking(found.weights, evaluation.model)]
        if rows:
            page.table(columns, rows)
        page.blank()
    if not found.evaluations:
        page.entry("Weights", Span(words.NONE))
    else:
        page.entry("Weight", Span(words.FORMULA, Tone.SOFT))
    page.entry("Confidence", Span(words.calibrated(found.calibration)))
    return page
