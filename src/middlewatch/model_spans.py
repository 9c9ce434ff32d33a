"""The calls of language models as OpenTelemetry spans, so that the system's own runs can be read in any trace viewer.

Of every investigation in which models worked, when its report is written or it is cancelled: one span for the investigation, one
for each agent, one for each call, by the conventions for generative AI (https://opentelemetry.io/docs/specs/semconv/gen-ai/). Ids
follow from those of the investigation and its calls: what is told twice is the same trace. Nothing of what was asked or answered
is in a span.
"""

from __future__ import annotations

import atexit
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Final, Protocol

from middlewatch import __version__
from middlewatch.context_store.model_calls import ModelCalls
from middlewatch.records import CallOutcome, Investigation, InvestigationState, ModelCall, digest_of
from middlewatch.records.errors import Misconfigured
from middlewatch.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace.export import SpanExporter

    from middlewatch.app import App

TIMEOUT_SECONDS: Final = 5.0
"""Of an export with all its attempts: whoever waits at the end of the process waits no longer. Chosen."""
PATH: Final = "/v1/traces"
SCOPE: Final = "middlewatch.language_model"

Attributes = Mapping[str, str | int | float]


class ModelSpans(Protocol):
    """Tells of what models did."""

    def tell(self, tenant: str, investigation: str, calls: Sequence[ModelCall]) -> None:
        """Of the calls of an investigation, without waiting; nothing where there are none."""
        ...


class Silent:
    """Where no endpoint is configured."""

    def tell(self, tenant: str, investigation: str, calls: Sequence[ModelCall]) -> None:
        """See `ModelSpans.tell`."""


def cancelled(app: App, investigation: str) -> Investigation:
    """Cancel an investigation, and tell of what models did until then. What is in flight is told by nobody.

    Raises:
        BadInput: it is closed already.
        UnknownInvestigation: there is none.
    """
    was = app.kept.investigation(investigation)
    found = app.kept.cancel(investigation)
    if app.settings.otel_endpoint is not None and was.models and was.state is InvestigationState.OPEN:
        spans_of(app.settings).tell(found.tenant, found.id, ModelCalls(app.store.server, found.tenant).of(found.id))
    return found


@cache
def _opened(endpoint: str | None, headers: str) -> ModelSpans:
    return open_spans(endpoint, headers)


def spans_of(settings: Settings) -> ModelSpans:
    """As the settings want them; the same ones for all of a process.

    Raises:
        Misconfigured: an endpoint is named, and nothing can be sent to it.
    """
    endpoint, headers = settings.otel_endpoint, settings.otel_headers
    return _opened(str(endpoint) if endpoint else None, headers.get_secret_value() if headers else "")


def open_spans(endpoint: str | None, headers: str) -> ModelSpans:
    """Spans that go to an endpoint over OTLP/HTTP; nothing is sent where none is configured.

    Args:
        endpoint: as in `https://collector.example:4318`; `/v1/traces` is added where it has no path.
        headers: to send with each request, as in `name=value,name=value`.

    Raises:
        Misconfigured: the library is not installed, or the headers cannot be understood.
    """
    if endpoint is None:
        return Silent()
    sent = _headers(headers)
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415  an extra
    except ImportError:
        raise Misconfigured(
            "MIDDLEWATCH_OTEL_ENDPOINT is set, and the OpenTelemetry library is not installed.",
            remedy="Install middlewatch[tracing], or unset it.",
        ) from None
    base = endpoint.rstrip("/")
    address = base if "/" in base.partition("://")[2] else base + PATH
    return Exported(OTLPSpanExporter(endpoint=address, headers=sent, timeout=TIMEOUT_SECONDS))


