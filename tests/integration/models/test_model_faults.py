"""Whatever a provider does, an investigation ends in its time with the rules' answer, and says which model did not work and how.

Each fault over each wire protocol, through the whole application: its worker, orchestrator and stores. What one call comes to is in
tests/contract.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from middlewatch.agents.language_model import retrying
from middlewatch.agents.language_model.connection import ProviderName
from middlewatch.records import AgentName, CallOutcome, Investigation, Report
from middlewatch.telemetry.clickhouse import ClickHouse
from tests.integration.models.model_site import Site, model_site
from tests.model_ends.end import Fault

HURRIED = 5.0
"""Seconds of models where somebody does not answer; a provider that is waited for longer keeps its connection for ever."""
ANSWER = "answered in a form that cannot be read"
LATE = f"did not answer in time: one investigation's models have {HURRIED:g} s (`seconds` in models.toml)"
TOLD = {
    Fault.SLOW: LATE,
    Fault.HANGS: LATE,
    Fault.DRIP: LATE,
    Fault.CUT: "gave no answer: 127.0.0.1 cut the connection in the middle of its answer",
    Fault.BUSY: "was overloaded",
    Fault.BUSY_LONG: "was overloaded",
    Fault.OVERLOADED: "was overloaded",
    Fault.FAILED: "gave no answer: 127.0.0.1 failed (500",
    Fault.REDIRECT: "gave no answer: ",
    Fault.NOT_JSON: ANSWER,
    Fault.NAN: ANSWER,
    Fault.WRONG_ANSWER: "answered in another form than was asked for",
    Fault.REFUSAL: "refused to answer",
    Fault.UNKNOWN_TOOL: "asked for the same again and again",
    Fault.SAME_CALL: "asked for the same again and again",
    Fault.LONG: ANSWER,
}
"""What the report says of an agent's model."""
USAGE = (Fault.USAGE_HUGE, Fault.USAGE_WRONG)
WAITING = (Fault.SLOW, Fault.HANGS, Fault.DRIP)
ONE = (AgentName.TRACES,)
"""One agent has a model of its own here, beside the challenger and the writer: more of them would show no more of a fault."""


@dataclass(frozen=True, slots=True)
class Came:
    """What came of one investigation."""

    opened: Investigation
    report: Report
    seconds: float
    spent: float
    """Dollars of its account."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, clickhouse: ClickHouse) -> Iterator[Site]:
    with model_site(tmp_path_factory.mktemp("faults"), clickhouse) as made:
        yield made


@pytest.fixture(scope="module")
def rules(site: Site) -> Report:
    """What rules answer alone."""
    return site.ended(site.opened(agents=ONE, models=False))


@pytest.fixture(scope="module", params=[*ProviderName])
def came(request: pytest.FixtureRequest, site: Site) -> dict[Fault, Came]:
    """An investigation for each fault, all at the same time."""
    found: dict[Fault, Came] = {}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(retrying, "FIRST_PAUSE", 0.001)
        for faults, seconds in ((WAITING, HURRIED), ([fault for fault in (*TOLD, *USAGE) if fault not in WAITING], 120.0)):
            end = site.asks(request.param, seconds=seconds)
            end.marked = {f"case {fault.name} ".encode(): fault for fault in faults}
            opened = {fault: site.opened(f"case {fault.name} ", ONE) for fault in faults}
            for fault, one in opened.items():
                report = site.ended(one)
                found[fault] = Came(one, report, site.seconds_of_models(one), site.spent(one).dollars)
    return found


@pytest.mark.parametrize("fault", TOLD)
def test_the_rules_answer_stands_and_what_did_not_work_is_said(came: dict[Fault, Came], rules: Report, fault: Fault) -> None:
    report = came[fault].report
    assert report.models is not None
    assert same_answer(report, rules)
    (told,) = [line for line in report.missing if line.endswith("; its rules stand alone.")]
    told = re.sub(r":\d+ ", " ", told)  # the port
    assert told.startswith(f"The traces agent's model {TOLD[fault]}")
    assert any(line.startswith("The writer's model ") and line.endswith("the rules' words stand.") for line in report.missing)
    assert set(report.models.problems) <= set(report.missing)
    assert report.models.calls
    assert not any(one.claims for one in report.models.reasoning)
    assert not report.models.prose


@pytest.mark.parametrize("fault", WAITING)
def test_whoever_does_not_answer_is_not_waited_for_any_longer(came: dict[Fault, Came], fault: Fault) -> None:
    assert came[fault].seconds < 3 * HURRIED  # with room for a busy machine: the server never answers


@pytest.mark.parametrize("fault", [*TOLD, *USAGE])
def test_no_more_is_spent_than_may_be(came: dict[Fault, Came], fault: Fault) -> None:
    report = came[fault].report
    assert report.models is not None
    assert len(report.models.calls) <= 20
    assert came[fault].spent <= 0.5
    assert (report.models.dollars or 0.0) <= came[fault].spent + 1e-4


@pytest.mark.parametrize("fault", USAGE)
def test_a_wrong_usage_block_costs_no_more_than_the_texts_allow(came: dict[Fault, Came], rules: Report, fault: Fault) -> None:
    report = came[fault].report
    assert report.models is not None
    assert same_answer(report, rules)
    assert report.models.calls
    for call in report.models.calls:
        assert 0 < call.tokens.prompt <= 12_000
        assert 0 < call.tokens.output <= 2000


def test_what_passes_is_no_failure(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "FIRST_PAUSE", 0.001)
    end = site.asks(ProviderName.ANTHROPIC, seconds=120)
    end.faults.extend([Fault.BUSY_HINT, Fault.DROPPED])
    report = site.ended(site.opened())
    assert report.models is not None
    assert not any("its rules stand alone" in line for line in report.missing)
    assert [call.outcome for call in report.models.calls].count(CallOutcome.FAILED) == 1  # it may have been billed
    assert sum(call.attempts for call in report.models.calls) == len(report.models.calls) + 1


def test_who_refuses_the_key_is_not_asked_again_in_the_same_investigation(site: Site) -> None:
    end = site.asks(ProviderName.ANTHROPIC, seconds=120)
    end.bodies.clear()
    end.always = Fault.NO_KEY
    opened = site.opened(agents=ONE)
    report = site.ended(opened)
    assert report.models is not None
    first, *others = report.models.calls
    assert (first.attempts, {call.attempts for call in others}, len(end.bodies)) == (1, {0}, 1)
    assert any("asked moments ago; the rules' words stand." in line for line in report.missing)


def same_answer(report: Report, rules: Report) -> bool:
    """Whether it says what rules say alone."""
    said = ("outcome", "answer", "confidence", "ranking", "ruled_out", "next_steps")
    assert [(one.service, one.confidence) for one in report.causes] == [(one.service, one.confidence) for one in rules.causes]
    assert [row.hypothesis.service for row in report.hypotheses] == [row.hypothesis.service for row in rules.hypotheses]
    return all(getattr(report, name) == getattr(rules, name) for name in said)
