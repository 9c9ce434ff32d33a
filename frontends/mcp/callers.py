"""Who is at the other end, by policy as it is now, and where people find the pages of what a tool tells of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcp.server.mcpserver import Context

from middlewatch.announcing import addresses
from middlewatch.frontends.program import program
from middlewatch.records import Principal

if TYPE_CHECKING:
    from middlewatch.app import App

PRINCIPAL_KEY = "middlewatch.principal"
"""Under which a request's scope has the principal's id; empty for somebody who only reads."""


class Callers:
    """The callers of one server."""

    def __init__(self, app: App, identity: str | None = None) -> None:
        """Of many callers, or of one.

        Args:
            app: whose policy.
            identity: of the one that there is, over standard input and output; None where each request brings its own.
        """
        self._app = app
        self._identity = identity

    def principal(self, context: Context[Any, Any]) -> Principal | None:
        """Who calls, as policy has them now; None for somebody whom it does not know.

        Raises:
            Refused: there is no policy, so that nothing can be decided.
            Misconfigured: it has a mistake.
        """
        if self._identity is not None:
            return self._app.approvals.recognise(self._identity)
        request = context.request_context.request
        named = request.scope.get(PRINCIPAL_KEY, "") if request else ""
        return next((one for one in self._app.approvals.people() if one.id == named), None)


def page(app: App, *parts: str) -> str:
    """The address of a page for people: where the settings say that `serve` is reached, else where one answers on this machine.

    Empty where there is neither.
    """
    public = app.settings.public_url
    base = str(public).rstrip("/") if public else next(iter(addresses(app.settings.data_dir)), "")
    return "/".join([base, *parts]) if base else ""


def command(app: App, *words: str) -> str:
    """A command for people to run: on the same data, from any folder of this machine; of a server elsewhere it says no path."""
    return " ".join([*(program(from_anywhere=True) if app.settings.public_url is None else ("middlewatch",)), *words])
