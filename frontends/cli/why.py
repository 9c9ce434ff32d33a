"""`middlewatch why`: one hypothesis, with everything that speaks for and against it."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click

from middlewatch.frontends import quantity
from middlewatch.frontends.cli.naming import investigation_argument, investigation_id
from middlewatch.frontends.cli.output import application, json_option, print_page, width
from middlewatch.frontends.cli.page import INDENT, Page, Span, Tone
from middlewatch.frontends.cli.telling import FACT_COLUMNS, Telling, stance, told_by_model
from middlewatch.frontends.cli.terminal import quotation
from middlewatch.frontends.model_votes import model_votes
from middlewatch.frontends.program import program
from middlewatch.frontends.reading import latest, tally
from middlewatch.records import Evidence, Outcome, Position, RankedHypothesis, Report
from middlewatch.records.errors import BadInput

_MOST_FACTS = 12
"""On each side; `show --details` and `--json` have all of them."""


@click.command()
@investigation_argument
@click.argument("hypothesis", default="")
@json_option
def why(investigation: str, hypothesis: str, as_json: bool) -> None:
    """Say why the answer is what it is: each agent's vote with its reason, and the facts for and against.

    HYPOTHESIS is a rank, an id, or the name of a suspected service; the first one where none is named. Exits with 65 where there is
    no such hypothesis, or no report yet.

    \b
    Examples:
      middlewatch why inv-0123
      middlewatch why inv-0123 2
      middlewatch why inv-0123 payment-gw --json
    """
    with application() as app:
        report = app.report(id_ := investigation_id(app, investigation))
    if report is None:
        raise BadInput(
            f"The investigation {id_} has no report yet, so there is nothing to explain.",
            remedy=f"See where it stands: middlewatch show {id_}",
        )
    row = chosen(report, hypothesis)
    page = _Why(report, Page(width(), quotation()), row)
    if as_json:
        click.echo(json.dumps(page.data(), indent=1))
        return
    page.write()
    print_page(page.page)


def chosen(report: Report, given: str) -> RankedHypothesis:
    """The hypothesis that is meant.

    Raises:
        BadInput: there is none, or not that one.
    """
    rows = report.hypotheses
    if not rows:
        raise BadInput(
            f"Nothing was suspected: {report.answer}", remedy=f"See what was missing: middlewatch show {report.investigation}"
        )
    if not given:
        return rows[0]
    found = [row for row in rows if given in {str(row.rank), row.hypothesis.id, row.hypothesis.service}]
    if found:
        return found[0]
    known = ", ".join(f"{row.rank} ({quotation().named(row.hypothesis.service)})" for row in rows)
    raise BadInput(f"There is no hypothesis {given!r}.", remedy=f"Choose one: {known}")


class _Why(Telling):
    """The methods are the parts of the page; each writes itself."""

    def __init__(self, report: Report, page: Page, row: RankedHypothesis) -> None:
        super().__init__(report, page, details=True)
        self.row = row

    def write(self) -> None:
        """The whole page."""
        self._head()
        self._votes()
        self._facts("Facts for", self._speaking(Position.SUPPORT))
        self._facts("Facts against", self._speaking(Position.OPPOSE))
        self._rest()

    def data(self) -> dict[str, object]:
        """The same as JSON has it."""
        return {
            "investigation": self.report.investigation,
            "chance": self.chance(self.row),
            "found": self.row.hypothesis.id in self.confidence,
            "hypothesis": self.row.model_dump(mode="json"),
            "for": [fact.id for fact in self._speaking(Position.SUPPORT)],
            "against": [fact.id for fact in self._speaking(Position.OPPOSE)],
            "evidence": [fact.model_dump(mode="json") for fact in self.about(self.row)],
            "others": {row.hypothesis.service: self.chance(row) for row in self._others()},
            "none_of_these": self.none_of_these(),
            "would_decide": list(self.report.would_decide),
        }

    def _head(self) -> None:
        row, page = self.row, self.page
        found = row.hypothesis.id in self.confidence
        sure = quantity.percent(self.chance(row))
        verdict = "a finding" if found else "a guess" if self.report.outcome is Outcome.INCONCLUSIVE else "not the finding"
        page.entry("Hypothesis", Span(f"{row.rank}. {row.hypothesis.statement}", Tone.STRONG))
        page.entry("Chance", Span(sure, Tone.STRONG), Span(f": {verdict}; {tally(row)}"))
        if row.hypothesis.cause is not None:
            page.entry("Kind", Span(self.kind(row.hypothesis.cause)))
            page.entry("", Span(row.hypothesis.cause.why, Tone.SOFT))
        if row.explanation is not None:
            page.entry("Path", Span(self.path(row.explanation)))
            for number, remark in enumerate(row.explanation.remarks):
                page.entry("" if number else "But", Span(remark, Tone.WAIT))

    def _votes(self) -> None:
        page = self.page
        page.blank()
        page.heading("Votes", Span("strength in nats; E1, E2 ... are facts", Tone.SOFT))
        for vote in latest(self.row.votes).values():
            dissent = Span(" DISSENTS" if vote.agent in self.row.dissent else "", Tone.FAULT)
            page.paragraph(Span(f"{vote.agent} "), stance(vote), dissent, self.reason(vote), hang=INDENT)
        for said in model_votes(self.report, self.row):
            page.paragraph(*told_by_model(said), self.reason(said), hang=INDENT)

    def _facts(self, label: str, facts: Sequence[Evidence]) -> None:
        if not facts:
            self.page.entry(label, Span("none"))
            return
        self.page.table(
            FACT_COLUMNS, [self.fact_row(f"E{self.numbers[fact.id]}", fact) for fact in facts[:_MOST_FACTS]], label=label
        )
        if len(facts) > _MOST_FACTS:
            self.page.paragraph(Span(f"and {len(facts) - _MOST_FACTS} more", Tone.SOFT))

    def _rest(self) -> None:
        """What else it may be, and what would tell."""
        page, report = self.page, self.report
        page.blank()
        others = [f"{row.rank}. {self.name(row.hypothesis.service)} {quantity.percent(self.chance(row))}" for row in self._others()]
        others += [f"none of these {quantity.percent(self.none_of_these())}"] if len(report.causes) <= 1 else []
        page.entry("Or else", Span(", ".join(others)))
        for label, items in (("Would decide", report.would_decide), ("Missing data", report.missing)):
            for number, item in enumerate(items):
                page.entry("" if number else label, Span(item), bullet="- " if len(items) > 1 else "")
        page.command("More", (*program(), "show", report.investigation, "--details"))

    def _speaking(self, side: Position) -> list[Evidence]:
        """The facts that votes of one side cite; for it, also what the hypothesis itself rests on. Strongest first."""
        cited = {id_ for vote in latest(self.row.votes).values() if vote.position is side for id_ in vote.evidence}
        cited |= set(self.row.hypothesis.evidence) if side is Position.SUPPORT else set()
        opposed = {id_ for vote in latest(self.row.votes).values() if vote.position is Position.OPPOSE for id_ in vote.evidence}
        cited -= opposed if side is Position.SUPPORT else set()
        return sorted((fact for fact in self.report.evidence if fact.id in cited), key=lambda fact: -fact.anomaly.strength)

    def _others(self) -> list[RankedHypothesis]:
        return [row for row in self.report.hypotheses if row is not self.row]
