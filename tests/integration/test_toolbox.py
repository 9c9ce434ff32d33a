"""Every tool over a real telemetry store: it answers, stays in its tenant and before its horizon, and says what it left out."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import JsonValue

from middlewatch.agents.briefing import History
from middlewatch.agents.specialist import Specialists
from middlewatch.app import AGENTS
from middlewatch.context_store.redaction import redact_evidence, redact_record
from middlewatch.context_store.store import ContextStore
from middlewatch.records import Alert, Chart, Evidence, Investigation, Record, Sample, Scope, Snapshot, Waterfall, WaterfallSpan
from middlewatch.records.errors import BadInput, UnknownInvestigation, WindowError
from middlewatch.records.question import AssessAnswer, LinesAnswer, PatternsAnswer, ServicesAnswer
from middlewatch.telemetry.clickhouse import ClickHouse
from middlewatch.telemetry.recordings import import_recording, imported_recordings
from middlewatch.toolbox import TOOLS, Toolbox
from middlewatch.windows import Windows
from tests.store_data import make_report
from tests.telemetry_data import START, write_recording

SECRET = "password=hunter2hunter2A"  # noqa: S105  what must not be handed on
TRACE = "0af7651916cd43dd8448eb211c80319c"
BROKE = 2400
"""Seconds after which checkout is slow and fails; the window ends ten minutes later, the recording after an hour."""
TENANT = "toolbox"


def telemetry(mark: str) -> dict[str, Any]:
    """A shop whose checkout waits for its database from `BROKE` on."""
    metrics = [
        {"time": at, "service": "checkout", "instance": "a", "metric": "queue", "value": 900.0 if at >= BROKE else 5.0 + at % 3}
        for at in range(0, 3600, 15)
    ]
    logs: list[dict[str, object]] = [
        {"time": at, "service": "checkout", "body": f"order {at} done"} for at in range(0, 3600, 10) if at < BROKE or at % 40 == 0
    ]
    logs += [
        {"time": at, "service": "checkout", "severity": "ERROR", "body": f"no connection for {mark} {SECRET}", "trace_id": TRACE}
        for at in range(BROKE, 3600, 5)
    ]
    traces = []
    for number, at in enumerate(range(0, 3600, 5)):
        slow = at >= BROKE
        trace = TRACE if at == BROKE else f"{number + 1:032x}"
        common = {"trace_id": trace, "status_code": "Error" if slow else "Unset"}
        took = 800_000_000 if slow else 20_000_000
        traces += [
            {
                **common,
                "span_id": f"{number:015x}1",
                "service": "front",
                "name": "POST /",
                "start_time": at,
                "duration_ns": took + 2,
            },
            {
                **common,
                "span_id": f"{number:015x}2",
                "parent_span_id": f"{number:015x}1",
                "service": "checkout",
                "name": "POST /pay",
                "start_time": at,
                "duration_ns": took,
            },
        ]
    changes = [{"time": BROKE - 20, "service": "checkout", "kind": "deploy", "version": "2"}]
    return {"metrics": metrics, "logs": logs, "traces": traces, "changes": changes}


class Site:
    """A recording of ours, one of somebody else with the same name, and an investigation with the facts that its agents find."""

    def __init__(self, database: ClickHouse, folder: Path) -> None:
        self.recording = import_recording(database, TENANT, write_recording(folder / "shop", **telemetry("ours"))).name
        import_recording(database, "somebody", write_recording(folder / "other" / "shop", **telemetry("theirs")))
        alert = Alert(
            tenant=TENANT,
            source="test",
            source_id="1",
            title="slow",
            detected_at=START + timedelta(seconds=BROKE + 120),
            window_end=START + timedelta(seconds=BROKE + 600),
        )
        scope = Scope(tenant=TENANT, recording=self.recording)
        self.investigation = Investigation(tenant=TENANT, id="inv-1", scope=scope, alert=alert)
        specialists = Specialists(AGENTS, cast("ContextStore", None), database.sources, History(first_hours=1))
        facts = [
            redact_evidence(
                Evidence(tenant=TENANT, investigation="inv-1", id=f"ev-{name}-{i}", agent=name, round=1, anomaly=anomaly)
            )
            for name, agent in AGENTS.items()
            for i, anomaly in enumerate(specialists.assess(agent, self.investigation, 1).anomalies)
        ]
        self.snapshot = Snapshot(investigation=self.investigation, evidence=tuple(facts))
        windows = Windows(TENANT, self._found, lambda: imported_recordings(database, TENANT), lambda: specialists.history)
        self.box = Toolbox(lambda: specialists, self.snapshot_of, windows)

    def _found(self, identifier: str) -> Investigation:
        return self.snapshot_of(identifier).investigation

    def snapshot_of(self, identifier: str) -> Snapshot:
        if identifier != "inv-1":
            raise UnknownInvestigation
        return self.snapshot

    def fact(self, agent: str, **told: str) -> Evidence:
        return next(
            fact
            for fact in self.snapshot.evidence
            if fact.agent == agent and all(getattr(fact.anomaly, name) == value for name, value in told.items())
        )


@pytest.fixture(scope="module")
def site(clickhouse: ClickHouse, tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(clickhouse, tmp_path_factory.mktemp("toolbox"))


ARGUMENTS: dict[str, dict[str, JsonValue]] = {
    "metric_chart": {"service": "checkout", "metric": "queue"},
    "trace_waterfall": {"trace_id": TRACE},
}


@pytest.mark.parametrize("name", TOOLS)
def test_every_tool_answers_about_an_investigation(site: Site, name: str) -> None:
    tool = TOOLS[name]
    answer = site.box.call(name, {"investigation": "inv-1", **ARGUMENTS.get(name, {})})
    assert type(answer) is tool.result
    text = answer.model_dump_json()
    assert type(answer).model_validate_json(text) == answer
    assert "theirs" not in text
    assert "hunter2" not in text
    assert len(text) < 40_000
    assert "SELECT" not in json.dumps(answer.model_dump(mode="json").get("queries", []))


@pytest.mark.parametrize("name", [name for name, tool in TOOLS.items() if "recording" in tool.arguments.model_fields])
def test_every_tool_answers_about_a_recording_and_nothing_live(site: Site, name: str) -> None:
    of_ours: dict[str, JsonValue] = {"recording": site.recording, "minutes": 10}
    for asked in (of_ours, {}):
        assert "theirs" not in site.box.call(name, {**asked, **ARGUMENTS.get(name, {})}).model_dump_json()


@pytest.mark.parametrize("tool", TOOLS.values(), ids=TOOLS)
def test_what_a_tool_takes_and_gives_has_a_schema_and_bounds(tool: object) -> None:
    assert isinstance(tool, type(TOOLS["log_lines"]))
    fields = tool.arguments.model_json_schema()["properties"]
    assert "tenant" not in fields
    assert tool.result.model_json_schema()["type"] == "object"
    for name, field in fields.items():
        assert field.get("maximum") or "limit" not in name
    assert tool.description.endswith(".")


def test_nothing_after_the_window_of_an_investigation_is_read(site: Site) -> None:
    end = site.investigation.alert.window_end
    lines = site.box.call(
        "log_lines", {"investigation": "inv-1", "around": end.isoformat(), "contains": "no connection", "limit": 300}
    )
    assert isinstance(lines, LinesAnswer)
    assert lines.lines
    assert max(line.time for line in lines.lines) < end
    assert "nothing after that may be read" in lines.notes[0]
    with pytest.raises(WindowError):
        site.box.call("log_lines", {"investigation": "inv-1", "start": end.isoformat()})
    trace = next(f"{n + 1:032x}" for n, at in enumerate(range(0, 3600, 5)) if at > BROKE + 600)
    late = site.box.trace_of("inv-1", trace=trace)
    assert "no span" in late.reason


def test_an_analysis_says_what_the_agent_said(site: Site) -> None:
    answer = site.box.call("assess_traces", {"investigation": "inv-1", "services": ["checkout"]})
    assert isinstance(answer, AssessAnswer)
    assert [*answer.scores] == ["checkout"]
    assert {fact.summary for fact in answer.facts} <= {fact.anomaly.summary for fact in site.snapshot.evidence}
    assert answer.facts[0].strength > 0


def test_bounds_are_told(site: Site) -> None:
    lines = site.box.call("log_lines", {"investigation": "inv-1", "limit": 2})
    assert isinstance(lines, LinesAnswer)
    assert len(lines.lines) == 2
    assert "first 2" in lines.notes[0]
    services = site.box.call("list_services", {"investigation": "inv-1", "limit": 1})
    assert isinstance(services, ServicesAnswer)
    assert services.notes == ("the first 1 of 2 are listed",)
    assert [(row.service, row.metrics, row.logs, row.traces) for row in services.services] == [("checkout", True, True, True)]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("drop_tables", {}),
        ("log_lines", {"tenant": "somebody"}),
        ("log_lines", {"limit": 10**9}),
        ("log_lines", {"limit": "'; DROP TABLE"}),
        ("log_lines", {"recording": "no-such"}),
        ("log_lines", {"minutes": 10_000}),
        ("trace_waterfall", {"trace_id": "' OR 1"}),
        ("metric_chart", {"metric": "cpu"}),
        ("log_patterns", {"investigation": "inv-1", "split": "2001-01-01T00:00:00Z"}),
        ("evidence_chart", {"investigation": "inv-1", "evidence": "ev-none"}),
        ("evidence_chart", {"investigation": "inv-9"}),
    ],
)
def test_what_cannot_be_answered_is_refused(site: Site, name: str, arguments: dict[str, JsonValue]) -> None:
    with pytest.raises(BadInput):
        site.box.call(name, arguments)


SHOWN: list[tuple[str, dict[str, str]]] = [
    ("metrics", {}),
    ("traces", {"family": "latency"}),
    ("traces", {"family": "errors"}),
    ("logs", {"unit": "1/min"}),
]


def test_facts_of_every_signal_have_charts_that_agree_with_them(site: Site) -> None:
    for agent, told in SHOWN:
        fact = site.fact(agent, **told)
        chart = site.box.chart_of("inv-1", fact.id)
        assert (chart.reason, chart.evidence) == ("", fact.id)
        assert chart.times[-1] < site.investigation.alert.window_end
        onset = fact.anomaly.onset.at if fact.anomaly.onset else fact.anomaly.window.start
        after = [value for at, value in zip(chart.times, chart.observed, strict=True) if at >= onset and value is not None]
        assert fact.anomaly.observed == pytest.approx(sorted(after)[len(after) // 2], rel=0.3)
        assert chart.band is not None


def test_where_no_fact_is_named_the_strongest_is_shown(site: Site) -> None:
    chart, request = site.box.chart_of("inv-1"), site.box.trace_of("inv-1")
    assert (chart.reason, request.reason) == ("", "")
    assert request.evidence
    assert any(span.culprit for span in request.spans)


def test_a_fact_about_changes_or_without_telemetry_says_why_there_is_nothing(site: Site) -> None:
    assert "moment" in site.box.chart_of("inv-1", site.fact("deploys").id).reason
    assert "No sample" in site.box.trace_of("inv-1", evidence=site.fact("deploys").id).reason
    whole = site.snapshot
    gone = whole.investigation.model_copy(update={"scope": Scope(tenant=TENANT, recording="removed")})
    site.snapshot = whole.model_copy(update={"investigation": gone})
    try:
        found: list[Record] = [site.box.chart_of("inv-1"), site.box.trace_of("inv-1")]
        assert all(isinstance(one, (Chart, Waterfall)) and "removed" in one.reason for one in found)
    finally:
        site.snapshot = whole


def test_a_sample_without_a_trace_is_passed_over(site: Site) -> None:
    whole = site.snapshot
    fact = site.fact("logs", unit="1/min")
    bare = Sample(time=fact.anomaly.window.start, text="a line")
    told = fact.anomaly.model_copy(update={"samples": (bare, *fact.anomaly.samples)})
    site.snapshot = whole.model_copy(update={"evidence": (fact.model_copy(update={"anomaly": told}),)})
    try:
        assert site.box.trace_of("inv-1").trace_id == TRACE
    finally:
        site.snapshot = whole


def test_log_patterns_before_and_after_the_onset(site: Site) -> None:
    patterns = site.box.patterns_of("inv-1")
    assert isinstance(patterns, PatternsAnswer)
    first = patterns.patterns[0]
    assert "no connection" in first.pattern
    assert first.severity == "ERROR"
    assert first.before_per_minute == pytest.approx(0, abs=2)
    assert first.after_per_minute == pytest.approx(12, rel=0.2)
    done = next(row for row in patterns.patterns if row.pattern.startswith("order"))
    assert done.before_per_minute is not None
    assert done.after_per_minute is not None
    assert done.before_per_minute > 2 * done.after_per_minute


def test_the_onset_of_the_report_splits_where_there_is_one(site: Site) -> None:
    whole = site.snapshot
    site.snapshot = whole.model_copy(update={"report": make_report(whole.investigation)})
    try:
        assert site.box.patterns_of("inv-1").split is not None
    finally:
        site.snapshot = whole


def test_ids_of_spans_are_never_taken_for_numbers_of_cards() -> None:
    card = "4111111111111111"
    span = WaterfallSpan(
        span_id=card,
        parent_id=card,
        depth=0,
        service="s",
        operation=card,
        start_ms=0,
        duration_ms=1,
        failed=False,
        own_ms=0,
        critical=True,
    )
    shown = redact_record(Waterfall(trace_id="t", spans=(span,))).spans[0]
    assert (shown.span_id, shown.parent_id) == (card, card)
    assert card not in shown.operation
