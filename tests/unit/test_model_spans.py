"""Calls are told as spans by the conventions, once whatever happens, and with no word of what was asked or answered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.semconv._incubating.attributes import error_attributes as error
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai

from middlewatch.model_spans import Exported, ModelSpans, Silent, open_spans
from middlewatch.records import Report
from middlewatch.records.errors import Misconfigured
from tests.model_calls import CALLS, reasoned
from tests.report_finding import finding

Received = list[tuple[str, dict[str, str], ExportTraceServiceRequest]]


@pytest.fixture
def collector() -> Iterator[tuple[str, Received]]:
    """A collector on this machine: its address, and what it was sent."""
    received: Received = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            received.append(
                (self.path, {k.lower(): v for k, v in self.headers.items()}, ExportTraceServiceRequest.FromString(body))
            )
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", received
    server.shutdown()
    thread.join()
    server.server_close()


def tell(spans: ModelSpans, report: Report) -> None:
    spans.tell(report.tenant, report.investigation, report.models.calls if report.models else ())


def told(address: str, received: Received, reports: Sequence[Report]) -> list[Span]:
    spans = open_spans(address, "x-team=night, authorization=Basic a=")
    assert isinstance(spans, Exported)
    for report in reports:
        tell(spans, report)
    spans.close()
    return [span for *_, sent in received for one in sent.resource_spans for scope in one.scope_spans for span in scope.spans]


def attributes(span: Span) -> dict[str, object]:
    return {one.key: getattr(one.value, str(one.value.WhichOneof("value"))) for one in span.attributes}


def test_a_collector_is_sent_one_trace_of_a_report_by_the_conventions(collector: tuple[str, Received]) -> None:
    address, received = collector
    spans = told(address, received, [reasoned()])
    path, headers, _ = received[0]
    assert (path, headers["x-team"], headers["authorization"]) == ("/v1/traces", "night", "Basic a=")
    by_id = {span.span_id: span for span in spans}
    names = sorted((span.name, by_id[span.parent_span_id].name if span.parent_span_id else "") for span in spans)
    assert names == [
        ('chat m "x"\x1b', "invoke_agent challenger"),
        ("chat model-m", "invoke_agent metrics"),
        ("chat model-m", "invoke_agent metrics"),
        ("invoke_agent challenger", "invoke_workflow investigation"),
        ("invoke_agent metrics", "invoke_workflow investigation"),
        ("invoke_workflow investigation", ""),
    ]
    assert len({span.trace_id for span in spans}) == 1
    first = min((span for span in spans if span.kind == Span.SPAN_KIND_CLIENT), key=lambda span: span.start_time_unix_nano)
    assert first.start_time_unix_nano == int(CALLS[0].started_at.timestamp()) * 10**9
    assert first.end_time_unix_nano - first.start_time_unix_nano == 2 * 10**9
    known = {value for name, value in vars(gen_ai).items() if name.startswith("GEN_AI_")} | {error.ERROR_TYPE}
    assert {name for span in spans for name in attributes(span) if not name.startswith("middlewatch.")} <= known
    agent = next(attributes(span) for span in spans if span.name == "invoke_agent metrics")
    assert (agent[gen_ai.GEN_AI_AGENT_NAME], agent[gen_ai.GEN_AI_PROVIDER_NAME]) == ("metrics", "anthropic")
    assert agent[gen_ai.GEN_AI_REQUEST_MODEL] == "model-m"
    found = attributes(first)
    assert (found[gen_ai.GEN_AI_OPERATION_NAME], found[gen_ai.GEN_AI_PROVIDER_NAME]) == ("chat", "anthropic")
    assert found[gen_ai.GEN_AI_USAGE_INPUT_TOKENS] == 4500
    assert found[gen_ai.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS] == 3000
    assert found[gen_ai.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS] == 50
    assert found[gen_ai.GEN_AI_CONVERSATION_ID] == finding().investigation
    failed = next(span for span in spans if span.name.startswith("chat m "))
    assert attributes(failed)[error.ERROR_TYPE] == "timed_out"
    assert "middlewatch.cost.usd" not in attributes(failed)


def test_a_report_that_is_told_twice_is_the_same_trace_and_another_is_another(collector: tuple[str, Received]) -> None:
    other = reasoned().model_copy(update={"investigation": "inv-other"})
    spans = told(*collector, [reasoned(), reasoned(), other])
    ids = [(span.trace_id, span.span_id) for span in spans]
    assert (len(ids), len(set(ids)), len({trace for trace, _ in ids})) == (18, 12, 2)


def test_without_calls_or_an_endpoint_nothing_is_sent(collector: tuple[str, Received]) -> None:
    assert told(*collector, [finding(), reasoned(CALLS[3:])]) == []
    assert isinstance(open_spans(None, ""), Silent)


def test_an_endpoint_that_is_not_there_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("middlewatch.model_spans.TIMEOUT_SECONDS", 0.1)
    spans = open_spans("http://127.0.0.1:9/elsewhere", "")
    tell(spans, reasoned())
    assert isinstance(spans, Exported)
    spans.close()


@pytest.mark.parametrize("headers", ["name", "=x", "a=b\nc=d", "a=b,c"])
def test_headers_that_are_not_understood_are_refused_without_repeating_them(headers: str) -> None:
    with pytest.raises(Misconfigured, match="MIDDLEWATCH_OTEL_HEADERS has a header that is not understood"):
        open_spans("http://127.0.0.1:9", headers)
