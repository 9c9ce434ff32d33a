"""Invariant: the numbers of nights are the same on every face, and middlewatch's own are open to one reader."""

from __future__ import annotations

import re
from datetime import timedelta
from hashlib import sha256

import pytest
from starlette.testclient import TestClient

from middlewatch.context_store.occurrences import Change
from middlewatch.frontends.nights_wording import markdown
from middlewatch.looking_back import look_back
from middlewatch.nights import Step
from middlewatch.records import AlertMessage, AlertStatus
from tests.nights_data import seed_nights
from tests.report_finding import finding
from tests.web_site import BASE, WebSite

HERE, ELSEWHERE = ("127.0.0.1", 50000), ("192.0.2.7", 50000)
LINE = re.compile(r'(middlewatch_[a-z0-9_]+)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\.)*",?)+)\})? (-?[0-9.e+-]+|NaN)')


@pytest.fixture(scope="module")
def nights(site: WebSite) -> list[str]:
    found = seed_nights(site)
    site.seed(finding(), "inv-00000000aaaa")  # of a recording: no night
    return found


def reader(site: WebSite, client: tuple[str, int] = HERE, **settings: object) -> TestClient:
    return TestClient(site.beside(**settings) if settings else site.site, base_url=BASE, client=client)


def test_nights_are_those_of_live_telemetry(site: WebSite, nights: list[str]) -> None:
    found = look_back(site.app, 1)
    assert ([one.investigation for one in found.nights], found.recorded) == (nights[::-1], 1)
    assert (found.whole.pages, found.whole.without_action, found.whole.untouched) == (3, 3, 2)
    assert (found.whole.steps[Step.ACKNOWLEDGE].known, found.whole.steps[Step.RESOLVE].known) == (1, 0)
    assert found.false_positives.wrong.hits == 1


def test_the_page_and_the_api_say_the_same(site: WebSite, nights: list[str]) -> None:
    told = site.program("mia").get("/api/v1/report", params={"weeks": 1}).json()
    assert (told["format"], told["whole"]["pages"], told["nights"][0]["seconds"]["resolve"]) == ("middlewatch.nights/v1", 3, None)
    page = site.client("mia").get("/report", params={"weeks": 1})
    assert page.status_code == 200
    assert "3 pages, 3 a week. 3 without an action, and 2 of these nobody took" in page.text
    assert "too few to tell" in page.text
    assert all(f'href="/investigations/{name}"' in page.text for name in nights)
    assert "<b>night</b>" not in page.text
    assert site.client("mia").get("/report", params={"weeks": 53}).status_code == 422


def test_what_senders_say_is_known_of_a_night(site: WebSite, nights: list[str]) -> None:
    """An occurrence that belongs to an investigation says since when it fired, and when it was over."""
    opened = site.app.investigation(nights[1]).opened_at
    assert opened is not None
    message = AlertMessage(
        tenant=site.app.settings.tenant,
        sender="pager",
        kind="alertmanager",
        fingerprint="f",
        status=AlertStatus.FIRING,
        title="slow",
        started_at=opened - timedelta(seconds=40),
    )
    (one,) = site.app.occurrences.receive([message])
    row = site.app.occurrences.row(one.id)
    over = opened + timedelta(seconds=80)
    kept = one.model_copy(update={"investigation": nights[1], "first_at": opened, "resolved_at": over})
    assert site.app.occurrences.store.write([Change(kept, row.token)]).done == (True,)
    (found,) = [night for night in look_back(site.app, 1).nights if night.investigation == nights[1]]
    assert (found.seconds[Step.DETECT], found.seconds[Step.RESOLVE]) == (40, 120)


def test_markdown_renders_as_its_own_text(site: WebSite, nights: list[str]) -> None:
    assert nights
    text = markdown(look_back(site.app, 2))
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({row.count("|") for row in rows if row.startswith("| 20")}) == 1
    assert text.startswith("# Nights\n")


def values(text: str) -> dict[tuple[str, str], float]:
    """What a scraper reads, which checks every line."""
    found: dict[tuple[str, str], float] = {}
    named: set[str] = set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            name = line.split()[2]
            assert name not in named, "a family stands once"
            named.add(name)
        elif not line.startswith("# HELP "):
            whole = LINE.fullmatch(line)
            assert whole, line
            assert whole[1] in named
            found[whole[1], whole[2] or ""] = float(whole[3])
    return found


def test_metrics_say_what_waits_and_since_when(site: WebSite, nights: list[str]) -> None:
    running = site.open(finding(), "inv-00000000bbbb")
    assert running.opened_at is not None
    site.propose(investigation=nights[0])
    answer = reader(site).get("/metrics")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    found = values(answer.text)
    assert found["middlewatch_investigations_open", ""] == 1
    assert found["middlewatch_investigations_total", ""] == len(nights) + 2
    assert found["middlewatch_queue_tasks", ""] >= 1
    assert 0 <= found["middlewatch_queue_oldest_seconds", ""] < 3600
    assert found["middlewatch_approvals", 'state="pending"'] == 1
    assert found["middlewatch_nights_pages", ""] == 3
    assert found["middlewatch_nights_findings_wrong", ""] == 1
    assert found["middlewatch_nights_step_known", 'step="acknowledge"'] == 1
    assert found["middlewatch_halted", ""] == 0
    assert found["middlewatch_audit_events_total", ""] > 0
    assert "tenant" not in answer.text
    assert "night" not in {label for _, labels in found for label in labels.split('"')}


@pytest.mark.parametrize(
    ("client", "settings"),
    [
        (ELSEWHERE, {}),
        (HERE, {"public_url": "http://localhost:8321"}),
        (HERE, {"host": "0.0.0.0", "public_url": "http://localhost:8321"}),  # noqa: S104  that is what is refused
        (ELSEWHERE, {"metrics_token_sha256": (sha256(b"scrape").hexdigest(),)}),
        (HERE, {"metrics_token_sha256": (sha256(b"scrape").hexdigest(),)}),
    ],
)
def test_metrics_are_open_to_nobody_else(site: WebSite, client: tuple[str, int], settings: dict[str, object]) -> None:
    asking = reader(site, client, **settings)
    for headers in ({}, {"authorization": "Bearer mara-token"}, {"authorization": "Basic scrape"}):
        answer = asking.get("/metrics", headers=headers)
        assert (answer.status_code, "middlewatch_" in answer.text) == (401, False)


def test_a_scraper_shows_its_token_and_whoever_guesses_has_to_wait(site: WebSite) -> None:
    asking = reader(site, ELSEWHERE, metrics_token_sha256=(sha256(b"old").hexdigest(), sha256(b"scrape").hexdigest()))
    codes = [asking.get("/metrics", headers={"authorization": f"Bearer {n}"}).status_code for n in range(11)]
    assert (codes[0], codes[-1]) == (401, 429)
    assert asking.get("/metrics", headers={"authorization": "Bearer scrape"}).status_code == 200
