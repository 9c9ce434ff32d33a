"""Invariant: a model is offered tools that read, of one investigation, and chooses neither whose telemetry nor how much of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, cast

import pytest
from pydantic import JsonValue

from middlewatch.agents.reasoning.size import tokens_at_most
from middlewatch.model_tools import ASSESSING, BOUND, MOST_ROWS, READING, ModelTools, specs
from middlewatch.records import AgentName, Window
from middlewatch.records.errors import BadInput
from middlewatch.records.question import AssessAnswer, AssessQuestion, LinesAnswer
from middlewatch.toolbox import TOOLS
from tests.unit.agents.shared_context import WINDOW, anomaly


class Box:
    """A toolbox that keeps what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Mapping[str, JsonValue]]] = []
        self.window = WINDOW

    def answer(self, name: str, arguments: Mapping[str, JsonValue]) -> LinesAnswer:
        self.asked.append((name, arguments))
        return LinesAnswer(window=WINDOW, lines=())

    def assessed(self, agent: AgentName, asked: AssessQuestion) -> Any:
        self.asked.append((agent, asked.model_dump()))
        answer = AssessAnswer(window=WINDOW, agent=agent, baseline=WINDOW, scores={}, facts=())
        return answer.model_copy(update={"window": self.window}), (
            anomaly("password=hunter2hunter2", 1.0, subject="password=hunter2hunter2"),
        )

    def is_own(self, investigation: str, window: Window) -> bool:
        return investigation == "inv-1" and window == WINDOW


def tools(box: Box) -> ModelTools:
    return ModelTools(lambda: cast("Any", box), "inv-1")


def test_all_of_them_are_tools_that_only_read_and_take_few_tokens() -> None:
    assert {spec.name for spec in specs()} == {*ASSESSING, *READING} <= TOOLS.keys()
    assert all(not BOUND & set(cast("dict[str, Any]", spec.schema["properties"])) for spec in specs())
    assert sum(tokens_at_most(spec.name + spec.description + json.dumps(dict(spec.schema))) for spec in specs()) < 3_500
    assert specs() is specs()


@pytest.mark.parametrize(
    "arguments", [{"investigation": "inv-2"}, {"recording": "other"}, {"investigation": "inv-1"}, {"tenant": "x"}]
)
def test_whose_telemetry_is_read_is_not_the_models_choice(arguments: Mapping[str, JsonValue]) -> None:
    box = Box()
    for name in (*ASSESSING, *(["log_lines"] if "tenant" not in arguments else [])):
        with pytest.raises(BadInput):
            tools(box).look(name, arguments)
    assert box.asked == []


@pytest.mark.parametrize("name", ["list_services", "evidence_chart", "restart_service", "__class__", ""])
def test_what_is_not_offered_is_not_run(name: str) -> None:
    with pytest.raises(BadInput, match="no such tool"):
        tools(Box()).look(name, {})


def test_the_investigation_is_filled_in_and_no_more_is_read_than_fits() -> None:
    box = Box()
    tools(box).look("log_lines", {"limit": 300, "contains": "x"})
    tools(box).look("assess_logs", {"limit": 40})
    assert box.asked[0] == ("log_lines", {"limit": MOST_ROWS, "contains": "x", "investigation": "inv-1"})
    assert (box.asked[1][0], box.asked[1][1]["investigation"], box.asked[1][1]["limit"]) == ("logs", "inv-1", MOST_ROWS)


def test_facts_are_redacted_before_anything_reads_them() -> None:
    looked = tools(Box()).look("assess_traces", {})
    assert looked.agent is AgentName.TRACES
    assert "hunter2" not in looked.facts[0].subject


def test_what_is_of_another_time_can_be_read_and_is_no_evidence() -> None:
    box = Box()
    box.window = Window(start=WINDOW.start - timedelta(hours=3), end=WINDOW.start)
    looked = tools(box).look("assess_traces", {})
    assert (looked.agent, tuple(looked.facts)) == (None, ())
    assert isinstance(looked.record, AssessAnswer)
    assert "another time" in looked.record.notes[0]
