"""Memory is an addition: it costs no task, and an evaluation is not told what was said before. No call is left out of a report."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch import reasoning as module
from middlewatch.agents.model_work import with_calls
from middlewatch.reasoning import Reasoning
from middlewatch.records import Claim, FencingToken, ModelCall, Report, TaskKind
from middlewatch.records.errors import StaleEpoch, StoreUnavailable
from tests.model_calls import call, reasoned
from tests.report_finding import finding
from tests.store_data import make_task

NOTHING: Any = None


def claim(kind: TaskKind = TaskKind.REASON) -> Claim:
    return Claim(
        task=make_task("r1", kind=kind), owner="ann", token=FencingToken(epoch=1, counter=1), attempt=1, lease_seconds=30.0
    )


def reasoning() -> Reasoning:
    made = Reasoning(NOTHING, NOTHING, NOTHING, "default", NOTHING, NOTHING)
    made.earlier = lambda _: finding()
    return made


def test_an_agent_is_told_of_the_same_incident_before_and_nobody_else_is() -> None:
    assert reasoning()._before(claim()) == finding()
    assert reasoning()._before(claim(TaskKind.CHALLENGE)) is None


def test_an_evaluation_asks_of_everything_anew() -> None:
    made = reasoning()
    made.instead = object()  # type: ignore[assignment]
    assert made._before(claim()) is None


def test_what_memory_cannot_tell_is_no_fault_of_the_task(caplog: pytest.LogCaptureFixture) -> None:
    def damaged(_: str) -> Report:
        raise StoreUnavailable("The archive is damaged.")

    made = reasoning()
    made.earlier = damaged
    assert made._before(claim()) is None
    assert "The archive is damaged." in caplog.text


@given(handed_in=st.lists(st.integers(1, 6), unique=True), kept=st.lists(st.integers(1, 6), unique=True))
def test_a_report_has_each_call_once_whoever_died_over_its_task(handed_in: list[int], kept: list[int]) -> None:
    report = reasoned(tuple(map(call, handed_in)))
    whole = with_calls(report, map(call, kept))
    assert whole.models is not None
    names = [one.id for one in whole.models.calls]
    assert names[: len(handed_in)] == [f"call-{number}" for number in handed_in]
    assert sorted(names) == sorted({f"call-{number}" for number in (*handed_in, *kept)})


class Kept:
    """What is kept of calls, in place of the store."""

    failure: Exception | None = None

    def __init__(self, *_: object) -> None:
        pass

    def of(self, _: str) -> tuple[ModelCall, ...]:
        if self.failure:
            raise self.failure
        return (call(1), call(9))


def written(monkeypatch: pytest.MonkeyPatch, failure: Exception | None = None) -> Report:
    made = reasoning()
    monkeypatch.setattr(Kept, "failure", failure)
    monkeypatch.setattr(module, "ModelCalls", Kept)
    monkeypatch.setattr(made, "_held", lambda *_: reasoned((call(1), call(2))))
    return made.write(NOTHING, claim(TaskKind.WRITE), finding(), threading.Event())


def test_the_report_has_calls_that_no_task_handed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    report = written(monkeypatch)
    assert report.models is not None
    assert [one.id for one in report.models.calls] == ["call-1", "call-2", "call-9"]


def test_nobody_waits_for_a_report_because_of_its_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert written(monkeypatch, StoreUnavailable("A call cannot be read.")) == reasoned((call(1), call(2)))
    with pytest.raises(StaleEpoch):
        written(monkeypatch, StaleEpoch("Another process serves a newer store."))
