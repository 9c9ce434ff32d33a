"""The serving side of HTTP: a route whose requests are traced and measured."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import cache

from opentelemetry import context, metrics, trace
from opentelemetry.metrics import Histogram, UpDownCounter
from opentelemetry.propagate import extract
from opentelemetry.trace import SpanKind, StatusCode
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from middlewatch.evals.lab.services.correlation import described as correlated

_SERVER_ERROR = 500

_logger = logging.getLogger(__name__)


def route(path: str, endpoint: Callable[[Request], Response], *, method: str = "GET") -> Route:
    """A route with telemetry. ``endpoint`` is synchronous and runs on a thread."""
    return Route(path, endpoint, methods=[method], middleware=[Middleware(_Observed, path=path)])


@cache
def _instruments() -> tuple[Histogram, UpDownCounter]:
    meter = metrics.get_meter(__name__)
    return (
        meter.create_histogram("http.server.request.duration", unit="s"),
        meter.create_up_down_counter("http.server.active_requests", unit="{request}"),
    )


class _Observed:
    """ASGI middleware: the caller's trace goes on in a server span, and the request's duration is recorded."""

    def __init__(self, app: ASGIApp, path: str) -> None:
        self._app = app
        self._path = path
        self._tracer = trace.get_tracer(__name__)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        duration, active = _instruments()
        method: str = scope["method"]
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        request = {"http.request.method": method, "url.scheme": "http"}
        status = _SERVER_ERROR

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        active.add(1, request)
        token = context.attach(extract(headers))  # its baggage, too
        started = time.perf_counter()
        described: dict[str, str | int] = {**request, "http.route": self._path}
        try:
            with self._tracer.start_as_current_span(
                f"{method} {self._path}", kind=SpanKind.SERVER, attributes={**described, **correlated()}
            ) as span:
                try:
                    await self._app(scope, receive, watch)
                except Exception as error:  # a defect: caught here, so that its stack trace is logged in the request's span
                    _logger.exception("%s %s failed", method, scope["path"])
                    span.record_exception(error)
                    await JSONResponse({"error": type(error).__name__}, status_code=_SERVER_ERROR)(scope, receive, watch)
                span.set_attribute("http.response.status_code", status)
                if status >= _SERVER_ERROR:
                    span.set_status(StatusCode.ERROR)
        finally:
            context.detach(token)
            active.add(-1, request)
            described["http.response.status_code"] = status
            if status >= _SERVER_ERROR:
                described["error.type"] = str(status)
            duration.record(time.perf_counter() - started, described)
