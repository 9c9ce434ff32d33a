"""The typed, read-only tools that agents, other programs and models share: one definition of each.

A tool is a name, a description, a record of arguments, a record of results, and a function that reads and changes nothing. The
tenant is the application's and never the caller's; what is read of an investigation ends where its window does. Answers are
redacted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final, TypeVar

from pydantic import JsonValue, ValidationError

from middlewatch.agents.specialist import Specialists
from middlewatch.context_store.redaction import redact_names, redact_record
from middlewatch.exhibits import Exhibits, slim
from middlewatch.records import AgentName, Anomaly, Chart, Record, Snapshot, Waterfall, Window
from middlewatch.records.errors import BadInput, BoundExceeded
from middlewatch.records.misfit import misfit_words
from middlewatch.records.question import (
    Asked,
    AssessAnswer,
    AssessQuestion,
    ChangesAnswer,
    ChangesQuestion,
    EvidenceQuestion,
    FreshnessAnswer,
    LinesAnswer,
    LinesQuestion,
    ListQuestion,
    MapAnswer,
    MapQuestion,
    MetricQuestion,
    MetricsAnswer,
    PatternsAnswer,
    PatternsQuestion,
    ServicesAnswer,
    SpansAnswer,
    SpansQuestion,
    TraceQuestion,
)
from middlewatch.telemetry.sources import Sources
from middlewatch.tools import questions
from middlewatch.tools.chart import metric_chart
from middlewatch.tools.waterfall import waterfall
from middlewatch.windows import Place, Windows

HOUR: Final = timedelta(hours=1)
BEFORE_SECONDS: Final = 1800.0
"""How long before an onset log patterns are counted."""
A = TypeVar("A", bound=Asked)
R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool."""

    name: str
    title: str
    description: str
    arguments: type[Record]
    result: type[Record]
    run: Callable[[Toolbox, Any], Record]
    """(toolbox, arguments) -> result."""


