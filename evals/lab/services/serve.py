"""Runs one instance of one service: `python -m middlewatch.evals.lab.services.serve <service> ...`.

It takes a free loopback port, says which in the run folder, and ends when it is told to or when the process that started it
is gone (its standard input closes), so that no service outlives its run.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import socket
import sqlite3
import sys
import threading
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Protocol

import redis
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from middlewatch.evals.lab import telemetry
from middlewatch.evals.lab.run_folder import RunFolder
from middlewatch.evals.lab.services.bank import Bank
from middlewatch.evals.lab.services.cart import Cart
from middlewatch.evals.lab.services.catalogue import Catalogue
from middlewatch.evals.lab.services.checkout import Checkout
from middlewatch.evals.lab.services.client import UpstreamError
from middlewatch.evals.lab.services.database import PoolTimeout
from middlewatch.evals.lab.services.gateway import Gateway
from middlewatch.evals.lab.services.inventory import Inventory
from middlewatch.evals.lab.services.notifications import Notifications
from middlewatch.evals.lab.services.payment import Payment

_DRAIN_SECONDS = 10

_logger = logging.getLogger(__name__)


class _Service(Protocol):
    def routes(self) -> list[BaseRoute]: ...

    def close(self) -> None: ...


class _ServiceFactory(Protocol):
    def __call__(self, folder: RunFolder, version: str) -> _Service: ...


_SERVICES: Mapping[str, _ServiceFactory] = {
    "gateway": Gateway,
    "catalogue": Catalogue,
    "cart": Cart,
    "checkout": Checkout,
    "payment": Payment,
    "inventory": Inventory,
    "notifications": Notifications,
    "bank": Bank,
}

_FAILURES = {UpstreamError: 502, PoolTimeout: 503, sqlite3.OperationalError: 503, redis.RedisError: 503}
"""Failures that a service expects of what it depends on, and the status that it answers with."""


def main() -> None:
    """Serve until told to stop."""
    arguments = _arguments()
    folder = RunFolder(arguments.folder)
    origin = telemetry.Origin(arguments.service, arguments.version, arguments.instance, arguments.restarts)
    close = _silence
    if arguments.service != "bank":  # somebody else's
        close = telemetry.configure(
            folder, origin, metrics_interval_seconds=arguments.metrics_interval_seconds, endpoint=arguments.otlp
        )
    try:
        _logger.info("%s %s starts", arguments.service, arguments.version)
        with closing(_SERVICES[arguments.service](folder, arguments.version)) as service:
            _serve(service, folder.port(arguments.instance), folder)
    finally:
        close()


def _serve(service: _Service, port_file: Path, folder: RunFolder) -> None:
    app = Starlette(
        routes=[*service.routes(), Route("/health", _health)],
        exception_handlers=dict.fromkeys(_FAILURES, _failed),
    )
    server = uvicorn.Server(
        uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=_DRAIN_SECONDS, lifespan="off")
    )
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(("127.0.0.1", 0))
    folder.replace(port_file, str(listener.getsockname()[1]))
    _stop_with_parent()
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises the signal again when it has shut down; then there is still telemetry to write
        signal.signal(number, signal.SIG_IGN)
    server.run(sockets=[listener])


def _silence() -> None:
    """Nothing was exported."""


def _health(request: Request) -> Response:
    del request
    return JSONResponse({"status": "ok"})


def _failed(request: Request, error: Exception) -> Response:
    _logger.error("%s %s failed: %s", request.method, request.url.path, error)
    status = next(status for kind, status in _FAILURES.items() if isinstance(error, kind))
    return JSONResponse({"error": type(error).__name__}, status_code=status)


def _stop_with_parent() -> None:
    def watch() -> None:
        sys.stdin.buffer.read()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("service", choices=sorted(_SERVICES))
    parser.add_argument("--version", required=True)
    parser.add_argument("--instance", required=True)
    parser.add_argument("--folder", required=True, type=Path)
    parser.add_argument("--metrics-interval-seconds", required=True, type=float)
    parser.add_argument("--restarts", default=0, type=int, help="how often this instance was started again")
    parser.add_argument("--otlp", default="", help="where telemetry goes; into files of the folder where it is empty")
    return parser.parse_args()


if __name__ == "__main__":
    main()
