"""Invariant: in a real browser nobody approves by accident, and whoever is late is told so; with JavaScript and without.

What the gateway refuses is tested through plain requests in tests/integration/web/test_decisions.py.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import expect

from middlewatch.records import ApprovalRequest, RequestState
from tests.acceptance.approvals_site import token
from tests.axe import violations
from tests.browser import COOKIE, Browser, Page, visiting
from tests.web_fixtures import chromium, redis, site, url
from tests.web_site import WebSite

__all__ = ["chromium", "redis", "site", "url"]

S = RequestState
PHONE = {"width": 390, "height": 844}
COUNTER = itertools.count(1)


def propose(site: WebSite, action: str = "scale_up", **update: object) -> ApprovalRequest:
    return site.propose(action, investigation=f"inv-{next(COUNTER):012x}", **update)


@contextmanager
def looking(chromium: Browser, site: WebSite, url: str, person: str, request: ApprovalRequest, **options: Any) -> Iterator[Page]:
    """Somebody's browser on the page of a request. A script that fails, or that the policy of the page stops, fails the test."""
    with visiting(chromium, site, url, person, **options) as page:
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda said: problems.append(said.text) if "Content Security Policy" in said.text else None)
        page.goto(f"/approvals/{request.id}")
        yield page
        assert problems == []


def test_approving_is_asked_once_more_and_a_second_tap_goes_back(chromium: Browser, site: WebSite, url: str) -> None:
    request = propose(site)
    with looking(chromium, site, url, "leo", request) as page:
        assert violations(page) == []
        approve = page.get_by_role("link", name=f"Approve {request.digest[:8]}")
        place = approve.bounding_box()
        assert place is not None
        x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
        page.mouse.click(x, y)
        sheet = page.get_by_role("dialog")
        expect(sheet).to_contain_text(request.plan[0])
        expect(sheet).to_contain_text(request.digest[8:])
        expect(sheet.get_by_role("link", name="Back")).to_be_focused()
        assert violations(page) == []
        page.mouse.click(x, y)
        expect(sheet).to_have_count(0)
        assert site.look(request.id).state is S.PENDING
        approve.click()
        sheet.get_by_role("button", name="Approve and run").click()
        expect(page.get_by_text("leo, a lead, approved it")).to_be_visible()
    assert site.look(request.id).state is S.APPROVED


def test_denying_with_a_reason(chromium: Browser, site: WebSite, url: str) -> None:
    request = propose(site)
    with looking(chromium, site, url, "mia", request) as page:
        page.get_by_role("link", name="Deny").click()
        page.get_by_label("Too risky now").check()
        page.get_by_label("Why (optional)").fill("during the sale")
        page.get_by_role("button", name="Deny").click()
        expect(page.get_by_text("mia, a member, denied it").first).to_contain_text('"Too risky now: during the sale"')
    assert site.look(request.id).state is S.DENIED


def test_what_expires_while_it_is_looked_at_is_not_approved(chromium: Browser, site: WebSite, url: str) -> None:
    request = propose(site)
    with looking(chromium, site, url, "leo", request) as page:
        page.get_by_role("link", name="Approve").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        site.rewrite(request, state=S.EXPIRED, why="nobody decided in time")
        page.get_by_role("button", name="Approve and run").click()
        expect(page.get_by_role("alert")).to_contain_text("Nothing ran")
        expect(page.get_by_role("button", name="Propose again")).to_be_visible()
    assert site.look(request.id).approvals == ()


def test_of_two_browsers_one_wins_and_the_other_is_told(chromium: Browser, site: WebSite, url: str) -> None:
    request = propose(site)
    with (
        looking(chromium, site, url, "leo", request) as first,
        looking(chromium, site, url, "lea", request) as second,
    ):
        for page in (first, second):
            page.get_by_role("link", name="Approve").click()
            expect(page.get_by_role("dialog")).to_be_visible()
        first.get_by_role("button", name="Approve and run").click()
        expect(first.get_by_text("leo, a lead, approved it")).to_be_visible()
        second.get_by_role("button", name="Approve and run").click()
        expect(second.get_by_role("alert")).to_contain_text(
            re.compile(r"It is approved already: leo approved it at [-\d]+ [\d:]+ UTC\. What you said was not recorded\.")
        )
    assert [said.principal for said in site.look(request.id).approvals] == ["leo"]


