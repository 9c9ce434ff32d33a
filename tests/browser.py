"""A real Chromium on a site of `tests.web_site`, without a window, for what only a browser can show.

A module of tests opens one, as it opens its site::

    @pytest.fixture(scope="module")
    def chromium() -> Iterator[Browser]:
        with open_browser() as made:
            yield made

    def test_x(site: WebSite, chromium: Browser) -> None:
        with served(site.site) as url, visiting(chromium, site, url, "mara") as page:
            page.goto(url + "/")

Tests that need it are skipped where no Chromium is installed.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.acceptance.approvals_site import token
from tests.web_site import WebSite

__all__ = ["Browser", "BrowserContext", "Page", "context_of", "open_browser", "visiting"]

COOKIE = "middlewatch"
SECONDS = 20
"""That a page may take. A limit for what hangs, and no measurement."""
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""It starts as root, in a machine without a screen, and looks up nothing but the site."""


@contextmanager
def open_browser() -> Iterator[Browser]:
    """A fresh one; about a second."""
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip("no Chromium is installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*_FLAGS])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def context_of(browser: Browser, site: WebSite, url: str, person: str | None, **options: Any) -> Iterator[BrowserContext]:
    """Somebody's browser: signed in where a person is named, with cookies and a cache of its own.

    Args:
        browser: in which.
        site: whose sessions it is signed in by.
        url: where that is served.
        person: one of `PEOPLE`.
        options: of Playwright's `new_context`, such as `java_script_enabled` or `viewport`.
    """
    context = browser.new_context(base_url=url, **options)
    context.set_default_timeout(SECONDS * 1000)
    try:
        if person is not None:
            secret, _ = site.app.sessions.open(f"token:{token(person)}")
            context.add_cookies([{"name": COOKIE, "value": secret, "url": url, "httpOnly": True, "sameSite": "Lax"}])
        yield context
    finally:
        context.close()


@contextmanager
def visiting(browser: Browser, site: WebSite, url: str, person: str | None, **options: Any) -> Iterator[Page]:
    """The same with a page open."""
    with context_of(browser, site, url, person, **options) as context:
        yield context.new_page()
