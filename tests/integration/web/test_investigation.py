"""Invariants: a page of an investigation answers first in every state; text of others is never markup; links lead somewhere."""

from __future__ import annotations

import gzip
from urllib.parse import urlsplit

import pytest
from starlette.testclient import TestClient

from middlewatch.frontends.web.investigation import LATE, PARTS
from middlewatch.records import Evidence, InvestigationState, Report
from tests import reports
from tests.hostile import MARKUP
from tests.hostile_reports import filled
from tests.markup import Seen, foreign_markup, seen
from tests.web_site import WebSite

WEIGHT_KB = 150
FINDING = "inv-f00000000001"
GUESSES = "inv-f00000000002"
SEVERAL = "inv-f00000000003"
NOTHING = "inv-f00000000004"
ATTACK = "inv-f00000000005"
LARGE = "inv-f00000000006"
RUNNING = "inv-f00000000007"
CANCELLED = "inv-f00000000008"
STALLED = "inv-f00000000009"


def large() -> Report:
    """The finding of an investigation with 200 facts."""
    report = reports.finding()
    first: Evidence = report.evidence[1]
    more = tuple(
        first.model_copy(
            update={
                "id": f"ev-{number:016x}",
                "anomaly": first.anomaly.model_copy(update={"subject": f"request {number * 7919} of <n> took <ms>"}),
            }
        )
        for number in range(200 - len(report.evidence))
    )
    return report.model_copy(update={"evidence": (*report.evidence, *more)})


@pytest.fixture(scope="module")
def reader(site: WebSite) -> TestClient:
    """Somebody who reads, and what there is to read."""
    site.seed(reports.finding(), FINDING)
    site.seed(reports.inconclusive(), GUESSES)
    site.seed(reports.two_causes(), SEVERAL)
    site.seed(reports.empty(), NOTHING)
    site.seed(filled(reports.finding(), MARKUP), ATTACK)
    site.seed(large(), LARGE)
    for name in (STALLED, RUNNING, CANCELLED):
        alert = reports.finding().alert.model_copy(update={"source_id": name})
        site.open(reports.finding().model_copy(update={"alert": alert}), name)
        if name == STALLED and (claim := site.app.store.claim("ann")):
            site.app.store.fail(claim, "the disk <b>is full</b>", retry=False)
    site.app.kept.cancel(CANCELLED)
    return site.client("leo")


def page_of(reader: TestClient, name: str, query: str = "") -> Seen:
    answer = reader.get(f"/investigations/{name}{query}")
    assert answer.status_code == 200, answer.text
    return seen(answer.text)


def test_what_cannot_go_on_says_what_failed(reader: TestClient) -> None:
    text = reader.get(f"/investigations/{STALLED}").text
    assert "Failed after 1 attempt <b>r1-plan</b></summary><p>the disk &lt;b&gt;is full&lt;/b&gt;.</p>" in text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (FINDING, '"checkout-api" is the most likely root cause'),
        (GUESSES, "I don't know: nothing stands out enough."),
        (SEVERAL, "A second cause: payment-gw, 93 % sure."),
        (NOTHING, "there was no telemetry to look at"),
        (RUNNING, "No cause yet: CheckoutLatencyP99High"),
        (CANCELLED, "Cancelled without an answer"),
        (STALLED, "It cannot go on: CheckoutLatencyP99High"),
    ],
)
def test_every_state_says_first_where_it_stands(reader: TestClient, name: str, words: str) -> None:
    page = page_of(reader, name)
    assert words in page.heading
    assert [tag for tag, _ in page.tags].count("h1") == 1
    assert len(page.ids) == len(set(page.ids)), "an id is given once"


def test_each_part_is_served_alone_and_an_unknown_one_is_explained(reader: TestClient) -> None:
    for name in PARTS:
        answer = reader.get(f"/investigations/{FINDING}/parts/{name}")
        assert answer.status_code == 200, name
        assert "<html" not in answer.text
    answer = reader.get(f"/investigations/{FINDING}/parts/everything")
    assert answer.status_code == 422
    assert "no part" in answer.text


def test_without_a_script_everything_is_on_one_page(reader: TestClient) -> None:
    whole = page_of(reader, FINDING, "?full=1")
    assert not [tag for tag, given in whole.tags if "hx-get" in given]
    asked = [given["hx-get"].rsplit("/", 1)[1] for _, given in page_of(reader, FINDING).tags if "hx-get" in given]
    assert set(asked) == set(LATE)


@pytest.mark.parametrize("name", [FINDING, GUESSES, SEVERAL, LARGE])
def test_every_fact_has_a_deep_link(reader: TestClient, site: WebSite, name: str) -> None:
    page = page_of(reader, name)
    anchors = {link[1:] for link in page.links if link.startswith("#")}
    assert anchors <= set(page.ids)
    facts = site.app.snapshot(name).evidence
    for fact in facts[:3]:
        shown = seen(reader.get(f"/investigations/{name}/evidence/{fact.id}").text)
        assert f"/investigations/{name}#{fact.id}" in shown.links
        assert {link[1:] for link in shown.links if link.startswith("#")} <= set(shown.ids)
    assert reader.get(f"/investigations/{name}/evidence/ev-0").status_code == 422


def test_a_page_names_its_own_address(reader: TestClient) -> None:
    (canonical,) = [given["href"] for tag, given in page_of(reader, FINDING).tags if given.get("rel") == "canonical"]
    assert urlsplit(canonical).path == f"/investigations/{FINDING}"


@pytest.mark.parametrize("query", ["", "?full=1", "evidence"])
def test_text_of_others_is_never_markup(reader: TestClient, site: WebSite, query: str) -> None:
    fact = site.app.snapshot(ATTACK).evidence[0].id
    page = page_of(reader, ATTACK, f"/evidence/{fact}" if query == "evidence" else query)
    assert foreign_markup(page) == []
    assert "49" not in page.heading.replace("{{ 7 * 7 }}", "").split()
    assert "\x1b" not in "".join(page.text)
    assert "\u202e" not in "".join(page.text)


def test_the_report_and_the_post_mortem_can_be_taken_along(reader: TestClient) -> None:
    report = reader.get(f"/investigations/{FINDING}/report.json")
    assert Report.model_validate(report.json()).investigation == FINDING
    text = reader.get(f"/investigations/{FINDING}/post-mortem.md")
    assert text.headers["content-type"].startswith("text/markdown")
    assert "checkout-api" in text.text
    assert reader.get(f"/investigations/{RUNNING}/report.json").status_code == 422


def test_a_first_visit_of_200_facts_is_light(reader: TestClient) -> None:
    answer = reader.get(f"/investigations/{LARGE}")
    page = seen(answer.text)
    assets = [
        given.get("src") or given["href"]
        for _, given in page.tags
        if (given.get("src") or given.get("href", "")).startswith("/static/")
    ]
    late = [reader.get(given["hx-get"]).text for _, given in page.tags if "hx-get" in given]
    packed = [gzip.compress(text.encode(), 5) for text in (answer.text, *late)]
    packed += [gzip.compress(reader.get(asset).content) for asset in assets]
    assert sum(map(len, packed)) < WEIGHT_KB * 1024


def test_an_unknown_investigation_is_not_found(reader: TestClient, site: WebSite) -> None:
    assert reader.get("/investigations/inv-ffffffffffff").status_code == 404
    assert site.app.investigation(CANCELLED).state is InvestigationState.CANCELLED
