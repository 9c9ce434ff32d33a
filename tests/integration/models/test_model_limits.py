"""What bounds the models of an investigation, through the whole application: each cap is kept and told of, and nobody waits for it.

The prompts begin with the same bytes, and whoever cancels ends the call that is in flight.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from middlewatch.agents.language_model.connection import Connection, ProviderName
from middlewatch.agents.language_model.opening import open_model
from middlewatch.agents.language_model.scripted import Line
from middlewatch.agents.language_model.seam import LanguageModel
from middlewatch.context_store.keys import budget_keys
from middlewatch.records import AgentName, CallOutcome, InvestigationState, Report
from middlewatch.telemetry.clickhouse import ClickHouse
from tests.integration.models.model_site import Site, model_site
from tests.model_ends.end import Fault, answered


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, clickhouse: ClickHouse) -> Iterator[Site]:
    with model_site(tmp_path_factory.mktemp("limits"), clickhouse) as made:
        yield made


CLAIM = {"text": "It got slower.", "evidence": ["e1"]}


def claims(body: dict[str, Any]) -> Line:
    """Each agent's model says something of the first fact."""
    schema = json.dumps(body)
    answer: dict[str, Any] = {"claims": [CLAIM], "add_evidence": [], "suspects": [], "votes": []}
    return Line(answer=answer) if "add_evidence" in schema else answered(body)


def test_an_incident_that_comes_back_is_not_asked_about_again(tmp_path: Path, clickhouse: ClickHouse) -> None:
    """What was said of the first holds for the second, on the second's own evidence, and costs nothing."""
    folder = tmp_path / "again"  # a tenant of its own, in which nothing happened before
    folder.mkdir()
    with model_site(folder, clickhouse) as site:
        site.asks(ProviderName.OPENAI, seconds=120).say = claims
        first, second = (site.ended(site.opened()) for _ in range(2))
    assert first.models is not None
    assert second.models is not None
    assert [len(one.claims) for one in first.models.reasoning] == [1, 1, 1, 1]
    assert {one.carried_from for one in second.models.reasoning} == {first.investigation}
    own = {fact.id for fact in second.evidence}
    assert all(set(claim.evidence) <= own for one in second.models.reasoning for claim in one.claims)
    assert {call.agent for call in second.models.calls} <= {"challenger", "writer"}


def out_of_budget(report: Report, words: str) -> list[str]:
    return [line for line in report.missing if f"had no budget left for another call: {words}" in line]


CAPS = {"calls": (2, "2 calls"), "dollars": (0.04, "$0.04"), "tokens": (12_000, "12,000 tokens")}


@pytest.mark.parametrize(("cap", "fault"), [("calls", None), ("dollars", Fault.USAGE_HUGE), ("tokens", Fault.USAGE_HUGE)])
def test_a_cap_is_kept_whatever_is_said_of_usage_and_the_report_says_that_it_was_hit(
    site: Site, cap: str, fault: Fault | None
) -> None:
    most, words = CAPS[cap]
    site.asks(ProviderName.ANTHROPIC, seconds=120, **{cap: most}).always = fault
    opened = site.opened()
    report = site.ended(opened)
    assert report.models is not None
    spent = site.spent(opened)
    assert 0 < getattr(spent, cap) <= most
    made = [call for call in report.models.calls if call.outcome is not CallOutcome.OVER_BUDGET]
    assert made
    assert out_of_budget(report, f"one investigation may take {words} (`{cap}` in models.toml); "), report.missing
    assert (report.models.dollars or 0.0) <= spent.dollars + 1e-4
    assert sum(call.tokens.prompt + call.tokens.output for call in made) == spent.tokens


def test_after_a_storm_the_next_incident_is_served(site: Site) -> None:
    """Half of the day's calls are open at midnight at least, a quarter of them in ten minutes: between 6 and 12 of 48."""
    tenant, server = site.app.settings.tenant, site.app.store.server
    site.asks(ProviderName.COMPATIBLE, seconds=120, day_calls=48)
    server.redis.delete(budget_keys(tenant, "any").days)
    storm = [site.opened(f"storm {number}") for number in range(4)]
    starved = [line for one in storm for line in out_of_budget(site.ended(one), "")]
    assert any("kept for incidents that took less" in line for line in starved), starved
    report = site.ended(site.opened("the next"))
    server.redis.delete(budget_keys(tenant, "any").days)
    assert report.models is not None
    assert any(call.outcome is CallOutcome.ANSWERED for call in report.models.calls)


def test_whoever_begins_to_work_opens_the_model_that_is_configured_before_there_is_an_incident(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.asks(ProviderName.ANTHROPIC, calls=19)
    opened = threading.Event()

    def told(connection: Connection) -> LanguageModel:
        opened.set()
        return open_model(connection)

    monkeypatch.setattr("middlewatch.models.open_model", told)
    with site.app.working():
        assert opened.wait(30)
    opened.clear()
    site.app.settings.models_path.unlink()
    with site.app.working():
        assert not opened.is_set()


LOOK = Line(calls=(("recent_changes", {}),))


def looks_first(body: dict[str, Any]) -> Line:
    """Each dialogue with tools calls one, then answers."""
    spoken = any(one.get("role") == "assistant" or one.get("type") == "function_call" for one in turns(body))
    return LOOK if "tools" in body and not spoken else answered(body)


def turns(body: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = body.get("messages") or body["input"]
    return found


def beginning(body: dict[str, Any]) -> bytes:
    """What a provider's cache goes by, up to the digest: tools, system text and form, then the first turn."""
    form = body.get("output_config", {}).get("format") or body.get("text")
    system = body.get("system") or body.get("instructions") or turns(body)[0]
    first = turns(body)[turns(body)[0]["role"] == "system"]["content"]
    digest = first if isinstance(first, str) else first[0]
    return json.dumps([body.get("tools"), form, system, digest]).encode()


@pytest.mark.parametrize("provider", [*ProviderName])
def test_prompts_begin_with_the_same_bytes_for_every_agent_and_in_every_turn(site: Site, provider: ProviderName) -> None:
    end = site.asks(provider, seconds=120)
    end.bodies.clear()
    end.say = looks_first
    report = site.ended(site.opened())
    end.say = answered
    assert report.models is not None
    asked = [body for body in end.bodies if "tools" in body]
    assert len(asked) >= 2 * (len(AgentName) + 1), "all agents and the challenger, before and after a tool call"
    assert len({beginning(body) for body in asked}) == 1
    assert b"## The alert" in beginning(asked[0])
    digests = {json.dumps(body).partition("## The alert")[2].partition("## What is not known")[0] for body in end.bodies}
    assert len(digests) == 1, "the writer is shown the same"


def test_a_cancelled_investigation_ends_the_call_that_is_in_flight(site: Site) -> None:
    end = site.asks(ProviderName.OPENAI, seconds=120)
    end.always = Fault.SLOW
    end.bodies.clear()
    opened = site.opened()
    for event in site.app.follow(opened.id):
        if event.kind == "report.preliminary":
            break
    while not end.bodies:
        end.dropped.wait(0.02)
    assert not end.dropped.is_set()
    site.app.kept.cancel(opened.id)
    assert end.dropped.wait(30), "the provider was told by the connection"
    assert site.app.investigation(opened.id).state is InvestigationState.CANCELLED
    assert site.spent(opened).calls >= 1, "what a call cost that was given up, nobody knows"