class Toolbox:
    """The tools over the telemetry of one tenant."""

    def __init__(
        self,
        specialists: Callable[[], Specialists],
        snapshot: Callable[[str], Snapshot],
        windows: Windows,
    ) -> None:
        """Prefer `App.toolbox`.

        Args:
            specialists: who the agents are, and what they read.
            snapshot: of an investigation of the tenant.
            windows: whose telemetry is asked about, and when.
        """
        self._specialists = specialists
        self._snapshot = snapshot
        self._windows = windows
        self._exhibits = Exhibits(specialists, snapshot)

    @property
    def tools(self) -> Mapping[str, Tool]:
        """Every tool by its name."""
        return TOOLS

    def call(self, name: str, arguments: Mapping[str, JsonValue]) -> Record:
        """Run a tool with arguments as they came from outside; the answer is as it may be shown, names that look like secrets too.

        Raises:
            BadInput: there is no such tool, the arguments do not fit, or the window is nonsense.
            UnknownInvestigation: there is none.
            Unavailable: the source does not answer.
            BoundExceeded: the question costs more than one query may.
        """
        return redact_names(self.answer(name, arguments))

    def answer(self, name: str, arguments: Mapping[str, JsonValue]) -> Record:
        """The same with names as telemetry has them, so that they can be asked about."""
        tool = TOOLS.get(name)
        if tool is None:
            raise BadInput(f"There is no tool {name!r}.", remedy=f"Choose one of: {', '.join(TOOLS)}.")
        asked = arguments_of(tool, arguments)
        try:
            return redact_record(tool.run(self, asked))
        except BoundExceeded as error:
            raise BoundExceeded(
                error.message, remedy=error.remedy or "Ask about a shorter window, or about fewer services."
            ) from error

    def read(self, asked: A, answer: Callable[[Sources, Window, A], R], *, most: timedelta, usual: timedelta | None = None) -> R:
        """Find out whose telemetry is asked about and when, and answer.

        Args:
            asked: by whom does not matter.
            answer: reads.
            most: the longest window that is of use to it.
            usual: how long the window is where none is given; None takes the usual one.
        """
        place = self._windows.place(asked, most=most, usual=usual)
        return _noted(answer(self._sources(place), place.window, asked), place)

    def assess(self, agent: AgentName, asked: AssessQuestion) -> AssessAnswer:
        """An agent's own analysis of a window."""
        return self.assessed(agent, asked)[0]

    def assessed(self, agent: AgentName, asked: AssessQuestion) -> tuple[AssessAnswer, tuple[Anomaly, ...]]:
        """The same with the facts as they are found, in the order of the answer's: as evidence would have them."""
        specialists = self._specialists()
        place = self._windows.place(asked, most=6 * HOUR)
        brief = self._windows.brief(place)
        assessment = specialists.agents[agent].assess(self._sources(place), brief)
        return _noted(questions.assess(assessment, brief, asked), place), questions.asked_about(assessment, asked)[: asked.limit]

    def is_own(self, investigation: str, window: Window) -> bool:
        """Whether a window lies within what an investigation is about: only what was found there is evidence of it."""
        own = self._windows.widest(investigation)
        return own.start <= window.start and window.end <= own.end

    def chart_of(self, investigation: str, evidence: str | None = None) -> Chart:
        """The course of what a fact of an investigation is about; see `Exhibits.chart`."""
        return self._exhibits.chart(investigation, evidence)

    def trace_of(self, investigation: str, *, evidence: str | None = None, trace: str | None = None) -> Waterfall:
        """One request of an investigation as a waterfall; see `Exhibits.request`."""
        return self._exhibits.request(investigation, evidence=evidence, trace=trace)

    def patterns_of(self, investigation: str, *, services: tuple[str, ...] = (), limit: int = 20) -> PatternsAnswer:
        """Log patterns before and after the onset of an investigation, those first whose rate changed most.

        Raises:
            UnknownInvestigation: there is none.
        """
        snapshot = self._snapshot(investigation)
        found, report = snapshot.investigation, snapshot.report
        begins = self._windows.incident(found).start
        onset = begins if report is None or report.onset is None else min(report.onset.at, found.alert.detected_at)
        asked = PatternsQuestion(
            investigation=investigation,
            start=onset - timedelta(seconds=BEFORE_SECONDS),
            end=found.alert.window_end,
            split=onset,
            services=services,
            limit=limit,
        )
        return redact_record(self.read(asked, _patterns, most=24 * HOUR))

    def _sources(self, place: Place) -> Sources:
        return self._specialists().open_sources(place.scope, place.horizon)


def arguments_of(tool: Tool, arguments: Mapping[str, JsonValue]) -> Record:
    """The arguments of a tool, as they came from outside.

    Raises:
        BadInput: they do not fit.
    """
    try:
        return tool.arguments.model_validate(arguments)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the arguments"
        raise BadInput(f"{tool.name}: {where}: {misfit_words(first)}.", remedy="See the schema of the tool's arguments.") from None


def _noted(answer: R, place: Place) -> R:
    notes = getattr(answer, "notes", ())
    return slim(answer).model_copy(update={"notes": (*place.notes, *notes)})


def _patterns(sources: Sources, window: Window, asked: PatternsQuestion) -> PatternsAnswer:
    if asked.split is not None and not window.start < asked.split < window.end:
        raise BadInput("The split is not inside the window.", remedy=f"Choose one between {window.start} and {window.end}.")
    return questions.log_patterns(sources, window, asked)


def _metric(sources: Sources, window: Window, asked: MetricQuestion) -> Chart:
    return metric_chart(sources, window, service=asked.service, metric=asked.metric, instance=asked.instance)


def _trace(sources: Sources, window: Window, asked: TraceQuestion) -> Waterfall:
    return waterfall(sources, asked.trace_id, window)


def _tools(*tools: Tool) -> Mapping[str, Tool]:
    return MappingProxyType({tool.name: tool for tool in tools})


