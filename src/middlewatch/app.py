"""The application: the one place that builds the concrete back ends and wires them together.

Embedded (nothing configured): the first process owns the data directory, runs Redis and ClickHouse and serves both on private
sockets; later ones attach to it. Cluster: the back ends are servers by URL. What runs on top is the same.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from middlewatch.agents.agent import Agents
from middlewatch.agents.briefing import History
from middlewatch.agents.deploys import DEPLOYS
from middlewatch.agents.logs import LOGS
from middlewatch.agents.metrics import METRICS
from middlewatch.agents.phases import phase_task
from middlewatch.agents.specialist import OpenSources, Specialists
from middlewatch.agents.traces import TRACES
from middlewatch.alerting import Alerting, Telling
from middlewatch.alerts import investigation_id
from middlewatch.approval.timers import Sight
from middlewatch.approvals import Approvals
from middlewatch.back_ends import MIB, limits_of, open_redis, open_telemetry
from middlewatch.changes import Changes
from middlewatch.context_store.approvals import ApprovalStore
from middlewatch.context_store.archive import Archive, FileArchive
from middlewatch.context_store.audit import AuditStore
from middlewatch.context_store.backup import backup, restore
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.leases import StoreLease
from middlewatch.context_store.redaction import redact_names
from middlewatch.context_store.store import ContextStore
from middlewatch.context_store.worker import Worker
from middlewatch.data_directory import DataDirectory
from middlewatch.deploy_watch import SENDER as DEPLOY_WATCH
from middlewatch.deploy_watch import DeployWatch
from middlewatch.doings import Told, telling
from middlewatch.following import follow
from middlewatch.handling import Handlings
from middlewatch.kept import Kept
from middlewatch.live import Live
from middlewatch.model_spans import cancelled
from middlewatch.model_weights import ModelWeights
from middlewatch.objectives import Objectives
from middlewatch.occurrences import Occurrences
from middlewatch.paging import Answers, Paging
from middlewatch.postings import Postings
from middlewatch.records import (
    AgentName,
    Alert,
    ApprovalRequest,
    Event,
    ImportedRecording,
    Investigation,
    Report,
    Scope,
    Snapshot,
    TaskKind,
    UtcDatetime,
)
from middlewatch.records.errors import UnknownInvestigation
from middlewatch.runbooks import Runbooks
from middlewatch.senders import Senders
from middlewatch.service_catalogue import ServiceCatalogue
from middlewatch.service_health import Health
from middlewatch.sessions import Sessions
from middlewatch.settings import Settings
from middlewatch.similar import Similar
from middlewatch.surroundings import LiveTelemetry
from middlewatch.telemetry.archive import ClickHouseArchive
from middlewatch.telemetry.clickhouse import ClickHouse
from middlewatch.telemetry.recordings import import_recording, imported_recordings
from middlewatch.telemetry.sources import Sources
from middlewatch.toolbox import Toolbox
from middlewatch.watching import look_at_symptom
from middlewatch.windows import Windows
from middlewatch.working import working
from middlewatch.write_back import Asked, WriteBacks

if TYPE_CHECKING:
    from middlewatch.reasoning import Reasoning

AGENTS: Agents = {agent.name: agent for agent in (METRICS, LOGS, TRACES, DEPLOYS)}


class App:
    """Everything that the front ends and evaluations can do."""

    def __init__(
        self, settings: Settings, telemetry: ClickHouse, store: ContextStore, archive_folder: Path, *, owner: bool
    ) -> None:
        """Prefer `open_app`."""
        self.settings = settings
        self.telemetry = telemetry
        self.open_sources: OpenSources | None = None
        """What workers read in place of the telemetry itself, where an evaluation lays something over it."""
        self.store = store
        self.archive_folder = archive_folder
        self.archive: Archive = FileArchive(archive_folder) if settings.clickhouse_url is None else ClickHouseArchive(telemetry)
        self.owner = owner

    @cached_property
    def service_catalogue(self) -> ServiceCatalogue:
        """What is declared of services."""
        return ServiceCatalogue(self.settings.services_path)

    @cached_property
    def objectives(self) -> Objectives:
        """What is promised of services, and how it stands."""
        tenant = self.settings.tenant
        return Objectives(self.store.server, tenant, self.service_catalogue, self.live_sources, self.occurrences.receive)

    @cached_property
    def health(self) -> Health:
        """How the declared services do."""
        return Health(self.objectives, self.live_sources)

    def live_sources(self, horizon: datetime) -> Sources:
        """The tenant's own telemetry up to a moment."""
        return self.specialists.open_sources(Scope(tenant=self.settings.tenant), horizon)

    @cached_property
    def kept(self) -> Kept:
        """What is kept of investigations."""
        return Kept(self.settings.tenant, self.store, self.archive)

    @cached_property
    def approvals(self) -> Approvals:
        """What waits for people, what they decide, and what became of it."""
        return Approvals(self.settings, self.store.server, self.kept.evidence, self.kept.confidence)

    @cached_property
    def handlings(self) -> Handlings:
        """Who has which investigation, and what people found it worth."""
        kept = self.kept
        return Handlings(
            self.approvals.desk, self.settings.tenant, kept.investigation, lambda name: redact_names(cancelled(self, name))
        )

    @cached_property
    def live(self) -> Live:
        """What happens in investigations, as it happens."""
        server = self.store.server
        return Live(self.settings.tenant, self.kept.events, AuditStore(server), ApprovalStore(server))

    @cached_property
    def toolbox(self) -> Toolbox:
        """The read-only tools over the telemetry."""
        windows = Windows(self.settings.tenant, self.kept.investigation, self.recordings, lambda: self.specialists.history)
        return Toolbox(lambda: self.specialists, self.kept.snapshot, windows)

    @cached_property
    def similar(self) -> Similar:
        """Earlier investigations that are like one, and what came of them."""
        return Similar(lambda most: self.investigations(limit=most), self.handlings.of_all, self.approvals.list)

    @cached_property
    def runbooks(self) -> Runbooks:
        """What the team's runbooks say."""
        return Runbooks(self.settings.runbooks)

    @cached_property
    def reasoning(self) -> Reasoning:
        """What language models do in investigations."""
        from middlewatch.reasoning import reasoning_of  # noqa: PLC0415  what is behind it takes long to load, and most never ask for it

        return reasoning_of(self)

    @cached_property
    def model_weights(self) -> ModelWeights:
        """What language models weigh, and what stated confidence is worth."""
        look, said = self.kept.investigations, self.handlings.of_all
        return ModelWeights(self.approvals.desk, self.settings.tenant, lambda limit: look(limit=limit), said, self.report)

    @cached_property
    def postings(self) -> Postings:
        """What was posted to a chat."""
        store, tenant = self.store, self.settings.tenant
        server = store.server
        return Postings(ApprovalStore(server), AuditStore(server), tenant, lambda limit: store.investigations(tenant, limit=limit))

    @cached_property
    def alerting(self) -> Alerting:
        """What senders say of their alerts, what is opened for them, and how severe that is."""
        return Alerting(
            self.approvals.desk,
            self.occurrences,
            self.service_catalogue,
            self.senders,
            Telling(self.investigate, self.kept.investigation, self.handlings.of_all, self.approvals.list, self.objectives.of),
            LiveTelemetry(self.settings.tenant, lambda: self.specialists.open_sources),
        )

    @cached_property
    def write_backs(self) -> WriteBacks:
        """What is done at the senders of alerts."""
        known = Asked(self.kept.investigation, self.handlings.of_all, self.approvals.list)
        return WriteBacks(self.approvals.desk.store, self.occurrences, self.senders, known, self.settings.tenant)

    @cached_property
    def paging(self) -> Paging:
        """Who is paged of what is so severe."""
        tenant, public = self.settings.tenant, str(self.settings.public_url or "").rstrip("/")
        ratings, recent = self.alerting.ratings, lambda limit: self.store.investigations(tenant, limit=limit)
        shown, look, calls_for = self.occurrences.of, self.kept.investigation, ratings.calls_for
        known = Answers(tenant, recent, ratings.of_all, shown, calls_for, ratings.answered, self.approvals.list, look, public)
        lease = StoreLease(self.store.server, tenant, "pages")
        return Paging(self.approvals.desk, lease, self.service_catalogue, self.senders, known)

    @cached_property
    def occurrences(self) -> Occurrences:
        """What senders say of their alerts."""
        return Occurrences(self.store.server, self.settings.tenant)

    @cached_property
    def changes(self) -> Changes:
        """What people and machines changed, of the tenant's own telemetry."""
        return Changes(self.telemetry, self.store.server, self.settings.tenant)

    @cached_property
    def deploy_watch(self) -> DeployWatch:
        """How the services do that were changed a moment ago."""
        server, tenant = self.store.server, self.settings.tenant
        return DeployWatch(self.changes, self.occurrences, self.live_sources, StoreLease(server, tenant, DEPLOY_WATCH), tenant)

    @cached_property
    def senders(self) -> Senders:
        """Who may tell of alerts."""
        return Senders(self.settings)

    @cached_property
    def sessions(self) -> Sessions:
        """Sign-ins in the browser."""
        return Sessions(self.store.server, self.settings.tenant, hours=self.settings.session_hours)

    # Recordings

    def import_recording(self, folder: Path, *, on_progress: Callable[[str, int, int], None] | None = None) -> ImportedRecording:
        """Copy a recording into the telemetry store; one that is there already is left as it is.

        Args:
            folder: the recording.
            on_progress: told the file, the rows copied so far, and all its rows.
        """
        return import_recording(self.telemetry, self.settings.tenant, folder, on_progress=on_progress)

    def recordings(self) -> tuple[ImportedRecording, ...]:
        """The imported recordings of this tenant."""
        return imported_recordings(self.telemetry, self.settings.tenant)

    # Investigations

    def investigate(
        self,
        alert: Alert,
        *,
        recording: str = "",
        agents: tuple[AgentName, ...] = tuple(AgentName),
        name: str = "",
        models: bool = True,
    ) -> Investigation:
        """Open an investigation, or join the open one of the same alert.

        Args:
            alert: about what.
            recording: which imported one is read; the tenant's own telemetry where it is empty.
            agents: who investigates.
            name: of the request for it. Asked again under the same name, the same investigation is found, whatever became of it.
            models: whether a language model is asked as well, where one is configured.
        """
        identifier = investigation_id(alert, name or uuid4().hex)
        if name:
            with suppress(UnknownInvestigation):
                return self.investigation(identifier)
        investigation = Investigation(
            tenant=alert.tenant,
            id=identifier,
            scope=Scope(tenant=alert.tenant, recording=recording),
            alert=alert,
            agents=agents,
            models=models and ("reasoning" in vars(self) or self.settings.models_path.exists()) and self.reasoning.asked(),
        )
        first = phase_task(Snapshot(investigation=investigation), TaskKind.PLAN, 1)
        return redact_names(self.store.open(investigation, first)[0])

    def investigations(self, *, limit: int = 50) -> tuple[Investigation, ...]:
        """Newest first; archived ones where those in the store are fewer than `limit`."""
        return tuple(map(redact_names, self.kept.investigations(limit=limit)))

    def investigation(self, investigation: str) -> Investigation:
        """One investigation as it stands, from the store or the archive.

        Raises:
            UnknownInvestigation: there is none.
        """
        return redact_names(self.kept.investigation(investigation))

    def report(self, investigation: str) -> Report | None:
        """The report, or None while the investigation runs."""
        return self.snapshot(investigation).report

    def snapshot(self, investigation: str) -> Snapshot:
        """Everything that the shared context, or the archive, holds of an investigation, as it may be shown."""
        return redact_names(self.kept.snapshot(investigation))

    def follow(self, investigation: str, *, after: str = "", stopped: Callable[[], bool] = lambda: False) -> Iterator[Event]:
        """Events as they happen, until the investigation ends. A reader that was cut off resumes after the last event it saw.

        Args:
            investigation: its id.
            after: the last event that was seen.
            stopped: whether those who were to work on it do not any more, for whoever counts on them.

        Raises:
            Stalled: a task that everything waits for was given up.
            Unavailable: nothing happens, and it was stopped.
        """
        return follow(self.store, self.settings.tenant, investigation, after=after, stopped=stopped)

    def backup(self, file: Path) -> dict[str, int]:
        """Write the context store and the archive to a file; returns how much of what."""
        return backup(self.store, self.archive_folder, file)

    def restore(self, file: Path, *, force: bool = False) -> dict[str, int]:
        """Read a backup into the context store and raise the epoch; returns how much of what."""
        return restore(self.store, self.archive_folder, file, epoch_path=self.settings.epoch_path, force=force)

    # Work

    @property
    def specialists(self) -> Specialists:
        """Those who do the agents' tasks."""
        return Specialists(
            agents=AGENTS,
            store=self.store,
            open_sources=self.open_sources or self.telemetry.sources,
            history=History(self.settings.baseline_hours, self.settings.wider_baseline_hours),
        )

    def worker(self, name: str | None = None, told: Told | None = None) -> Worker:
        """A worker for every kind of task, which says of each what it did."""
        from middlewatch.tasks import handlers_of  # noqa: PLC0415  LangGraph takes half of every start; only workers need it

        handlers = handlers_of(self)
        handlers = telling(handlers, told) if told else handlers
        return Worker(self.store, handlers, name=name or f"worker-{uuid4().hex[:8]}", slots=self.settings.slots)

    @contextmanager
    def working(self, name: str | None = None, told: Told | None = None) -> Iterator[threading.Event]:
        """Work on tasks, and tend what has to be looked at, in the background for as long as the block runs.

        Yields:
            An event that is set when the work cannot go on; leaving the block then raises why.
        """
        with working(self, name, told) as ended:
            yield ended

    def watch(self, request: ApprovalRequest, now: UtcDatetime) -> Sight:
        """How the symptom stands that an executed action was to mend."""
        sources, history = self.specialists.open_sources, self.specialists.history
        return look_at_symptom(self.kept.of, sources, history, request, now, self.settings.recovery_seconds)


@contextmanager
def open_app(settings: Settings) -> Iterator[App]:
    """Build the back ends that the settings ask for and close them afterwards.

    Raises:
        Misconfigured: a setting or a program is missing.
        Unavailable: a server, the data directory's owner or the disk does not answer or is full.
    """
    with ExitStack() as stack:
        directory = None
        if settings.clickhouse_url is None or settings.redis_url is None:
            directory = stack.enter_context(DataDirectory(settings.data_dir))
            if not directory.own():
                directory.use()
        epoch = Epoch.read(settings.epoch_path)
        redis = stack.enter_context(open_redis(settings, directory))
        telemetry = stack.enter_context(open_telemetry(settings, directory, limits_of(settings)))
        store = ContextStore(
            redis,
            epoch=epoch,
            lease_seconds=settings.lease_seconds,
            max_attempts=settings.max_attempts,
            memory_limit_bytes=settings.redis_memory_mib * MIB,
        )
        owner = directory is not None and directory.owned
        app = App(settings, telemetry, store, archive_folder=settings.data_dir / "archive", owner=owner)
        stack.callback(lambda: app.reasoning.models.close() if "reasoning" in vars(app) else None)
        yield app
        if directory is not None and owner:
            directory.await_users()
