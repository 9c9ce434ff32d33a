"""Invariants: axe-core finds nothing on any page in any state, in light and in dark; on a phone none is wider than the screen; at
no width does anything stand out of its panel or its cell, whatever models say.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import ViewportSize

from middlewatch.records import Report
from tests.axe import violations
from tests.browser import Page, context_of, open_browser
from tests.health_data import seed_health
from tests.nights_data import seed_nights
from tests.reports import empty, finding, inconclusive
from tests.unit.frontends.test_model_wording import told
from tests.web_fixtures import redis, site
from tests.web_server import served
from tests.web_site import WebSite

__all__ = ["redis", "site"]

PARTS_ARE_THERE = "() => !document.querySelector('main').textContent.includes('Being read from the telemetry')"
STANDS_OUT = """() => [...document.querySelectorAll('.panel, .hypotheses td, .hypotheses th')].flatMap(box => {
  const outer = box.getBoundingClientRect();
  return [...box.querySelectorAll('*:not(svg *)')].filter(one => !one.closest('.lanes')).flatMap(one => {
    const inner = one.getBoundingClientRect();
    const out = inner.width > 0 && (inner.right > outer.right + 1 || inner.left < outer.left - 1);
    return out ? [`${one.tagName}.${one.className} in ${box.tagName}.${box.className}`] : [];
  });
})"""
"""What reaches over the side of its panel or of its cell; lanes scroll, and a drawing clips itself."""
LONG_WORD = f"http.client.request.duration{{{'inventory.' * 30}}}"
WIDTHS = (320, 390, 820, 821, 1100, 1101, 1200, 1440, 2000)
DESK, PHONE = ViewportSize(width=1280, height=720), ViewportSize(width=390, height=844)
FOUND, UNSURE, NOTHING, RUNNING, CANCELLED = (f"inv-{n:012x}" for n in range(1, 6))


@pytest.fixture(scope="module")
def pages(site: WebSite) -> Iterator[tuple[Page, Page]]:
    """One of a manager, and one of nobody."""
    with (
        served(site.site) as url,
        open_browser() as chromium,
        context_of(chromium, site, url, "mara") as manager,
        context_of(chromium, site, url, None) as nobody,
    ):
        yield manager.new_page(), nobody.new_page()


def looked_at(page: Page, *paths: str) -> list[str]:
    """What axe-core finds, each with its page, once everything on that is there; and what a phone would have to scroll sideways."""
    found = []
    for path in paths:
        answer = page.goto(path)
        assert answer is not None
        page.wait_for_function(PARTS_ARE_THERE)
        found += [f"{path} ({answer.status}): {one}" for one in violations(page)]
        page.set_viewport_size(PHONE)
        wide = page.evaluate("document.documentElement.scrollWidth")
        found += [f"{path} is {wide} px wide on a phone"] if wide > PHONE["width"] else []
        page.set_viewport_size(DESK)
    return found


def test_what_is_wrong_is_found(pages: tuple[Page, Page]) -> None:
    _, nobody = pages
    nobody.set_content("<html lang=en><title>x</title><main><h1>x</h1><img src='data:,'><p style='color: #eee'>faint</p></main>")
    assert {one.split(": ")[1] for one in violations(nobody)} == {"image-alt", "color-contrast"}


def test_before_there_is_anything(pages: tuple[Page, Page], site: WebSite) -> None:
    manager, nobody = pages
    assert looked_at(manager, "/", "/approvals", "/audit", "/halt", "/health", "/investigate", "/sessions", "/no-such-page") == []
    site.site.state.program = f"MIDDLEWATCH_DATA_DIR=/{'a' * 60} middlewatch"
    assert looked_at(nobody, "/sign-in") == []


def test_numbers_of_nights(pages: tuple[Page, Page], site: WebSite) -> None:
    assert looked_at(pages[0], "/report") == []
    seed_nights(site)
    assert looked_at(pages[0], "/report", "/report?weeks=52") == []


def another(report: Report, name: str) -> Report:
    """The same over an alert of its own."""
    return report.model_copy(update={"alert": report.alert.model_copy(update={"source_id": name})})


@pytest.fixture(scope="module")
def asked(site: WebSite) -> str:
    """The id of a request that waits, in a store that has an investigation in every state."""
    text = told().model_dump_json().replace("the pool ran dry", LONG_WORD).replace("1,904 lines of", LONG_WORD)
    reasoned = Report.model_validate_json(text)
    for name, report in {FOUND: reasoned, UNSURE: inconclusive(), NOTHING: empty()}.items():
        site.seed(report, name)
    for name in (RUNNING, CANCELLED):
        site.open(another(finding(), name), name)
    site.app.kept.cancel(CANCELLED)
    site.propose("restart_service")
    return site.propose().id


def test_every_state_of_an_investigation(pages: tuple[Page, Page], asked: str) -> None:
    assert asked
    names = (FOUND, UNSURE, NOTHING, RUNNING, CANCELLED)
    fact = finding().evidence[0].id
    assert looked_at(pages[0], *(f"/investigations/{name}" for name in names), f"/investigations/{FOUND}/evidence/{fact}") == []


def test_what_models_say_stands_out_of_nothing_at_any_width(pages: tuple[Page, Page], asked: str) -> None:
    assert asked
    page = pages[0]
    page.goto(f"/investigations/{FOUND}?full=1")
    assert LONG_WORD in page.get_by_role("region", name="Why we think so").inner_text()
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    found = {}
    for width in WIDTHS:
        page.set_viewport_size(ViewportSize(width=width, height=800))
        wide = page.evaluate("document.documentElement.scrollWidth") > width
        found[width] = (wide, page.evaluate(STANDS_OUT))
    page.set_viewport_size(DESK)
    assert found == dict.fromkeys(WIDTHS, (False, []))


def test_what_waits_and_what_is_asked(pages: tuple[Page, Page], site: WebSite, asked: str) -> None:
    forms = (f"/approvals/{asked}/confirm?decision={decision}" for decision in ("approve", "deny"))
    manager = pages[0]
    assert looked_at(manager, "/", "/approvals", f"/approvals/{asked}", *forms, f"/investigations/{FOUND}/propose", "/audit") == []
    mara = next(one for one in site.app.approvals.people() if one.id == "mara")
    site.app.approvals.halt(mara, "The sale goes on.", face="cli")
    assert looked_at(manager, "/halt", f"/approvals/{asked}", "/?show=mine&q=nothing") == []


def test_services_that_do_well_and_badly(pages: tuple[Page, Page], site: WebSite) -> None:
    seed_health(site.app)
    assert looked_at(pages[0], "/health", "/") == []
