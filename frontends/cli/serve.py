"""`middlewatch serve` and `middlewatch sign-in`."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from middlewatch.frontends.cli.operate import until_asked
from middlewatch.frontends.cli.output import application, json_option, print_line_of
from middlewatch.frontends.cli.terminal import print_line
from middlewatch.frontends.program import pasteable
from middlewatch.logs import log_to_stderr
from middlewatch.records.errors import Unavailable
from middlewatch.records.loopback import is_loopback
from middlewatch.settings import Settings

if TYPE_CHECKING:
    from middlewatch.frontends.serving import Served

SLACK = {"http": "Slack delivers to /slack/events", "socket": "Slack by Socket Mode"}


@click.command()
@click.option("--host", help="The address to listen at; MIDDLEWATCH_HOST or 127.0.0.1 where left out.")
@click.option("--port", type=click.IntRange(0, 65535), help="The port; MIDDLEWATCH_PORT or 8321 where left out; 0 for any.")
@click.option("--no-work", is_flag=True, help="Work on no tasks here; workers of their own do.")
@click.option("--no-slack", is_flag=True, help="Leave Slack out, also where it is configured.")
@click.option("--no-mcp", is_flag=True, help="Leave MCP at /mcp out.")
@click.option("--no-otlp", is_flag=True, help="Take no telemetry in over OTLP.")
@json_option
def serve(host: str | None, port: int | None, no_work: bool, no_slack: bool, no_mcp: bool, no_otlp: bool, as_json: bool) -> None:
    """Serve all faces in one process: the web with its JSON API, Slack where it is configured, MCP at /mcp; and work on tasks.

    Beside it, in a process of its own, `middlewatch otlp` takes telemetry in.

    Embedded and on loopback it prints a link that signs you in once, within ten minutes. Others sign in with tokens
    (`middlewatch policy token NAME`) or at an OpenID provider. To be reached from other machines it needs a policy and
    MIDDLEWATCH_PUBLIC_URL; put a reverse proxy with TLS before it: docs/web.md.

    Ctrl-C or SIGTERM lets what is being worked on finish; a second one gives up at once. Nothing is lost either way.

    \b
    Examples:
      middlewatch serve
      middlewatch serve --port 0 --json
      MIDDLEWATCH_PUBLIC_URL=https://middlewatch.example.com middlewatch serve --host 0.0.0.0
    """
    from middlewatch.frontends.allocator import hold_together  # noqa: PLC0415  only this command needs it

    hold_together()  # before what follows has threads
    from middlewatch.app import open_app  # noqa: PLC0415  takes seconds to import with what follows, and no --help needs it
    from middlewatch.frontends.listening import listen, refuse_exposure  # noqa: PLC0415  likewise
    from middlewatch.frontends.serving import Faces, serve  # noqa: PLC0415  likewise

    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = Settings.load().model_copy(update=given)
    refuse_exposure(settings)
    log_to_stderr()
    stop = until_asked()
    taken, settings = listen(settings)
    with taken, open_app(settings) as app:
        if not is_loopback(settings.host):
            app.approvals.people()  # a policy with a mistake would let nobody in
        faces = Faces(work=not no_work, slack=not no_slack, mcp=not no_mcp, otlp=not no_otlp)
        told = print_line_of if as_json else tell
        serve(app, taken, faces, stopped=stop.is_set, told=told, finishing=lambda: print_line("finishing what is begun", err=True))


@click.command("sign-in")
@json_option
def sign_in(as_json: bool) -> None:
    """Print a link that signs you in once at the `middlewatch serve` that runs on this data directory, within ten minutes.

    It is for the system's user on this machine. Others sign in with tokens, or at an OpenID provider.

    \b
    Example:
      middlewatch sign-in
    """
    from middlewatch.announcing import addresses  # noqa: PLC0415  no --help needs it

    settings = Settings.load()
    served = addresses(settings.data_dir)
    if not served:
        raise Unavailable(
            f"Nothing serves {settings.data_dir} on loopback now, so there is nothing that a link would open.",
            remedy="Start it: middlewatch serve. Off loopback people sign in with tokens: middlewatch policy token NAME",
        )
    from middlewatch.frontends.serving import link  # noqa: PLC0415  takes seconds to import, and no --help needs it

    with application() as app:
        found = link(app, served[0])
    click.echo(json.dumps({"sign_in": found}) if as_json else found)


def tell(served: Served) -> None:
    """For people."""
    print_line(f"middlewatch serve: listening at {served.url} ({'owner of the data directory' if served.owner else 'attached'})")
    if served.sign_in:
        print_line(f"sign in once, within 10 min: {served.sign_in}")
    mcp = f"MCP at {served.mcp}" if served.mcp else ""
    mcp += f"; a token of yours for it is in {served.mcp_token_file}" if served.mcp_token_file else ""
    otlp = f"telemetry is taken in over OTLP: HTTP at {served.otlp}, gRPC at {served.otlp_grpc}" if served.otlp else ""
    for line in (mcp, SLACK.get(served.slack or "", ""), otlp, "" if served.working else "no tasks are worked on here"):
        if line:
            print_line(line)
    for notice in served.notices:
        print_line(f"notice: {pasteable(notice)}", err=True)
    print_line("Ctrl-C stops")
    sys.stdout.flush()
