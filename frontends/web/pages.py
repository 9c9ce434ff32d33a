"""Pages: templates, the words and numbers in them, and what every page shows at its top."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from middlewatch.app import App
from middlewatch.frontends import quantity
from middlewatch.frontends.quotation import Quotation
from middlewatch.frontends.web.static_files import address
from middlewatch.frontends.web.visitors import CSRF_FIELD, Visitor

View = Mapping[str, Any]
"""What a template is told."""

_WORDS = Quotation()


@cache
def environment() -> Environment:
    """Templates with everything escaped. An undefined name is an error and not a blank."""
    made = Environment(
        loader=PackageLoader("middlewatch.frontends.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals |= {"asset": address, "csrf_field": csrf_field, "CSRF_FIELD": CSRF_FIELD}
    made.filters |= {
        "clock": clock,
        "stamp": stamp,
        "duration": quantity.duration,
        "quantity": quantity.quantity,
        "number": quantity.number,
        "percent": quantity.percent,
        "capitalize_first": lambda text: text[:1].upper() + text[1:],  # Jinja's own lowers the rest: names too
        "plain": _WORDS.clean,
        "named": _WORDS.named,
        "quoted": _WORDS.quoted,
        "line": _WORDS.line,
    }
    return made


def render(request: Request, template: str, *, status: int = 200, **context: object) -> HTMLResponse:
    """A page for whoever asks.

    Args:
        request: whose visitor, where there is one, `signed_in` has found.
        template: its file's name.
        status: of the answer.
        context: what the template shows. `page` names the entry of the navigation that is current.
    """
    app: App = request.app.state.app
    visitor: Visitor | None = getattr(request.state, "visitor", None)
    shown: dict[str, object] = {
        "page": "",
        "visitor": visitor,
        "csrf": visitor.csrf if visitor else "",
        "halt": app.approvals.halted() if visitor else None,
        "now": app.approvals.now() if visitor else datetime.now(UTC),
        "policy": app.settings.policy_path.exists(),
        "program": request.app.state.program,
    }
    return HTMLResponse(fragment(template, shown | context), status_code=status)


def fragment(template: str, context: Mapping[str, object]) -> str:
    """A template with nothing in it but what is given: where that says nothing of who asks, all may be shown the same."""
    return environment().get_template(template).render(context)


def csrf_field(csrf: str) -> Markup:
    """What every form that changes something holds."""
    return Markup('<input type="hidden" name="{}" value="{}">').format(CSRF_FIELD, csrf)


def clock(moment: datetime, day: date | None = None) -> Markup:
    """A time of day in UTC, with its date where it is not the given day; the exact time is in the element."""
    words = quantity.clock(moment, day or moment.date())
    return Markup('<time datetime="{}">{}</time>').format(_exact(moment), words)


def stamp(moment: datetime) -> Markup:
    """A date and a time of day in UTC, likewise."""
    return Markup('<time datetime="{}">{}</time>').format(_exact(moment), quantity.stamp(moment))


def _exact(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