class Exported:
    """Spans that are handed to an exporter, in the background."""

    def __init__(self, exporter: SpanExporter) -> None:
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415  an extra
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415  likewise
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415  likewise
        from opentelemetry.sdk.trace.id_generator import IdGenerator  # noqa: PLC0415  likewise
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON  # noqa: PLC0415  likewise

        self._lock = threading.Lock()
        self._trace, self._span = "", ""
        mine = self

        class Ids(IdGenerator):
            """What the next span is of, as numbers."""

            def generate_trace_id(self) -> int:
                return int(digest_of(mine._trace)[:32], 16)

            def generate_span_id(self) -> int:
                return int(digest_of(mine._trace, mine._span)[:16], 16)

        self._provider = TracerProvider(
            sampler=ALWAYS_ON,
            resource=Resource({"service.name": "middlewatch", "service.version": __version__}),
            id_generator=Ids(),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer(SCOPE, __version__)
        atexit.register(self.close)

    def tell(self, tenant: str, investigation: str, calls: Sequence[ModelCall]) -> None:
        """See `ModelSpans.tell`."""
        made = [call for call in calls if call.outcome is not CallOutcome.OVER_BUDGET]
        agents: dict[str, list[ModelCall]] = defaultdict(list)
        for call in made:
            agents[call.agent].append(call)
        with self._lock:
            self._trace = f"{tenant}/{investigation}"
            if not made:
                return
            with self._spanning("invoke_workflow investigation", "", None, made, _workflow(tenant, investigation)) as root:
                for agent, own in agents.items():
                    told = _agent(investigation, agent, own)
                    with self._spanning(f"invoke_agent {agent}", f"agent {agent}", root, own, told) as parent:
                        for call in own:
                            with self._spanning(f"chat {call.model}", f"call {call.id}", parent, [call], dict(_chat(call))):
                                pass

    def close(self) -> None:
        """Send what is left, within a few seconds."""
        self._provider.shutdown()

    @contextmanager
    def _spanning(
        self, name: str, key: str, parent: Context | None, calls: Sequence[ModelCall], attributes: Attributes
    ) -> Iterator[Context]:
        """One span, from the begin of its first call to the end of its last; its context, for those below it."""
        from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context  # noqa: PLC0415  an extra

        self._span = key
        kind = SpanKind.CLIENT if attributes["gen_ai.operation.name"] == "chat" else SpanKind.INTERNAL
        begin = min(_nanoseconds(call.started_at) for call in calls)
        span = self._tracer.start_span(name, context=parent, kind=kind, attributes=dict(attributes), start_time=begin)
        if "error.type" in attributes:
            span.set_status(Status(StatusCode.ERROR))
        yield set_span_in_context(span)
        span.end(end_time=max(_nanoseconds(call.started_at) + int(call.seconds * 1e9) for call in calls))


def _workflow(tenant: str, investigation: str) -> Attributes:
    return {
        "gen_ai.operation.name": "invoke_workflow",
        "gen_ai.workflow.name": "investigation",
        "gen_ai.conversation.id": investigation,
        "middlewatch.tenant": tenant,
    }


def _agent(investigation: str, agent: str, calls: Sequence[ModelCall]) -> Attributes:
    """Of one agent; its provider and model where its calls had one."""
    providers, models = {call.provider for call in calls}, {call.model for call in calls}
    return {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": agent,
        "gen_ai.conversation.id": investigation,
        **({"gen_ai.provider.name": providers.pop()} if len(providers) == 1 else {}),
        **({"gen_ai.request.model": models.pop()} if len(models) == 1 else {}),
    }


def _chat(call: ModelCall) -> Iterator[tuple[str, str | int | float]]:
    """Of one call. Tokens read are all of them, those of the provider's cache included, as the conventions have it."""
    yield "gen_ai.operation.name", "chat"
    yield "gen_ai.provider.name", call.provider
    yield "gen_ai.request.model", call.model
    yield "gen_ai.agent.name", call.agent
    yield "gen_ai.conversation.id", call.investigation or ""
    yield "gen_ai.usage.input_tokens", call.tokens.prompt
    yield "gen_ai.usage.cache_read.input_tokens", call.tokens.cached
    yield "gen_ai.usage.cache_creation.input_tokens", call.tokens.cache_written
    yield "gen_ai.usage.output_tokens", call.tokens.output
    yield "gen_ai.usage.reasoning.output_tokens", call.tokens.reasoning
    yield "middlewatch.purpose", call.purpose.value
    yield "middlewatch.attempts", call.attempts
    if call.dollars is not None:
        yield "middlewatch.cost.usd", call.dollars
    if call.outcome is not CallOutcome.ANSWERED:
        yield "error.type", call.outcome.value


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1000


def _headers(text: str) -> dict[str, str]:
    """As OTEL_EXPORTER_OTLP_HEADERS has them."""
    found: dict[str, str] = {}
    for part in filter(None, (one.strip() for one in text.split(","))):
        name, equals, value = part.partition("=")
        if not equals or not name.strip() or not part.isascii() or not part.isprintable():
            raise Misconfigured(
                "MIDDLEWATCH_OTEL_HEADERS has a header that is not understood.", remedy="Write it as name=value,name=value."
            )
        found[name.strip()] = value.strip()
    return found
