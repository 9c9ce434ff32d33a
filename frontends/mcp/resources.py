"""Resources: what a person attaches to a conversation by its address."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import anyio.to_thread
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError
from mcp_types import Completion, CompletionArgument, CompletionContext, PromptReference, ResourceTemplateReference
from pydantic import BaseModel

from middlewatch.frontends.mcp.untrusted import NOTICE, Fence
from middlewatch.frontends.post_mortem import post_mortem_of
from middlewatch.records.errors import BadInput, MiddlewatchError

if TYPE_CHECKING:
    from middlewatch.app import App
    from middlewatch.frontends.mcp.deciding import Deciding
    from middlewatch.frontends.mcp.investigating import Investigating

LISTED = 50
COMPLETED = 20
"""Ids that are offered while somebody types one."""
_JSON, _MARKDOWN = "application/json", "text/markdown"


def add_resources(server: MCPServer[Any], app: App, investigating: Investigating, deciding: Deciding) -> None:
    """Serve investigations, facts, post-mortems and approval requests by their addresses, and complete their ids."""

    @server.resource("middlewatch://investigations", title="Investigations", mime_type=_JSON)
    def investigations() -> str:
        """The newest investigations, each with its answer if it has one."""
        with _in_words():
            return _text(investigating.list_investigations(limit=LISTED))

    @server.resource("middlewatch://investigations/{investigation}", title="Report of an investigation", mime_type=_JSON)
    def report(investigation: str) -> str:
        """The report of an investigation; while it runs, how it stands."""
        with _in_words():
            return _text(investigating.told(investigation))

    @server.resource("middlewatch://investigations/{investigation}/evidence/{evidence}", title="One fact", mime_type=_JSON)
    def fact(investigation: str, evidence: str) -> str:
        """One fact whole, with its query and samples."""
        with _in_words():
            return _text(investigating.get_evidence(investigation=investigation, evidence=evidence))

    @server.resource("middlewatch://investigations/{investigation}/post-mortem", title="Post-mortem", mime_type=_MARKDOWN)
    def post_mortem(investigation: str) -> str:
        """The beginning of a post-mortem: what was measured is filled in, what only people know is left blank."""
        with _in_words():
            written = post_mortem_of(app, investigation)
            return f"{NOTICE}\n\n{Fence().pages(written)}\n"

    @server.resource("middlewatch://approvals/{request}", title="Approval request", mime_type=_JSON)
    def approval(request: str, ctx: Context[Any, Any]) -> str:
        """What exactly would run, its risk, who decides, until when, and where."""
        with _in_words():
            return _text(deciding.show_approval(ctx, request=request))

    @server.completion()  # type: ignore[no-untyped-call, untyped-decorator]  # the library has no types for it
    async def complete(
        _ref: PromptReference | ResourceTemplateReference, argument: CompletionArgument, context: CompletionContext | None
    ) -> Completion | None:
        before = (context.arguments if context else None) or {}
        ids = await anyio.to_thread.run_sync(_ids, app, argument.name, before.get("investigation", ""))
        fitting = [one for one in ids if one.startswith(argument.value)]
        return Completion(values=fitting[:COMPLETED], total=len(fitting), has_more=len(fitting) > COMPLETED)


def _ids(app: App, name: str, investigation: str) -> list[str]:
    """Ids that an argument of this name can be."""
    try:
        match name:
            case "investigation":
                return [row.id for row in app.investigations(limit=LISTED)]
            case "request":
                return [row.id for row in app.approvals.list(limit=LISTED)]
            case "evidence" if investigation:
                return [fact.id for fact in app.snapshot(investigation).evidence]
    except MiddlewatchError:
        pass  # nothing is offered where nothing is known
    return []


def _text(record: BaseModel) -> str:
    """A record as a document."""
    return json.dumps({"notice": NOTICE, **Fence().record(record)}, ensure_ascii=False, indent=1)


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except BadInput as error:
        raise ResourceNotFoundError(Fence().error(error)) from error
    except MiddlewatchError as error:
        raise ResourceError(Fence().error(error)) from error
