"""`middlewatch mcp`."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from middlewatch.frontends.cli.operate import until_asked
from middlewatch.frontends.cli.terminal import print_line
from middlewatch.logs import log_to_stderr
from middlewatch.records import MCP
from middlewatch.records.errors import Misconfigured, Refused
from middlewatch.settings import Settings

if TYPE_CHECKING:
    from middlewatch.app import App


@click.command()
@click.option("--http", is_flag=True, help="Over HTTP, at /mcp, in place of standard input and output.")
@click.option("--host", help="The address to listen at, with --http; MIDDLEWATCH_HOST or 127.0.0.1 where left out.")
@click.option("--port", type=click.IntRange(0, 65535), help="The port, with --http; 0 for any free one.")
@click.option("--json", "as_json", is_flag=True, help="With --http: where it answers, as a line of JSON on standard output.")
def mcp(http: bool, host: str | None, port: int | None, as_json: bool) -> None:
    """Serve the Model Context Protocol, for assistants in an IDE or a terminal: investigate, read, query, propose.

    Without --http a client starts this command and speaks with it over standard input and output, where nothing else may be (so
    --json goes with --http alone); what there is to say is said on standard error. Whoever starts it is the person whose token is
    in MIDDLEWATCH_TOKEN, or the system's user. It works on tasks while it runs. It ends when the client closes its standard input,
    or on Ctrl-C or SIGTERM: what is being worked on is finished; a second one gives up at once.

    Nobody decides on an approval here unless policy says so of them. docs/mcp.md has the lines for each client.

    \b
    Examples:
      claude mcp add middlewatch -- middlewatch mcp
      middlewatch mcp --http --port 8322
    """
    if not http and (host is not None or port is not None):
        raise click.UsageError("--host and --port go with --http.")
    if as_json and not http:
        raise click.UsageError("--json goes with --http: without it standard output is the protocol's.")
    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = Settings.load().model_copy(update=given)
    log_to_stderr()
    if http:
        _over_http(settings, as_json=as_json)
    else:
        _over_stdio(settings)


def _over_stdio(settings: Settings) -> None:
    from middlewatch.app import open_app  # noqa: PLC0415  takes a second to import with what follows, and no --help needs it
    from middlewatch.frontends.mcp.over_stdio import serve  # noqa: PLC0415  likewise

    stop = until_asked()
    with open_app(settings) as app, app.working() as ended:
        identity = app.approvals.local_identity()
        print_line(f"middlewatch mcp: ready, as {_sign_in(app, identity)}", err=True)
        serve(app, identity, stopped=lambda: stop.is_set() or ended.is_set())


def _over_http(settings: Settings, *, as_json: bool) -> None:
    from middlewatch.app import open_app  # noqa: PLC0415  likewise
    from middlewatch.frontends.listening import listen, refuse_exposure  # noqa: PLC0415  likewise
    from middlewatch.frontends.mcp.access import resource_of  # noqa: PLC0415  likewise
    from middlewatch.frontends.mcp.over_http import own_token, serve  # noqa: PLC0415  likewise

    refuse_exposure(settings)
    stop = until_asked()
    taken, settings = listen(settings)
    with taken, open_app(settings) as app, app.working() as ended:
        own = own_token(settings)
        if as_json:
            listening = {"mcp": resource_of(settings), "mcp_token_file": str(own[1]) if own else None, "owner": app.owner}
            click.echo(json.dumps(listening))
            sys.stdout.flush()
        elif own is not None:
            print_line(f"your own token is in {own[1]}, for you and this machine alone", err=True)
        if not as_json:
            print_line(f"middlewatch mcp: listening at {resource_of(settings)}; Ctrl-C stops", err=True)
        serve(app, taken, stopped=lambda: stop.is_set() or ended.is_set())


def _sign_in(app: App, identity: str) -> str:
    """Who is at the other end, in words. Whom policy does not know may read."""
    try:
        person = app.approvals.identify(identity, face=MCP)
    except (Refused, Misconfigured) as error:
        return f"somebody who only reads ({error.message})"
    return person.id if person else "somebody who only reads (policy does not know who started this)"
