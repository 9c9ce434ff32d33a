"""`middlewatch otlp`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from middlewatch.frontends.cli.operate import until_asked
from middlewatch.frontends.cli.output import json_option, print_line_of
from middlewatch.frontends.cli.terminal import print_line
from middlewatch.logs import log_to_stderr
from middlewatch.settings import Settings

if TYPE_CHECKING:
    from middlewatch.frontends.otlp.receiver import Receiving

COLUMN_BYTES = 4 * 1024 * 1024
"""What a column of a large request takes. Chosen: decoding takes a fifth less time, and the process 20 MB more."""


@click.command()
@click.option("--host", help="The address to listen at; MIDDLEWATCH_OTLP_HOST or 127.0.0.1 where left out.")
@click.option("--http-port", type=click.IntRange(0, 65535), help="The port of OTLP over HTTP; 4318 where left out; 0 for any.")
@click.option("--grpc-port", type=click.IntRange(0, 65535), help="The port of OTLP over gRPC; 4317 where left out; 0 for any.")
@json_option
def otlp(host: str | None, http_port: int | None, grpc_port: int | None, as_json: bool) -> None:
    """Take traces, metrics and logs in from OpenTelemetry SDKs and Collectors, over OTLP.

    `middlewatch serve` runs this beside itself; run it by itself to take telemetry in on other machines or in other processes. It
    answers once what was sent is stored. Off loopback senders need a token: docs/otlp.md.

    Ctrl-C or SIGTERM stores what was taken; a second one gives up at once, and senders send again what was not acknowledged.

    \b
    Examples:
      middlewatch otlp
      OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 OTEL_SERVICE_NAME=shop opentelemetry-instrument ./shop
      middlewatch otlp --http-port 0 --grpc-port 0 --json
    """
    from middlewatch.frontends.allocator import hold_together  # noqa: PLC0415  only commands that serve need it

    hold_together(COLUMN_BYTES)  # before what follows has threads
    from middlewatch.frontends.otlp.receiver import receive  # noqa: PLC0415  takes a second to import, and no --help needs it

    given = {"otlp_host": host, "otlp_http_port": http_port, "otlp_grpc_port": grpc_port}
    settings = Settings.load().model_copy(update={name: value for name, value in given.items() if value is not None})
    log_to_stderr()
    stop = until_asked()
    receive(settings, stopped=stop.is_set, told=print_line_of if as_json else tell)


def tell(receiving: Receiving) -> None:
    """For people."""
    print_line(f"middlewatch otlp: HTTP at {receiving.http}, gRPC at {receiving.grpc}; into {receiving.store}")
    print_line("with a token" if receiving.token else "without a token, from this machine alone")
    print_line("Ctrl-C stops")
    sys.stdout.flush()
