"""axe-core on a page in the browser: the rules of WCAG 2.2 A and AA, and its best practices, light and dark."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
"""4.14.1, as it is published, under the Mozilla Public License 2.0 (`axe-core-LICENSE.txt` beside it)."""
COLOURS = ("color-contrast",)
"""What differs between light and dark; the rest is of the page and is looked at once."""


@cache
def _source() -> str:
    return AXE.read_text(encoding="utf-8")


def violations(page: Page) -> list[str]:
    """What is wrong with the page as it is, in light and in dark: one line for each element."""
    page.evaluate(_source() + ";0")  # by the debugger: the site's policy lets no other script in
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    found = _run(page, "light", {})
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    return found + _run(page, "dark", {"runOnly": {"type": "rule", "values": [*COLOURS]}})


def _run(page: Page, scheme: str, options: dict[str, Any]) -> list[str]:
    options = {"resultTypes": ["violations"], "elementRef": False} | options
    found = page.evaluate("options => axe.run(document, options).then(found => found.violations)", options)
    return [f"{scheme}: {rule['id']}: {node['html'][:200]} {node['failureSummary']}" for rule in found for node in rule["nodes"]]
