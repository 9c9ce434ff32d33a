"""A whole application that asks models over the wire: its worker, orchestrator and stores, and a server for each protocol."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from middlewatch.agents.language_model.connection import ProviderName
from middlewatch.alerts import incident_alert
from middlewatch.app import App, open_app
from middlewatch.context_store.model_budgets import ModelBudgets, Spending
from middlewatch.records import AgentName, ImportedRecording, Investigation, Report, Snapshot, TaskKind
from middlewatch.settings import Settings
from middlewatch.telemetry.clickhouse import ClickHouse
from tests.acceptance.incident import record_incident
from tests.contract.model_benches import ENDS
from tests.model_ends.end import KEY, MODEL, ModelEnd, served


@dataclass
class Site:
    """The application, and an end for each protocol."""

    app: App
    recording: ImportedRecording
    urls: Mapping[ProviderName, str]
    ends: Mapping[ProviderName, ModelEnd]
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def asks(self, provider: ProviderName, **budgets: float) -> ModelEnd:
        """Have investigations ask this one from now on, within these budgets."""
        settings = self.app.settings
        plenty = {"day_calls": 100_000, "day_dollars": 1000.0, "day_tokens": 10**9}
        lines = "".join(f"{name} = {value}\n" for name, value in (plenty | budgets).items())
        settings.models_path.write_text(
            f'[agents]\nmodel = "m"\n[hosts]\nallowed = ["127.0.0.1"]\n[models.m]\nprovider = "{provider}"\n'
            f'model = "{MODEL}"\nurl = "{self.urls[provider]}"\n[budgets]\n{lines}'
            f'[[prices]]\nmodel = "{MODEL}"\ninput = 2.0\noutput = 10.0\n'
        )
        settings.models_path.chmod(0o600)
        end = self.ends[provider]
        end.always = None
        end.marked.clear()
        end.faults.clear()
        end.dropped.clear()
        return end

    def opened(self, title: str = "", agents: tuple[AgentName, ...] = tuple(AgentName), *, models: bool = True) -> Investigation:
        """One more incident, of the same telemetry."""
        (incident,) = self.recording.incidents
        number = f"n{next(self._numbers)}"
        alert = incident_alert(self.app.settings.tenant, self.recording.name, incident, ())
        alert = alert.model_copy(update={"title": title or alert.title, "source_id": number})
        return self.app.investigate(alert, recording=self.recording.name, agents=agents, name=number, models=models)

    def ended(self, opened: Investigation) -> Report:
        """Its report, once it is closed."""
        for _ in self.app.follow(opened.id):
            pass
        report = self.app.report(opened.id)
        assert report is not None
        return report

    def seconds_of_models(self, opened: Investigation) -> float:
        """From the rules' answer to the end, by the store's clock."""
        closed = self.app.investigation(opened.id).closed_at
        assert closed is not None
        return (closed - concluded(self.app.snapshot(opened.id))).total_seconds()

    def spent(self, opened: Investigation) -> Spending:
        """What its account says."""
        opened_model = self.app.reasoning.models.for_agents()
        assert opened_model is not None
        budgets = ModelBudgets(self.app.store.server, self.app.settings.tenant, opened_model.budgets.limits)
        return budgets.standing(opened.id).investigation


def concluded(snapshot: Snapshot) -> datetime:
    """When rules had answered."""
    return max(s.finished_at for s in snapshot.tasks if s.task.kind is TaskKind.CONCLUDE and s.finished_at is not None)


@contextmanager
def model_site(folder: Path, clickhouse: ClickHouse, *, working: bool = True) -> Iterator[Site]:
    """Open it."""
    ends = {provider: made() for provider, made in ENDS.items()}
    settings = Settings(data_dir=folder / "data", tenant=folder.name, anthropic_key=SecretStr(KEY), openai_key=SecretStr(KEY))
    with pytest.MonkeyPatch.context() as patched, ExitStack() as stack:
        patched.setattr("middlewatch.app.open_telemetry", lambda *_: nullcontext(clickhouse))  # one store a process
        urls = {provider: stack.enter_context(served(end)) for provider, end in ends.items()}
        app = stack.enter_context(open_app(settings))
        if working:
            stack.enter_context(app.working())
        yield Site(app, app.import_recording(record_incident(folder / "recording")), urls, ends)
