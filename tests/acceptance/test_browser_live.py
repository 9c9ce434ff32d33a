"""Invariant: a page follows an investigation from its start to the finding, across a reload, and takes nothing from who uses it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from middlewatch.alerts import recorded_alert
from middlewatch.frontends.web import live
from middlewatch.records import Investigation, Verdict, Waterfall
from middlewatch.records.errors import Unavailable
from tests.acceptance.incident import record_incident
from tests.axe import violations
from tests.browser import Browser, Page, visiting
from tests.report_finding import finding
from tests.web_fixtures import chromium, redis, site
from tests.web_server import served
from tests.web_site import WebSite

__all__ = ["chromium", "redis", "site"]


@pytest.fixture(scope="module")
def url(site: WebSite) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live, "BEAT_SECONDS", 1.0)
        with served(site.site) as made:
            yield made
            site.site.state.stopping.set()


@contextmanager
def looking(chromium: Browser, site: WebSite, url: str, path: str) -> Iterator[Page]:
    """Mia's browser. A script that fails, or that the policy of the page stops, fails the test."""
    with visiting(chromium, site, url, "mia") as page:
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
        page.goto(path)
        yield page
        assert problems == []


def begin(site: WebSite, folder: Path) -> Investigation:
    """One of a recording, that nobody works on yet."""
    name = site.app.import_recording(record_incident(folder)).name
    alert = recorded_alert(site.app.settings.tenant, site.app.recordings(), name, None)
    return site.app.investigate(alert, recording=name)


def test_from_the_start_to_the_finding_across_a_reload(site: WebSite, chromium: Browser, url: str, tmp_path: Path) -> None:
    about = begin(site, tmp_path / "incident")
    with looking(chromium, site, url, f"/investigations/{about.id}") as page:
        state = page.locator(".stream-state")
        expect(state).to_have_text(re.compile("^Live"))
        with site.app.working():
            expect(state).to_contain_text("last event")
            page.reload()
            expect(state).to_contain_text("last event")
            expect(page.locator("#part-answer .state")).to_have_text("finding", timeout=60_000)
        report = site.app.report(about.id)
        assert report is not None
        expect(page.locator("h1")).to_have_text(re.compile("."))
        expect(page.locator("#part-hypotheses")).to_contain_text(report.hypotheses[0].hypothesis.service)
        expect(page.locator("#feedback")).to_be_visible()


def test_what_others_do_appears_and_what_is_typed_or_opened_stays(site: WebSite, chromium: Browser, url: str) -> None:
    about = site.seed(finding())
    leo = site.app.approvals.recognise("token:leo-token")
    with looking(chromium, site, url, f"/investigations/{about.id}") as page:
        expect(page.locator(".stream-state")).to_have_text("Live")
        page.locator("#handling-give > summary").click()
        note = page.locator("#handling-note")
        note.fill("half a sen")
        site.app.handlings.acknowledge(about.id, leo, face="web")
        expect(page.locator("#audit")).to_contain_text("Leo Example acknowledged it")
        expect(page.locator("#handling")).to_contain_text("Nobody has it yet", timeout=1)
        note.press_sequentially("tence")
        page.locator("h1").click()
        expect(page.locator("#handling")).to_contain_text("Leo Example has it")
        expect(note).to_have_value("half a sentence")
        expect(note).to_be_visible()
        page.locator("#handling-to").select_option("mia")
        page.get_by_role("button", name="Give it").click()
        expect(page.locator("#handling")).to_contain_text("Mia Example took it")
        assert site.app.handlings.of(about.id).assignee == "mia"