TOOLS: Final = _tools(
    Tool(
        "assess_metrics",
        "Unusual metrics",
        "Score every service by how unusual its metrics are in the window, against its own history, with the facts behind it.",
        AssessQuestion,
        AssessAnswer,
        lambda box, asked: box.assess(AgentName.METRICS, asked),
    ),
    Tool(
        "assess_logs",
        "Unusual log patterns",
        "Score every service by log patterns that are new, gone, or more or less frequent than before, with the facts behind it.",
        AssessQuestion,
        AssessAnswer,
        lambda box, asked: box.assess(AgentName.LOGS, asked),
    ),
    Tool(
        "assess_traces",
        "Slow, failing or changed requests",
        "Score every service by where requests lose time, fail, or make other calls than before, with the facts behind it.",
        AssessQuestion,
        AssessAnswer,
        lambda box, asked: box.assess(AgentName.TRACES, asked),
    ),
    Tool(
        "assess_deploys",
        "Suspect changes",
        "Hold every recent change against the behaviour of the changed service: which are suspect, which are cleared, and why.",
        AssessQuestion,
        AssessAnswer,
        lambda box, asked: box.assess(AgentName.DEPLOYS, asked),
    ),
    Tool(
        "list_services",
        "Services",
        "List the services that telemetry knows, and which signals show each.",
        ListQuestion,
        ServicesAnswer,
        lambda box, asked: box.read(asked, questions.list_services, most=24 * HOUR),
    ),
    Tool(
        "list_metrics",
        "Metrics",
        "List the metrics that services report, with their units and the number of series.",
        ListQuestion,
        MetricsAnswer,
        lambda box, asked: box.read(asked, questions.list_metrics, most=24 * HOUR),
    ),
    Tool(
        "metric_chart",
        "Course of a metric",
        "How a metric of a service went in the window, beside what is usual for it.",
        MetricQuestion,
        Chart,
        lambda box, asked: box.read(asked, _metric, most=7 * 24 * HOUR),
    ),
    Tool(
        "log_patterns",
        "Log patterns",
        "Count log lines by pattern (the body with its variable parts masked), with a split also before and after it.",
        PatternsQuestion,
        PatternsAnswer,
        lambda box, asked: box.read(asked, _patterns, most=24 * HOUR),
    ),
    Tool(
        "log_lines",
        "Log lines",
        "Read raw log lines, oldest first, of some services or that contain a text.",
        LinesQuestion,
        LinesAnswer,
        lambda box, asked: box.read(asked, questions.log_lines, most=24 * HOUR),
    ),
    Tool(
        "slow_spans",
        "Slowest spans",
        "Read the slowest spans of some services; each names the trace that it belongs to.",
        SpansQuestion,
        SpansAnswer,
        lambda box, asked: box.read(asked, questions.slow_spans, most=24 * HOUR),
    ),
    Tool(
        "trace_waterfall",
        "One request",
        "Show one request span by span: who waited for whom, own time, and time that no span accounts for.",
        TraceQuestion,
        Waterfall,
        lambda box, asked: box.read(asked, _trace, most=24 * HOUR, usual=6 * HOUR),
    ),
    Tool(
        "service_map",
        "Service map",
        "Who calls whom, how often, and how many of the calls fail.",
        MapQuestion,
        MapAnswer,
        lambda box, asked: box.read(asked, questions.service_map, most=24 * HOUR),
    ),
    Tool(
        "recent_changes",
        "Recent changes",
        "List deploys, configuration, flags, scaling and migrations, newest first.",
        ChangesQuestion,
        ChangesAnswer,
        lambda box, asked: box.read(asked, questions.recent_changes, most=31 * 24 * HOUR, usual=24 * HOUR),
    ),
    Tool(
        "data_freshness",
        "Freshness of the data",
        "How far metrics, logs, traces and changes reach: no data since 02:03 is not healthy.",
        Asked,
        FreshnessAnswer,
        lambda box, asked: box.read(asked, questions.data_freshness, most=24 * HOUR),
    ),
    Tool(
        "evidence_chart",
        "Course of a fact",
        "The course of what a fact of an investigation is about, beside what is usual, with its onset.",
        EvidenceQuestion,
        Chart,
        lambda box, asked: box.chart_of(asked.investigation, asked.evidence),
    ),
    Tool(
        "evidence_trace",
        "A request that shows a fact",
        "A sample request of a fact of an investigation, span by span, with the spans marked that the fact is about.",
        EvidenceQuestion,
        Waterfall,
        lambda box, asked: box.trace_of(asked.investigation, evidence=asked.evidence),
    ),
)
"""All tools."""
