"""The application: the one place that builds the concrete back ends and wires them together.

Embedded (nothing configured): the first process owns the data directory, runs Redis and ClickHouse and serves both on private
sockets; later ones attach to it. Cluster: the back ends are servers by URL. What runs on top is the same.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
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
from middlewatch.context_store.store import ContextStore
from middlewatch.context_store.worker import Handler, Lease, Worker
from middlewatch.data_directory import DataDirectory
from middlewatch.deploy_watch import SENDER as DEPLOY_WATCH
from middlewatch.deploy_watch import DeployWatch
from middlewatch.doings import Told, telling
from middlewatch.handling import Handlings
from middlewatch.kept import Kept
from middlewatch.live import Live
from middlewatch.objectives import Objectives
from middlewatch.occurrences import Occurrences
from middlewatch.paging import Answers, Paging
from middlewatch.postings import Postings
from middlewatch.records import (
    AgentName,
    Alert,
    ApprovalRequest,
    Claim,
    Completion,
    Event,
    ImportedRecording,
    Investigation,
    InvestigationState,
    Report,
    Scope,
    Snapshot,
    TaskKind,
    TaskState,
    UtcDatetime,
)
from middlewatch.records.errors import Stalled, Unavailable, UnknownInvestigation
from middlewatch.senders import Senders
from middlewatch.service_catalogue import ServiceCatalogue
from middlewatch.service_health import Health
from middlewatch.sessions import Sessions
from middlewatch.settings import Settings
from middlewatch.similar import MOST_COMPARED, Precedents, Similar
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

AGENTS: Agents = {agent.name: agent for agent in (METRICS, LOGS, TRACES, DEPLOYS)}
POLL_SECONDS = 1.0
"""How long one look for new events waits in the store."""


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
        return Handlings(self.approvals.desk, self.settings.tenant, self.investigation, self.kept.cancel)

    @cached_property
    def live(self) -> Live:
        """What happens in investigations, as it happens."""
        server = self.store.server
        return Live(self.settings.tenant, self.kept.events, AuditStore(server), ApprovalStore(server))

    @cached_property
    def toolbox(self) -> Toolbox:
        """The read-only tools over the telemetry."""
        windows = Windows(self.settings.tenant, self.investigation, self.recordings, lambda: self.specialists.history)
        return Toolbox(lambda: self.specialists, self.snapshot, windows)

    def similar(self, investigation: str, *, limit: int = 5) -> Precedents:
        """Earlier investigations that are like one, and what came of them.

        Raises:
            UnknownInvestigation: there is none.
        """
        find = Similar(
            lambda most: self.investigations(limit=most), self.handlings.of_all, lambda: self.approvals.list(limit=MOST_COMPARED)
        )
        return find.to(self.investigation(investigation), limit=limit)

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
            Telling(self.investigate, self.investigation, self.handlings.of, self.approvals.list, self.objectives.of),
            LiveTelemetry(self.settings.tenant, lambda: self.specialists.open_sources),
        )

    @cached_property
    def write_backs(self) -> WriteBacks:
        """What is done at the senders of alerts."""
        known = Asked(self.investigation, self.handlings.of_all, self.approvals.list)
        return WriteBacks(self.approvals.desk.store, self.occurrences, self.senders, known, self.settings.tenant)

    @cached_property
    def paging(self) -> Paging:
        """Who is paged of what is so severe."""
        tenant, public = self.settings.tenant, str(self.settings.public_url or "").rstrip("/")
        ratings, recent = self.alerting.ratings, lambda limit: self.store.investigations(tenant, limit=limit)
        shown, look = self.occurrences.of, self.investigation
        known = Answers(tenant, recent, ratings.of_all, shown, ratings.answered, self.approvals.list, look, public)
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
        self, alert: Alert, *, recording: str = "", agents: tuple[AgentName, ...] = tuple(AgentName), name: str = ""
    ) -> Investigation:
        """Open an investigation, or join the open one of the same alert.

        Args:
            alert: about what.
            recording: which imported one is read; the tenant's own telemetry where it is empty.
            agents: who investigates.
            name: of the request for it. Asked again under the same name, the same investigation is found, whatever became of it.
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
        )
        first = phase_task(Snapshot(investigation=investigation), TaskKind.PLAN, 1)
        return self.store.open(investigation, first)[0]

    def investigations(self, *, limit: int = 50) -> tuple[Investigation, ...]:
        """Newest first; archived ones where those in the store are fewer than `limit`."""
        return self.kept.investigations(limit=limit)

    def investigation(self, investigation: str) -> Investigation:
        """One investigation as it stands, from the store or the archive.

        Raises:
            UnknownInvestigation: there is none.
        """
        return self.kept.investigation(investigation)

    def report(self, investigation: str) -> Report | None:
        """The report, or None while the investigation runs."""
        return self.snapshot(investigation).report

    def snapshot(self, investigation: str) -> Snapshot:
        """Everything that the shared context, or the archive, holds of an investigation."""
        return self.kept.snapshot(investigation)

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
        while True:
            state = self.store.investigation(self.settings.tenant, investigation).state
            wait = POLL_SECONDS if state is InvestigationState.OPEN else 0.0  # the last event is there before it is not open
            events = self.store.events(self.settings.tenant, investigation, after=after, block_seconds=wait)
            for event in events:
                yield event
                after = event.id
                if event.kind == "investigation.stalled":
                    raise self._stalled(investigation)
            if not events and state is not InvestigationState.OPEN:
                return
            if not events and stopped():
                raise Unavailable(f"Nobody here works on the investigation {investigation} any more.", remedy="Start it again.")

    def _stalled(self, investigation: str) -> Stalled:
        dead = [s for s in self.snapshot(investigation).tasks if s.state is TaskState.DEAD]
        named = "; ".join(f"{s.task.id} after {s.attempts} attempts: {s.error}" for s in dead)
        return Stalled(f"The investigation {investigation} cannot go on ({named}).", remedy="Mend the cause, then start it again.")

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
        from middlewatch.agents.orchestrator import Orchestrator  # noqa: PLC0415  LangGraph takes half of every start; only workers need it

        orchestrator = Orchestrator(AGENTS, clock=lambda: datetime.now(UTC))
        specialists = self.specialists

        def orchestrate(claim: Claim, _lease: Lease) -> Completion:
            done = orchestrator.run(self.store.snapshot(claim.task.tenant, claim.task.investigation), claim.task)
            return done if done.report is None else done.model_copy(update={"report": self.approvals.propose(done.report)})

        handlers: dict[TaskKind, Handler] = dict.fromkeys((TaskKind.PLAN, TaskKind.HYPOTHESISE, TaskKind.CONCLUDE), orchestrate)
        handlers[TaskKind.INVESTIGATE] = lambda claim, _lease: specialists.investigate(claim)
        handlers[TaskKind.VOTE] = lambda claim, _lease: specialists.vote(claim)
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
        yield App(settings, telemetry, store, archive_folder=settings.data_dir / "archive", owner=owner)
        if directory is not None and owner:
            directory.await_users()
