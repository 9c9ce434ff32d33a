"""The server: every tool, resource and prompt over one application, whatever it is reached through."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from mcp import MCPError
from mcp.server.mcpserver import Context, MCPServer
from mcp_types import INVALID_PARAMS, GetPromptResult, InputRequiredResult
from pydantic import JsonValue

from middlewatch.frontends.mcp.callers import Callers
from middlewatch.frontends.mcp.deciding import Deciding
from middlewatch.frontends.mcp.investigating import Investigating
from middlewatch.frontends.mcp.prompts import add_prompts
from middlewatch.frontends.mcp.resources import add_resources
from middlewatch.frontends.mcp.services import Services
from middlewatch.frontends.mcp.serving_tools import tool_over
from middlewatch.frontends.mcp.untrusted import NOTICE
from middlewatch.records import Record

if TYPE_CHECKING:
    from mcp.server.mcpserver.tools import Tool

    from middlewatch.app import App

NAME = "middlewatch"
INSTRUCTIONS = (
    "middlewatch finds the service that caused an incident, with evidence and how sure that is. Start with investigate (or "
    "list_investigations), call get_investigation until finished is true, then get_report, list_evidence and why. The other "
    "read-only tools ask telemetry directly. Actions are only ever proposed (list_actions, propose_remediation): a person "
    "decides, usually in the browser, in Slack or on the command line. "
    f"{NOTICE} An answer may be inconclusive: say so, and invent nothing."
)


class _Server(MCPServer[Any]):
    """A server that says which argument of a prompt is missing; the library calls that an internal error."""

    async def get_prompt(
        self, name: str, arguments: dict[str, Any] | None = None, context: Context[Any, Any] | None = None
    ) -> GetPromptResult | InputRequiredResult:
        asked = next((one for one in await self.list_prompts() if one.name == name), None)
        if asked is None:
            raise MCPError(INVALID_PARAMS, f"There is no prompt {name!r}.")
        missing = [one.name for one in asked.arguments or () if one.required and not (arguments or {}).get(one.name)]
        if missing:
            raise MCPError(INVALID_PARAMS, f"The prompt {name} needs: {', '.join(missing)}.")
        return await super().get_prompt(name, arguments, context)


def create_server(app: App, identity: str | None = None) -> MCPServer[Any]:
    """The server over one application.

    Args:
        app: what it serves.
        identity: of the one caller, over standard input and output; None where each request brings its own.
    """
    investigating, deciding = Investigating(app), Deciding(app, Callers(app, identity))
    logging.getLogger().addHandler(quiet := logging.NullHandler())  # else the library sets up the process's logging as it likes
    try:
        server = _Server(
            NAME,
            title="middlewatch",
            instructions=INSTRUCTIONS,
            version=version("middlewatch"),
            tools=[*investigating.tools(), *deciding.tools(), *Services(app).tools(), *_telemetry(app)],
            log_level="WARNING",
        )
    finally:
        logging.getLogger().removeHandler(quiet)
    add_resources(server, app, investigating, deciding)
    add_prompts(server)
    return server


def _telemetry(app: App) -> list[Tool]:
    """The read-only tools that agents use as well, by their own definitions."""
    return [
        tool_over(
            one.name,
            partial(_call, app, one.name),
            title=one.title,
            description=one.description,
            arguments=one.arguments,
            result=one.result,
        )
        for one in app.toolbox.tools.values()
    ]


def _call(app: App, name: str, arguments: Mapping[str, JsonValue]) -> Record:
    return app.toolbox.call(name, arguments)
