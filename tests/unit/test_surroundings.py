"""Invariants: a service that just began to report is found soon; what nobody knows asks telemetry no more often than it may."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from middlewatch import surroundings
from middlewatch.agents.specialist import OpenSources
from middlewatch.senders import Senders
from middlewatch.service_catalogue import ServiceCatalogue
from middlewatch.surroundings import LiveTelemetry, named_service
from tests.alert_data import make_message


@pytest.mark.parametrize(("seconds", "found", "times"), [(20.0, "", 1), (-1.0, "new", 2)])
def test_an_unknown_name_is_looked_for_again_at_a_bounded_rate(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seconds: float, found: str, times: int
) -> None:
    answers = [["old"], ["old", "new"]]
    asked: list[object] = []

    def list_services(*_: object) -> object:
        asked.append(None)
        return SimpleNamespace(services=[SimpleNamespace(service=name) for name in answers[len(asked) - 1]])

    monkeypatch.setattr(surroundings, "list_services", list_services)
    monkeypatch.setattr(surroundings, "UNKNOWN_SECONDS", seconds)
    senders = cast("Senders", SimpleNamespace(entry=lambda _name: None))
    open_sources = cast("OpenSources", lambda *_: None)
    telemetry = LiveTelemetry("default", lambda: open_sources)
    service_of = named_service(telemetry, ServiceCatalogue(tmp_path / "services.toml"), senders)
    assert service_of(make_message(service="old"))[0] == "old"
    assert (service_of(make_message(service="new"))[0], len(asked)) == (found, times)
