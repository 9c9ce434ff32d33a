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
from middlewatch.evals.lab.services.correlation import described

TIMEOUT_SECONDS = 3.0
_FIRST_ERROR_STATUS = 400


class UpstreamError(Exception):
    """Another service answered with an error, too late, or not at all."""


class ServiceClient:
    """Calls the shop's other services by name."""

    def __init__(
        self,
        folder: RunFolder,
        *,
        timeout_seconds: Callable[[], float] = lambda: TIMEOUT_SECONDS,
        retries: Callable[[], int] = lambda: 0,
    ) -> None:
        """Each time is a setting that may change.

        Args:
            folder: where the services' addresses are.
            timeout_seconds: of one attempt.
            retries: how often a call that failed is tried again, at once.
        """
        self._http = httpx.Client(transport=DiscoveringTransport(folder), trust_env=False)
        self._timeout_seconds = timeout_seconds
        self._retries = retries
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
        headers: Mapping[str, str] | None = None,
    ) -> Any:  # noqa: ANN401 -- the callee's JSON
        """Call ``service`` and return its JSON.

        Args:
            method: the HTTP method.
            service: the callee's name.
            template: the path with its parameters in braces, as the callee declares it.
            path: the parameters' values.
            query: the query string's parameters.
            headers: what is sent beside the trace.

        Raises:
            UpstreamError: no answer in time, or one that is not a success.
        """
        url = f"http://{service}{template.format(**(path or {}))}"
        failure = ""
        for attempt in range(1 + self._retries()):
            response, failure = self._attempt(attempt, method, service, template, url, query, headers or {})
            if response is not None:
                return response.json()
        raise UpstreamError(f"{method} {template} of {service} failed: {failure}")

    def _attempt(  # noqa: PLR0913, PLR0917 -- what one request is made of
        self,
        attempt: int,
        method: str,
        service: str,
        template: str,
        url: str,
        query: Mapping[str, Any] | None,
        given: Mapping[str, str],
    ) -> tuple[httpx.Response | None, str]:
        """The answer, or why there is none."""
        known: dict[str, str | int] = {"http.request.method": method, "server.address": service, "url.template": template}
        started = time.perf_counter()
        with self._tracer.start_as_current_span(
            f"{method} {template}", kind=SpanKind.CLIENT, attributes={**known, **described()}
        ) as span:
            if attempt:
                span.set_attribute("http.request.resend_count", attempt)
            headers = dict(given)
            inject(headers)
            failure, response = "", None
            try:
                response = self._http.request(method, url, params=query, headers=headers, timeout=self._timeout_seconds())
                known["http.response.status_code"] = response.status_code
                if response.status_code >= _FIRST_ERROR_STATUS:
                    failure = str(response.status_code)
            except httpx.TransportError as error:
                failure = type(error).__name__
            if failure:
                known["error.type"] = failure
                span.set_status(StatusCode.ERROR, failure)
            span.set_attributes(known)
            self._duration.record(time.perf_counter() - started, known)
            return (None if failure else response), failure
