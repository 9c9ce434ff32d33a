"""Invariant: what the rules answer is shown as theirs while language models look at it, and nothing calls it the report."""

from __future__ import annotations

import html
import itertools
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from middlewatch.frontends.cli.investigations import _print_standing
from middlewatch.frontends.cli.progress import rules_answer
from middlewatch.frontends.model_wording import IN_ITS_WORDS, LEFT, LOOKING
from middlewatch.frontends.steps import Step
from middlewatch.records import ModelWork, Report
from tests.looked_at import answered_by_rules, finding_of
from tests.report_finding import finding
from tests.web_fixtures import site
from tests.web_site import WebSite

__all__ = ["site"]

NUMBERS = itertools.count()
API = "/api/v1/investigations"


@pytest.fixture
def looked_at(site: WebSite) -> Iterator[str]:
    """Id of an investigation whose rules have answered."""
    name = f"inv-beef{next(NUMBERS):08x}"
    report = finding_of(name)
    site.open(report.model_copy(update={"alert": report.alert.model_copy(update={"source_id": name})}), name)
    answered_by_rules(site.app, report, name)
    yield name
    site.app.kept.cancel(name)


def test_the_page_shows_it_as_the_rules_answer(site: WebSite, looked_at: str) -> None:
    page = html.unescape(site.client("mia").get(f"/investigations/{looked_at}").text)
    assert finding().answer in page
    assert LOOKING in page
    assert "finding, by rules" in page
    assert "language models are being asked" in page
    assert "How far the agents are" in page
    for words in ("Why we think so", "What to do next", "What to know besides", "How it spread"):
        assert words in page, "what rules found does not wait for models"
    assert "Facts so far" not in page, "rules put them in order"
    assert "report.json" not in page
    assert site.client("mia").get(f"/investigations/{looked_at}/report.json").status_code == 422


def test_the_api_has_it_apart_from_the_report(site: WebSite, looked_at: str) -> None:
    mia = site.program("mia")
    assert mia.get(f"{API}/{looked_at}").json()["preliminary"] is True
    found = Report.model_validate(mia.get(f"{API}/{looked_at}/preliminary").json())
    assert found.answer == finding().answer
    assert mia.get(f"{API}/{looked_at}/report").status_code == 404
    other = site.seed(finding()).id
    assert mia.get(f"{API}/{other}").json()["preliminary"] is False
    assert mia.get(f"{API}/{other}/preliminary").status_code == 404


def test_the_terminal_tells_it(site: WebSite, looked_at: str) -> None:
    assert rules_answer(site.app, looked_at) == f"The rules answer, 82 % sure: {finding().answer}"
    told = [Step(event).words for event in site.app.store.events("default", looked_at)]
    assert "the rules have answered; language models look at it" in told
    with CliRunner().isolation() as (out, *_):
        _print_standing(site.app.snapshot(looked_at))
        text = " ".join(out.getvalue().decode().split())
    assert "is the most likely root cause" in text
    assert "Language models are looking at it" in text


def test_a_cancelled_one_keeps_it_and_nobody_looks_any_more(site: WebSite, looked_at: str) -> None:
    site.app.kept.cancel(looked_at)
    page = html.unescape(site.client("mia").get(f"/investigations/{looked_at}").text)
    assert finding().answer in page
    assert LOOKING not in page
    assert LEFT in page


def test_the_outcome_in_a_models_words_is_said_to_be_its(site: WebSite) -> None:
    work = ModelWork(
        sentence='"checkout-api" is slow.', prose="It began with a deploy.", problems=("The challenger's model was busy.",)
    )
    made = site.seed(finding().model_copy(update={"models": work}))
    page = html.unescape(site.client("mia").get(f"/investigations/{made.id}").text)
    assert f'{IN_ITS_WORDS}:</span> "checkout-api" is slow. It began with a deploy.' in page
    assert finding().answer in page
    assert "language models were asked after that" in page
