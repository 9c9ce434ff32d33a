"""Prompts: how a person begins a conversation about an incident."""

from __future__ import annotations

from typing import Annotated, Any

from mcp.server.mcpserver import MCPServer
from pydantic import Field

from middlewatch.frontends.mcp.untrusted import NOTICE, Fence

Given = Annotated[str, Field(max_length=500)]
_RULES = f"""
{NOTICE} Cite evidence ids for what you claim, give every number its unit and its usual value, and say how sure the finding is.
If it is inconclusive, say that you do not know."""
_TRIAGE = """\
The service {service} is degraded.{noticed} Call investigate for it, and get_investigation until it is finished. Then tell me in at
most ten lines: which service caused it and why, how sure that is, the three strongest facts, which agent dissents and with what
reason (why), what was changed shortly before, whether it happened before (similar_incidents), and what I should do first. If an
action is asked for already, show_approval says what would run and where I decide: leave the decision to me."""
_EXPLAIN = """\
Read get_report and list_approvals for the investigation {investigation}, and write six sentences for a manager who knows no service
by name: what users noticed and since when, what caused it, how sure we are, what is being done and who decides on it, what is still
unknown, and when to look again. No jargon, no blame."""
_POST_MORTEM = """\
Read the resource middlewatch://investigations/{investigation}/post-mortem, and get_report and list_evidence for {investigation}.
Keep its measured parts as they are. Ask me, one question at a time, for what only people know: the impact on users, what was tried,
why it was not noticed earlier. Then write the post-mortem in Markdown, blameless, with follow-ups that have an owner and a date."""


def add_prompts(server: MCPServer[Any]) -> None:
    """Serve the prompts."""

    @server.prompt(title="Triage an incident")
    def triage(
        service: Annotated[Given, Field(description="the service that is degraded")],
        symptom: Annotated[Given, Field(description="what was noticed, in a few words")] = "",
    ) -> str:
        """Investigate a degraded service and say what to do first."""
        fence = Fence()
        noticed = f" What was noticed: {fence.text(symptom)}." if symptom else ""
        return _TRIAGE.format(service=fence.text(service), noticed=noticed) + _RULES

    @server.prompt(title="Explain to a manager")
    def explain_to_a_manager(investigation: Annotated[Given, Field(description="id of a finished investigation")]) -> str:
        """Say in plain words what happened, how sure that is, and what comes next."""
        return _EXPLAIN.format(investigation=Fence().text(investigation)) + _RULES

    @server.prompt(title="Write the post-mortem")
    def post_mortem(investigation: Annotated[Given, Field(description="id of a finished investigation")]) -> str:
        """Complete the post-mortem with the people who were there."""
        return _POST_MORTEM.format(investigation=Fence().text(investigation)) + _RULES
