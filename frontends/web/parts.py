"""Sections of an investigation's page, as a page that is live fetches them: one, or those that changed in one answer.

When something happens, all who watch ask at once. Most sections say the same to everybody who may read: they are made once for all.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from middlewatch.app import App
from middlewatch.frontends.web.alerts import alerts_view
from middlewatch.frontends.web.audit import audit_view
from middlewatch.frontends.web.feedback import feedback_view
from middlewatch.frontends.web.handling import handling_view
from middlewatch.frontends.web.investigation import PARTS
from middlewatch.frontends.web.pages import View, fragment
from middlewatch.frontends.web.requests_view import remediation_view
from middlewatch.frontends.web.sharing import Shared
from middlewatch.frontends.web.visitors import Application, Id, SignedIn, Visitor
from middlewatch.live import Cursor
from middlewatch.records import Snapshot
from middlewatch.records.errors import BadInput, MiddlewatchError

LOG = logging.getLogger(__name__)

router = APIRouter(include_in_schema=False)

LONGEST_NAMES: Final = 200
"""Characters: all names together have fewer."""
AUDIT: Final = "audit"
_WRAPPED: Final = Markup('<hx-partial hx-target="#part-{}" hx-swap="innerMorph">{}</hx-partial>\n')
"""A section among others; htmx puts each into its place."""


@dataclass(frozen=True, slots=True)
class SharedParts:
    """Of a site: what all see alike."""

    snapshots: Shared[Snapshot] = field(default_factory=Shared)
    sections: Shared[str] = field(default_factory=Shared)


@dataclass(frozen=True, slots=True)
class Page:
    """An investigation before somebody."""

    request: Request
    app: App
    visitor: Visitor
    investigation: str
    place: Cursor

    @property
    def snapshot(self) -> Snapshot:
        found = _shared(self.request).snapshots
        return found.get(self.investigation, self.place, lambda: self.app.snapshot(self.investigation))

    def section(self, name: str) -> str:
        """One, as it is now.

        Raises:
            BadInput: there is none of this name.
        """
        if name in OWN:
            template, view = OWN[name]
            return fragment(template, {"csrf": self.visitor.csrf, "visitor": self.visitor, **view(self)})
        _check(name)
        return _shared(self.request).sections.get((self.investigation, name), self.place, lambda: self._alike(name))

    def _alike(self, name: str) -> str:
        """One that names nobody: a template that asked who looks at it would fail."""
        if name == AUDIT:
            return fragment("_audit.html", {"audit": audit_view(self.app, self.investigation)})
        view = PARTS[name](self.app, self.snapshot)
        return fragment(f"_{name}.html", {"full": True, "program": self.request.app.state.program, **view})


OWN: Final[Mapping[str, tuple[str, Callable[[Page], View]]]] = MappingProxyType(
    {
        "requests": (
            "_remediation.html",
            lambda page: remediation_view(page.app, page.visitor, page.snapshot),
        ),
        "handling": ("_handling.html", lambda page: {"handling": handling_view(page.app, page.visitor, page.investigation)}),
        "alerts": ("_alerts.html", lambda page: {"story": alerts_view(page.app, page.visitor, page.investigation)}),
        "feedback": ("_feedback.html", lambda page: {"feedback": feedback_view(page.app, page.visitor, page.investigation)}),
    }
)
"""Sections that say to each what they may do, in forms of their own session."""


@router.get("/investigations/{investigation}/parts")
def investigation_parts(
    request: Request,
    app: Application,
    visitor: SignedIn,
    investigation: Id,
    names: Annotated[str, Query(max_length=LONGEST_NAMES)],
) -> Response:
    """Several sections, as they are now; `names` with commas between them. One that cannot be made now is not among them."""
    sections = _sections(_page(request, app, visitor, investigation), list(dict.fromkeys(names.split(","))))
    return HTMLResponse("".join(_WRAPPED.format(name, Markup(text)) for name, text in sections))  # noqa: S704  made by templates


@router.get("/investigations/{investigation}/parts/{name}")
def investigation_part(request: Request, app: Application, visitor: SignedIn, investigation: Id, name: str) -> Response:
    """One section, as it is now."""
    return HTMLResponse(_page(request, app, visitor, investigation).section(name))


def _sections(page: Page, names: Sequence[str]) -> list[tuple[str, str]]:
    """Those that can be made, each with its name.

    Raises:
        BadInput: there is none of some name.
        Exception: what was wrong with the first one, where none can be made.
    """
    for name in names:
        _check(name)
    made, wrong = [], []
    for name in names:
        try:
            made.append((name, page.section(name)))
        except Exception as error:  # of whatever kind: it is no reason to keep the other sections from whoever watches
            LOG.warning("%s of %s: %s", name, page.investigation, error, exc_info=not isinstance(error, MiddlewatchError))
            wrong.append(error)
    if wrong and not made:
        raise wrong[0]
    return made


def _check(name: str) -> None:
    if name not in PARTS and name not in OWN and name != AUDIT:
        raise BadInput(f"A page has no part {name!r}.", remedy="Load the whole page.")


def _page(request: Request, app: App, visitor: Visitor, investigation: str) -> Page:
    known = _shared(request).snapshots.place(investigation)
    return Page(request, app, visitor, investigation, app.live.end(investigation, known or Cursor()))


def _shared(request: Request) -> SharedParts:
    found = request.app.state.shared
    assert isinstance(found, SharedParts)  # noqa: S101  `create_site` put it there
    return found
