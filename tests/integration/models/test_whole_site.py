"""What one investigation leaves to the next and to whoever pays: through the whole application, with a model over the wire.

The same incident again takes over what was said and pays for nothing new; what is cancelled is paid for and counted; all of it can
be read in a trace viewer, for which middlewatch's own intake stands.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from pydantic import JsonValue

from middlewatch import model_spans
from middlewatch.agents.language_model.connection import ProviderName
from middlewatch.agents.language_model.scripted import Line
from middlewatch.frontends.cli.report import render_report
from middlewatch.model_costs import calls_of, model_costs
from middlewatch.model_spans import spans_of
from middlewatch.records import AgentName, InvestigationState, ModelCall, TaskKind
from middlewatch.settings import Settings
from middlewatch.telemetry import clients
from middlewatch.telemetry.clickhouse import DATABASE, ClickHouse
from tests.integration.models.model_site import Site, model_site
from tests.otlp_site import taking_in

CLAIM = "Its own calls slowed down first."
ONE = (AgentName.TRACES,)


def thoughtful(body: dict[str, Any]) -> Line:
    """Claims something of the first fact, votes for the first hypothesis, and writes what the rules found."""
    text = json.dumps(body)
    if '"sentence"' in text:
        return Line(answer={"sentence": "It is as the rules say.", "prose": "Nothing more."})
    vote: dict[str, JsonValue] = {
        "hypothesis": "h1",
        "position": "support",
        "probability": 0.8,
        "reason": "It fits.",
        "evidence": ["e1"],
    }
    return Line(answer={"claims": [{"text": CLAIM, "evidence": ["e1"]}], "add_evidence": [], "suspects": [], "votes": [vote]})


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, clickhouse: ClickHouse) -> Iterator[Site]:
    with model_site(tmp_path_factory.mktemp("again"), clickhouse) as made:
        yield made


def test_the_same_incident_again_reuses_what_was_said_and_says_so(site: Site) -> None:
    end = site.asks(ProviderName.COMPATIBLE)
    end.say = thoughtful
    first = site.ended(site.opened(agents=ONE))
    assert first.models is not None
    assert [claim.text for one in first.models.reasoning for claim in one.claims] == [f'"{CLAIM}"']
    asked = len(end.bodies)
    again = site.ended(site.opened(agents=ONE))
    assert again.models is not None
    (one,) = again.models.reasoning
    assert (one.carried_from, [claim.text for claim in one.claims]) == (first.investigation, [f'"{CLAIM}"'])
    assert {fact for claim in one.claims for fact in claim.evidence} <= {fact.id for fact in again.evidence}
    assert {call.agent for call in again.models.calls} == {"challenger", "writer"}
    assert len(end.bodies) - asked == len(again.models.calls)
    assert all(vote.model == "" for row in again.hypotheses for vote in row.votes), "votes are never taken over"
    told = " ".join(render_report(again, width=100, color=False).split())
    assert f"was not asked again: 1 claim of {first.investigation}, the same incident before, on the facts of today" in told


class Spans:
    """Remembers whose calls it was told of."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []

    def tell(self, _tenant: str, investigation: str, calls: Sequence[ModelCall]) -> None:
        self.told.append((investigation, len(calls)))


def test_what_is_cancelled_is_counted_and_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    end, held, asked = site.asks(ProviderName.COMPATIBLE), threading.Event(), threading.Event()

    def slow_to_challenge(_body: dict[str, Any]) -> Line:
        if len(end.bodies) > before + 1:
            asked.set()
            held.wait(20)
        return Line(answer={"claims": [], "add_evidence": [], "suspects": [], "votes": []})

    before, end.say = len(end.bodies), slow_to_challenge
    spent = model_costs(site.app, 1).whole
    opened = site.opened("another of its kind", agents=(AgentName.METRICS,))
    try:
        assert asked.wait(20)
        running = model_costs(site.app, 1)
        assert running.whole.calls > spent.calls
        assert opened.id in {part.name for part in running.dearest}
        spans, endpoint = Spans(), {"otel_endpoint": "http://127.0.0.1:9"}
        with monkeypatch.context() as patched:
            patched.setattr(model_spans, "spans_of", lambda _: spans)
            patched.setattr(site.app, "settings", site.app.settings.model_copy(update=endpoint))
            for _ in range(2):  # the second one finds it cancelled
                model_spans.cancelled(site.app, opened.id)
        assert spans.told == [(opened.id, len(calls_of(site.app, site.app.snapshot(opened.id))))]
    finally:
        held.set()
    snapshot = site.app.snapshot(opened.id)
    assert snapshot.investigation.state is InvestigationState.CANCELLED
    assert snapshot.report is None
    calls = calls_of(site.app, snapshot)
    assert calls
    assert {call.investigation for call in calls} == {opened.id}
    found = model_costs(site.app, 1)
    assert (found.whole.dollars or 0.0) > (spent.dollars or 0.0)
    assert next(part for part in found.dearest if part.name == opened.id).sum.calls >= 1


def test_a_trace_viewer_reads_the_runs(site: Site, clickhouse: ClickHouse) -> None:
    end = site.asks(ProviderName.COMPATIBLE)
    end.say = thoughtful
    report = site.ended(site.opened("of a third kind", agents=ONE))
    assert report.models is not None
    with taking_in(clickhouse.insert, Settings(tenant="spans")) as receiving:
        spans = spans_of(site.app.settings.model_copy(update={"otel_endpoint": receiving.http}))
        spans.tell(report.tenant, report.investigation, report.models.calls)
        spans.close()  # type: ignore[attr-defined]  # of those that are sent
    assert clickhouse.directory is not None
    client = clients.embedded(clickhouse.directory, clickhouse.limits)(DATABASE)
    rows = client.query_arrow("SELECT * FROM otel_traces WHERE Tenant = 'spans' ORDER BY Timestamp", parameters={}).to_pylist()
    client.close()
    names = sorted(row["SpanName"] for row in rows)
    assert names.count("invoke_workflow investigation") == 1
    assert len([name for name in names if name.startswith("chat ")]) == len(report.models.calls)
    assert {row["ServiceName"] for row in rows} == {"middlewatch"}
    chat = dict(next(row for row in rows if row["SpanName"].startswith("chat "))["SpanAttributes"])
    assert chat["gen_ai.conversation.id"] == report.investigation
    assert re.fullmatch(r"\d+", str(chat["gen_ai.usage.input_tokens"]))
    assert TaskKind.REASON in {status.task.kind for status in site.app.snapshot(report.investigation).tasks}
