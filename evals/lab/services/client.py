"""The calling side of HTTP: requests to the shop's other services, traced and measured, with the trace in their headers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx
from opentelemetry import metrics, trace
from opentelemetry.propagate import inject
from opentelemetry.trace import SpanKind, StatusCode

from middlewatch.evals.lab.discovery import DiscoveringTransport
from middlewatch.evals.lab.run_folder import RunFolder

TIMEOUT_SECONDS = 3.0
_FIRST_ERROR_STATUS = 400


class UpstreamError(Exception):
    """Another service answered with an error, too late, or not at all."""


class ServiceClient:
    """Calls the shop's other services by name."""

    def __init__(self, folder: RunFolder, *, timeout_seconds: Callable[[], float] = lambda: TIMEOUT_SECONDS) -> None:
        self._http = httpx.Client(transport=DiscoveringTransport(folder), trust_env=False)
        self._timeout_seconds = timeout_seconds
        self._tracer = trace.get_tracer(__name__)
        self._duration = metrics.get_meter(__name__).create_histogram("http.client.request.duration", unit="s")

    def close(self) -> None:
        self._http.close()

    def call(
        self,
        method: str,
        service: str,
        template: str,
        *,
        path: Mapping[str, object] | None = None,
        query: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 -- the callee's JSON
        """Call ``service`` and return its JSON.

        Args:
            method: the HTTP method.
            service: the callee's name.
            template: the path with its parameters in braces, as the callee declares it.
            path: the parameters' values.
            query: the query string's parameters.

        Raises:
            UpstreamError: no answer in time, or one that is not a success.
        """
        described: dict[str, str | int] = {"http.request.method": method, "server.address": service, "url.template": template}
        started = time.perf_counter()
        with self._tracer.start_as_current_span(f"{method} {template}", kind=SpanKind.CLIENT, attributes=described) as span:
            headers: dict[str, str] = {}
            inject(headers)
            failure = ""
            try:
                url = f"http://{service}{template.format(**(path or {}))}"
                response = self._http.request(method, url, params=query, headers=headers, timeout=self._timeout_seconds())
                described["http.response.status_code"] = response.status_code
                if response.status_code >= _FIRST_ERROR_STATUS:
                    failure = str(response.status_code)
            except httpx.TransportError as error:
                failure = type(error).__name__
            if failure:
                described["error.type"] = failure
                span.set_status(StatusCode.ERROR, failure)
            span.set_attributes(described)
            self._duration.record(time.perf_counter() - started, described)
            if failure:
                raise UpstreamError(f"{method} {template} of {service} failed: {failure}")
            return response.json()
