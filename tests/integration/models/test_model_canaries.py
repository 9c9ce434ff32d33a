"""Invariant: no secret of telemetry or of an alert is in what a language model is sent, in any log, or in what comes of it.

The whole application asks a strict server for each wire protocol; the secrets of all rules stand in every place at once, and the
model reads through its tools what is nowhere stored. Whoever keeps it from them is taken out below.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import JsonValue, SecretStr
from redis import Redis

from middlewatch.agents.language_model.connection import ProviderName
from middlewatch.agents.language_model.scripted import Line
from middlewatch.context_store.placeholders import Placeholders
from middlewatch.records import Symptom
from tests.canaries import CANARIES, seen_in
from tests.contract.model_benches import ENDS
from tests.integration.approval.injection_places import TELEMETRY, Incident
from tests.integration.models.steered_site import investigated, site
from tests.model_ends.end import KEY, MODEL, answered, served
from tests.store_fixtures import redis as server

__all__ = ["server"]

TEXTS = [text for text, _ in CANARIES.values()]
CALLS: tuple[tuple[str, Mapping[str, JsonValue]], ...] = tuple(
    (name, {})
    for name in ("log_lines", "log_patterns", "slow_spans", "service_map", "recent_changes", "list_metrics", "assess_logs")
)


def joined(most: int) -> str:
    """Whole texts, as many as fit."""
    kept = ""
    for text in sorted(TEXTS, key=len):
        kept = f"{kept} | {text}" if len(kept) + len(text) + 3 <= most else kept
    return kept


def incident() -> Incident:
    """One with a secret of each kind in every place."""
    made = Incident()
    for name, put in TELEMETRY.items():
        if name != "flag description":  # which stands where the description of a deploy does
            put(made, TEXTS)
    made.alert = {"title": joined(1024), "source_id": joined(256), "symptom": Symptom(service="front", metric=joined(512))}
    return made


def said_of(body: dict[str, Any]) -> str:
    """The dialogue in a request, without the tools that are offered."""
    return json.dumps(body.get("messages") or body.get("input"))


@dataclass
class Curious:
    """Calls two tools in each dialogue, other ones in the next, and then answers."""

    called: int = 0

    def __call__(self, body: dict[str, Any]) -> Line:
        asked_already = any(f'"{name}"' in said_of(body) for name, _ in CALLS)
        if not body.get("tools") or asked_already or self.called >= len(CALLS):
            return answered(body)
        first, self.called = self.called, self.called + 2
        return Line(calls=CALLS[first : self.called])


def asked(server: Redis, provider: ProviderName) -> Iterator[tuple[str, str]]:
    """What is sent and what comes out, where models of one protocol are asked."""
    made = incident()
    keys = {"anthropic_key": SecretStr(KEY), "openai_key": SecretStr(KEY)}
    end = ENDS[provider]()
    end.say = Curious()
    with served(end) as url, site(server, made, **keys) as app:
        app.settings.models_path.write_text(
            f'[agents]\nmodel = "m"\n[hosts]\nallowed = ["127.0.0.1"]\n[models.m]\nprovider = "{provider}"\n'
            f'model = "{MODEL}"\nurl = "{url}"\n'
        )
        app.settings.models_path.chmod(0o600)
        try:
            name = investigated(app, made, models=True).investigation.id
        finally:
            app.reasoning.models.close()
        assert end.wrong == []
        yield "requests", json.dumps(end.bodies, ensure_ascii=False)
        yield "snapshot", app.snapshot(name).model_dump_json()
        yield "requests to people", str(app.approvals.list())
        for tool, arguments in CALLS:
            yield tool, app.toolbox.call(tool, {**arguments, "investigation": name}).model_dump_json()


@pytest.mark.parametrize("provider", [*ProviderName])
def test_a_secret_in_every_place_is_sent_to_no_model(
    server: Redis, provider: ProviderName, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    found = dict(asked(server, provider))
    assert {where: seen for where, text in found.items() if (seen := seen_in(text))} == {}
    assert seen_in(caplog.text) == []
    sent = json.loads(found["requests"])
    for tool, _ in CALLS:
        assert any(f'"{tool}"' in said_of(body) for body in sent), "what is not read shows nothing"
    assert found["requests"].count("[redacted:") > 100


def test_without_the_placeholders_all_of_them_are_sent(server: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Placeholders stand before each quotation, and once more around the model itself: both are taken out."""
    monkeypatch.setattr(Placeholders, "veil", lambda _self, text: text)
    requests = dict(asked(server, ProviderName.ANTHROPIC))["requests"]
    assert len(seen_in(requests)) > len(CANARIES) // 2