def test_a_section_that_somebody_began_to_type_in_while_it_was_fetched_waits(site: WebSite, chromium: Browser, url: str) -> None:
    about = site.seed(finding())
    with looking(chromium, site, url, f"/investigations/{about.id}") as page:
        expect(page.locator(".stream-state")).to_have_text("Live")
        page.locator("#handling-give > summary").click()
        note, typed = page.locator("#handling-note"), "half a sentence"

        def typing(route: Route) -> None:
            note.fill(typed)
            route.continue_()

        page.route("**/parts?names=*", typing)
        site.app.handlings.acknowledge(about.id, site.app.approvals.recognise("token:leo-token"), face="web")
        expect(page.locator("#audit")).to_contain_text("Leo Example acknowledged it")
        expect(page.locator("#handling")).to_contain_text("Nobody has it yet", timeout=1)
        page.unroute_all()
        page.locator("h1").click()
        expect(page.locator("#handling")).to_contain_text("Leo Example has it")
        expect(note).to_have_value(typed)


def test_a_section_that_failed_holds_up_no_other_and_is_asked_for_again(
    site: WebSite, chromium: Browser, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    about, failures = site.seed(finding()), iter(("among others", "alone"))

    def trace_of(_investigation: str) -> Waterfall:
        for failure in failures:
            raise Unavailable(failure)
        return Waterfall(trace_id="", reason="It is there again.")

    with visiting(chromium, site, url, "mia") as page:
        page.clock.install()
        page.goto(f"/investigations/{about.id}")
        expect(page.locator(".stream-state")).to_have_text("Live")
        expect(page.locator("#part-request")).not_to_contain_text("Being read")
        monkeypatch.setattr(site.app.toolbox, "trace_of", trace_of)
        site.app.handlings.acknowledge(about.id, site.app.approvals.recognise("token:leo-token"), face="web")
        expect(page.locator("#handling")).to_contain_text("Leo Example has it")
        page.evaluate("() => { window.told = new Promise(tell => addEventListener('htmx:finally:request', tell, { once: true })) }")
        with page.expect_response("**/parts/request") as alone:
            page.clock.fast_forward(8_000)
        assert alone.value.status == 503
        expect(page.locator("#part-request")).not_to_contain_text("It is there again")
        page.evaluate("() => window.told.then(() => null)")
        page.clock.fast_forward(8_000)
        expect(page.locator("#part-request")).to_contain_text("It is there again")


def test_who_was_cut_off_is_told_and_sees_what_happened_meanwhile(site: WebSite, chromium: Browser, url: str) -> None:
    about = site.seed(finding())
    leo = site.app.approvals.recognise("token:leo-token")
    with looking(chromium, site, url, f"/investigations/{about.id}") as page:
        state = page.locator(".stream-state")
        expect(state).to_have_text("Live")
        site.app.sessions.end(page.context.cookies()[0]["value"])
        expect(state).to_have_text("Signed out: load the page again")
    with looking(chromium, site, url, f"/investigations/{about.id}") as page:
        state = page.locator(".stream-state")
        expect(state).to_have_text("Live")
        page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
        site.app.handlings.give_feedback(about.id, Verdict.WRONG, leo, cause="the cache", face="web")
        page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
        expect(state).to_contain_text("Leo Example called the answer wrong")
        expect(page.locator("#feedback")).to_contain_text("the cache")


def test_the_inbox_shows_what_is_new(site: WebSite, chromium: Browser, url: str) -> None:
    with looking(chromium, site, url, "/") as page:
        expect(page.locator(".stream-state")).to_have_text("Live")
        about = site.seed(finding())
        expect(page.locator(f"a[href='/investigations/{about.id}']").first).to_be_visible()
        site.seed(finding())  # what came before the stream said how the lists stand is shown, and is no event of it
        expect(page.locator(".stream-state")).to_contain_text("last event")


def test_the_log_and_the_forms_are_for_everybody(site: WebSite, chromium: Browser, url: str) -> None:
    about = site.seed(finding())
    leo = site.app.approvals.recognise("token:leo-token")
    site.app.handlings.assign(about.id, "mia", leo, note="look at the pool", face="web")
    site.app.handlings.assign(about.id, "leo", leo, note="I have it", face="web")
    for path in ("/audit", f"/investigations/{about.id}/handling", f"/investigations/{about.id}/feedback"):
        with looking(chromium, site, url, path) as page:
            for folded in page.locator("main details").all():
                folded.locator("summary").click()
            assert violations(page) == []
