"""What leaves: the same beginning is cached across agents and rounds, and nothing is sent, logged or kept that nobody chose."""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import replace
from typing import Any

import pytest

from middlewatch.agents.language_model.connection import ProviderName
from middlewatch.agents.language_model.opening import open_model
from middlewatch.agents.language_model.scripted import Line
from middlewatch.agents.language_model.seam import Asked, Effort, Request, ToolResult
from middlewatch.agents.reasoning.size import request_tokens
from tests.contract.model_benches import ANSWER, ENDS, QUESTION, TOOL, connection, remote
from tests.model_ends.end import KEY, Fault, served

DIGEST = Asked("All that is known so far. " * 300, cached=True)
TELLING = [ProviderName.ANTHROPIC, ProviderName.OPENAI]
"""Who says what came from a cache."""


def _of(agent: str) -> Request:
    return Request("You investigate.", (DIGEST, Asked(f"You look at {agent}.")), tools=(TOOL,), answer=ANSWER)


@pytest.mark.parametrize("provider", TELLING)
def test_the_beginning_is_cached_across_agents_and_rounds(provider: ProviderName) -> None:
    with remote(provider) as (bench, end):
        first = bench.ask(_of("metrics")).tokens
        end.say = lambda _: Line(calls=((TOOL.name, {"service": "db"}),))
        second = bench.ask(_of("logs"))
        going_on = Asked(results=(ToolResult(second.turn.calls[0], "p99 is 3 s"),))
        third = bench.ask(replace(_of("logs"), turns=(*_of("logs").turns, second.turn, going_on))).tokens
    assert first.cached == 0
    assert first.cache_written > len(DIGEST.text) // 5
    assert second.tokens.cached > len(DIGEST.text) // 5
    assert third.cached >= second.tokens.cached
    assert second.tokens.prompt < first.prompt + 50  # what is cached is counted once


def test_requests_of_one_beginning_share_a_key_of_the_cache() -> None:
    with remote(ProviderName.OPENAI) as (bench, end):
        for request in (_of("metrics"), _of("logs"), replace(_of("logs"), system="You write.")):
            bench.ask(request)
    one, other, third = [body["prompt_cache_key"] for body in end.bodies]
    assert one == other != third


def test_nothing_is_stored_by_who_could() -> None:
    with remote(ProviderName.OPENAI) as (bench, end):
        bench.ask()
    assert [body["store"] for body in end.bodies] == [False]


@pytest.mark.parametrize(
    ("provider", "path"),
    [
        (ProviderName.ANTHROPIC, ("output_config", "effort")),
        (ProviderName.OPENAI, ("reasoning", "effort")),
        (ProviderName.COMPATIBLE, ("reasoning_effort",)),
    ],
)
def test_how_much_to_think_is_told_to_who_can_be_told(provider: ProviderName, path: tuple[str, ...]) -> None:
    end = ENDS[provider]()
    with served(end) as url:
        for effort in (True, False):
            model = open_model(connection(provider, url, effort=effort))
            model.respond(replace(QUESTION, effort=Effort.HIGH), seconds=20, cancelled=threading.Event())
            model.close()
    told: Any = end.bodies[0]
    for name in path:
        told = told[name]
    assert told == "high"
    assert path[0] not in end.bodies[1]


@pytest.mark.parametrize("how", ["", "disabled", "between_tools"])
def test_a_model_of_anthropic_is_told_not_to_think_where_it_need_not(how: str) -> None:
    end = ENDS[ProviderName.ANTHROPIC]()
    with served(end) as url:
        model = open_model(connection(ProviderName.ANTHROPIC, url, thinking=how))
        model.respond(QUESTION, seconds=20, cancelled=threading.Event())
        model.close()
    assert end.bodies[0].get("thinking") == ({"type": how} if how else None)


def test_a_model_that_knows_no_breakpoints_gets_none() -> None:
    end = ENDS[ProviderName.OPENAI]()
    with served(end) as url:
        model = open_model(connection(ProviderName.OPENAI, url, breakpoints=False))
        model.respond(_of("metrics"), seconds=20, cancelled=threading.Event())
        model.close()
    assert "prompt_cache_breakpoint" not in json.dumps(end.bodies)


@pytest.mark.parametrize(("provider", "sealed"), [(provider, sealed) for provider in TELLING for sealed in (False, True)])
def test_thoughts_that_are_handed_back_are_counted_whatever_their_provider_says(provider: ProviderName, sealed: bool) -> None:  # noqa: FBT001
    with remote(provider) as (bench, end):
        usual = end.answer

        def thoughtful(body: dict[str, Any], line: Line, fault: Fault | None) -> dict[str, Any]:
            found = usual(body, line, fault)
            thought, text = found["content" if "content" in found else "output"][0], "1 2 3 " * (8000 if sealed else 3000)
            name = "thinking" if provider is ProviderName.ANTHROPIC else "summary"
            thought |= {"signature": text, "encrypted_content": text} if sealed else {name: text}
            found["usage"]["output_tokens"] = 10
            return found

        end.answer = thoughtful  # type: ignore[method-assign]
        end.say = lambda _: Line(calls=((TOOL.name, {"service": "db"}),))
        reply = bench.ask(_of("logs"))
    going_on = Asked(results=(ToolResult(reply.turn.calls[0], "p99 is 3 s"),))
    request = replace(_of("logs"), turns=(*_of("logs").turns, reply.turn, going_on))
    assert reply.tokens.output > 700  # of which a bound alone is known
    assert request_tokens(request) - request_tokens(_of("logs")) > (48_000 // 4 if sealed else 9_000)


@pytest.mark.parametrize("provider", [*ProviderName])
def test_the_environment_adds_nothing(provider: ProviderName, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end refuses every header but those that are known, another host, version, key, and another path."""
    hostile = ("X-Canary: leaked", "Host: evil.example", "Authorization: Bearer canary", "anthropic-version: 1999-01-01")
    for name in ("ANTHROPIC_CUSTOM_HEADERS", "OPENAI_CUSTOM_HEADERS"):
        monkeypatch.setenv(name, "\n".join([*hostile, "Content-Length: 2", "Content-Type: text/canary", "Accept: text/canary"]))
    for name in (
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_AUTH_TOKEN",
        "OPENAI_API_KEY",
        "OPENAI_ORG_ID",
        "OPENAI_PROJECT_ID",
        "OPENAI_ADMIN_KEY",
    ):
        monkeypatch.setenv(name, "canary")
    for name in ("ANTHROPIC_BASE_URL", "OPENAI_BASE_URL", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with remote(provider) as (bench, end):
        bench.ask()
    assert "canary" not in json.dumps(end.bodies)


@pytest.mark.parametrize("provider", [*ProviderName])
def test_no_text_and_no_key_is_logged(provider: ProviderName, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), remote(provider) as (bench, _):
        bench.ask(replace(QUESTION, system="A canary sings."))
    assert not any(word in caplog.text for word in ("canary", KEY, "What do you make", "as it is"))