def test_a_reload_in_the_middle_changes_nothing(chromium: Browser, site: WebSite, url: str) -> None:
    request = propose(site)
    with looking(chromium, site, url, "leo", request) as page:
        page.get_by_role("link", name="Approve").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        page.reload()
        expect(page.get_by_role("dialog")).to_have_count(0)
        assert site.look(request.id).state is S.PENDING
        page.get_by_role("link", name="Approve").click()
        page.get_by_role("button", name="Approve and run").click()
        expect(page.get_by_text("leo, a lead, approved it")).to_be_visible()
        page.reload()
        expect(page.get_by_text("leo, a lead, approved it")).to_be_visible()
    assert len(site.look(request.id).approvals) == 1


def test_what_was_typed_and_not_sent_is_there_after_a_reload(chromium: Browser, site: WebSite, url: str) -> None:
    request = propose(site)
    with looking(chromium, site, url, "mia", request) as page:
        page.get_by_role("link", name="Deny").click()
        page.get_by_label("Too risky now").check()
        page.get_by_label("Why (optional)").fill("during the sale")
        page.reload()
        page.get_by_role("link", name="Deny").click()
        expect(page.get_by_label("Why (optional)")).to_have_value("during the sale")
        expect(page.get_by_label("Too risky now")).to_be_checked()
        page.goto(f"/approvals/{request.id}/confirm?decision=deny&digest={request.digest}")
        expect(page.get_by_label("Why (optional)")).to_have_value("during the sale")
        page.get_by_role("button", name="Deny").click()
        expect(page.get_by_text("mia, a member, denied it").first).to_be_visible()
        assert page.evaluate("sessionStorage.length") == 0, "what was sent is not kept"
    assert site.look(request.id).state is S.DENIED


def test_what_somebody_typed_is_nobody_elses_who_signs_in_after_them(chromium: Browser, site: WebSite, url: str) -> None:
    request = propose(site)
    with looking(chromium, site, url, "mia", request) as page:
        page.get_by_role("link", name="Deny").click()
        page.get_by_label("Why (optional)").fill("leo broke it")
        secret, _ = site.app.sessions.open(f"token:{token('leo')}")
        page.context.add_cookies([{"name": COOKIE, "value": secret, "url": url}])
        page.goto(f"/approvals/{request.id}")
        page.get_by_role("link", name="Deny").click()
        expect(page.get_by_role("dialog")).to_contain_text("Recorded as Leo Example")
        expect(page.get_by_label("Why (optional)")).to_have_value("")
        assert page.evaluate("sessionStorage.length") == 0, "nor is it left where they could look for it"


def test_without_javascript_a_page_asks_once_more(chromium: Browser, site: WebSite, url: str) -> None:
    request = propose(site, "restart_service")
    with looking(chromium, site, url, "leo", request, java_script_enabled=False) as page:
        page.get_by_role("link", name="Approve").click()
        expect(page.get_by_role("heading", name="Approve exactly this?")).to_be_visible()
        expect(page.get_by_role("link", name="Back")).to_be_focused()
        page.get_by_role("button", name="Approve").click()
        assert "/confirm" in page.url  # the browser itself asks for the reason
        page.get_by_label("Why (policy asks for it)").fill("it hangs")
        page.get_by_role("button", name="Approve").click()
        expect(page.get_by_text("Missing")).to_be_visible()
    assert site.look(request.id).approvals[0].reason == "it hangs"


def test_on_a_phone_back_lies_where_the_first_tap_was(chromium: Browser, site: WebSite, url: str) -> None:
    request = propose(site)
    with looking(chromium, site, url, "leo", request, viewport=PHONE, has_touch=True, is_mobile=True) as page:
        approve = page.get_by_role("link", name="Approve")
        place = approve.bounding_box()
        assert place is not None
        assert place["y"] + place["height"] <= PHONE["height"], "the decision is at the foot of the screen"
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
        page.touchscreen.tap(x, y)
        expect(page.get_by_role("dialog")).to_be_visible()
        page.touchscreen.tap(x, y)
        expect(page.get_by_role("dialog")).to_have_count(0)
    assert site.look(request.id).state is S.PENDING


@pytest.mark.parametrize("path", ["/approvals", "/approvals?all=1", "/halt"])
def test_the_pages_around_it_are_accessible(chromium: Browser, site: WebSite, url: str, path: str) -> None:
    propose(site)
    with visiting(chromium, site, url, "mara", viewport=PHONE) as page:
        page.goto(path)
        assert violations(page) == []
