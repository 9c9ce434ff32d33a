"""What is configured, reachable and missing, and how to mend it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from pydantic import Field

from middlewatch.app import App, open_app
from middlewatch.auditing import OTHER_KEY, lost_key
from middlewatch.catalogues import examine_actions
from middlewatch.context_store.audit import AuditStore
from middlewatch.context_store.redis_program import find_binary
from middlewatch.records import Freshness, Record, RequestState, Scope, Window
from middlewatch.records.errors import MiddlewatchError, Misconfigured
from middlewatch.senders import check_intake
from middlewatch.service_catalogue import check_services
from middlewatch.settings import Settings

LOW_DISK_MIB = 1024
"""Below this a day of a small system's telemetry may not fit."""
EXECUTOR_SECONDS = 15.0
"""An executor that runs looks at a target within seconds."""
COUNTED_SECONDS = 300.0
"""Objectives are counted four times a minute."""
LIVE_HOURS = 1.0
"""Telemetry older than this is not live."""
MIB = 1024 * 1024


class Health(StrEnum):
    """How a thing is."""

    OK = "ok"
    NOTICE = "notice"
    BROKEN = "broken"


class Check(Record):
    """One thing that was looked at."""

    name: str
    health: Health
    found: str
    remedy: str = Field(default="", description="what to do about it")


def examine(settings: Settings) -> Iterator[Check]:
    """Look at everything, the parts that do not need the rest first. Nothing is changed but what any start creates."""
    yield _deployment(settings)
    if settings.redis_url is None:
        yield _redis_program()
    if settings.clickhouse_url is None or settings.redis_url is None:
        yield _disk(settings)
    try:
        with open_app(settings) as app:
            yield Check(
                name="back ends",
                health=Health.OK,
                found="ClickHouse and Redis answer" + (" (this process owns the data directory)" if app.owner else ""),
            )
            yield from _store(app)
            yield from _telemetry(app)
            yield from _services(app)
            yield from _audit(app)
            yield from _approvals(app)
            yield from _senders(app)
            yield from _pages(app)
    except MiddlewatchError as error:
        yield Check(name="back ends", health=Health.BROKEN, found=error.message, remedy=error.remedy)


def _deployment(settings: Settings) -> Check:
    servers = [name for name, url in (("ClickHouse", settings.clickhouse_url), ("Redis", settings.redis_url)) if url is not None]
    found = f"servers for {' and '.join(servers)}" if servers else f"embedded, in {settings.data_dir}"
    remedy = "" if servers else "For a team, set MIDDLEWATCH_CLICKHOUSE_URL, MIDDLEWATCH_REDIS_URL and MIDDLEWATCH_EPOCH_FILE."
    return Check(name="deployment", health=Health.OK, found=f"{found}; tenant {settings.tenant}", remedy=remedy)


def _redis_program() -> Check:
    try:
        binary = find_binary()
    except MiddlewatchError as error:
        return Check(name="redis-server", health=Health.BROKEN, found=error.message, remedy=error.remedy)
    return Check(name="redis-server", health=Health.OK, found=str(binary))


def _disk(settings: Settings) -> Check:
    folder = next(f for f in (settings.data_dir, *settings.data_dir.absolute().parents) if f.exists())
    free = shutil.disk_usage(folder).free // MIB
    if free < LOW_DISK_MIB:
        return Check(
            name="disk",
            health=Health.NOTICE,
            found=f"{free} MiB free at {folder}",
            remedy="Free some space, or move MIDDLEWATCH_DATA_DIR.",
        )
    return Check(name="disk", health=Health.OK, found=f"{free // 1024} GiB free")


def _store(app: App) -> Iterator[Check]:
    health = app.store.health()
    limit = f" of {health.memory_limit_bytes // MIB}" if health.memory_limit_bytes is not None else ""
    yield Check(
        name="context store",
        health=Health.NOTICE if health.problems else Health.OK,
        found=f"Redis {health.server_version}, epoch {health.epoch}, {health.memory_used_bytes // MIB}{limit} MiB in use"
        + "".join(f"; {problem}" for problem in health.problems),
        remedy="Set in its configuration what is recommended; where it is full, lower MIDDLEWATCH_RETENTION_HOURS."
        if health.problems
        else "",
    )
    dead = app.store.dead_tasks(app.settings.tenant)
    if dead:
        yield Check(
            name="tasks given up",
            health=Health.NOTICE,
            found="; ".join(f"{s.task.investigation} {s.task.id}: {s.error}" for s in dead[:3])
            + (f"; {len(dead) - 3} more" if len(dead) > 3 else ""),  # noqa: PLR2004  three fit the screen
            remedy="Read the investigation's report: it names what is missing. Run it again once the cause is mended.",
        )


def _services(app: App) -> Iterator[Check]:
    """What is declared of services, and whether somebody counts."""
    if not app.settings.services_path.exists():
        none = "none is declared: each is of tier 3, and nothing is promised"
        yield Check(name="services", health=Health.OK, found=none, remedy="Write a first file with: middlewatch slo init")
        return
    remedy = "List every mistake with: middlewatch slo check"
    try:
        declared = app.service_catalogue.declared()
        path, found, mistakes = check_services(app.settings, None)
    except Misconfigured as error:
        yield Check(name="services", health=Health.BROKEN, found=error.message, remedy=remedy)
        return
    if found is None:  # of a secret, without which nobody is paged
        yield Check(name="services", health=Health.BROKEN, found="; ".join(map(str, mistakes)), remedy=remedy)
    else:
        count = f"{_so_many(len(declared.services), 'service')}, {_so_many(len(declared.objectives), 'objective')}"
        yield Check(name="services", health=Health.OK, found=f"{path}: {count}")
    if not declared.objectives:
        return
    standings = app.objectives.standings()
    late = [one for one in standings if (datetime.now(UTC) - one.at).total_seconds() > COUNTED_SECONDS]
    unknown = sum(one.left is None for one in standings) if not late else 0
    yield Check(
        name="objectives",
        health=Health.NOTICE if late or unknown else Health.OK,
        found=_so_many(len(standings), "objective")
        + (f"; {len(late)} not counted for {COUNTED_SECONDS / 60:g} minutes" if late else "")
        + (f"; of {unknown} nothing was counted" if unknown else ""),
        remedy="Whoever works on tasks counts them: middlewatch serve, or middlewatch worker."
        if late
        else "Compare the names of services in services.toml with those of the telemetry."
        if unknown
        else "",
    )


def _approvals(app: App) -> Iterator[Check]:
    """Whether anything can be done, who decides, and what waits."""
    settings, approvals = app.settings, app.approvals
    if not settings.actions_path.exists():
        yield Check(
            name="actions",
            health=Health.OK,
            found="none configured: investigations propose nothing, and nothing can be executed",
            remedy=f"Write {settings.actions_path} (docs/actions.md), a first one with: middlewatch actions init",
        )
        return
    for name, file, look, noun in (
        ("actions", settings.actions_path, approvals.targets, "target"),
        ("policy", settings.policy_path, approvals.people, "active principal"),
    ):
        try:
            yield Check(name=name, health=Health.OK, found=f"{file}: {_so_many(len(look()), noun)}")
        except MiddlewatchError as error:
            yield Check(name=name, health=Health.BROKEN, found=error.message, remedy=error.remedy)
    yield from _credentials(settings)
    halt, now = approvals.halted(), approvals.now()
    if halt is not None:
        yield Check(
            name="halt",
            health=Health.NOTICE,
            found=f"everything is halted by {halt.by} since {halt.at:%Y-%m-%d %H:%M} UTC",
            remedy="A manager lifts it with: middlewatch resume",
        )
    waiting = approvals.waiting()
    late = [r for r in waiting if r.state is RequestState.PREPARING and (now - r.created_at).total_seconds() > EXECUTOR_SECONDS]
    yield Check(
        name="approvals",
        health=Health.NOTICE if late else Health.OK,
        found=f"{len(waiting)} open"
        + (f"; {len(late)} wait for an executor, the first since {late[-1].created_at}" if late else ""),
        remedy="Start one: middlewatch executor (embedded, a worker brings its own)." if late else "",
    )
    for trouble in approvals.log.troubles:
        yield Check(
            name="audit copies",
            health=Health.NOTICE,
            found=f"{trouble.place}: {trouble.problem}",
            remedy="Checkpoints are kept and copied later; until then a cut of the log behind the last copy goes unseen.",
        )


def _audit(app: App) -> Iterator[Check]:
    """Whether the log can be gone on with; nothing begins where it cannot."""
    settings, server = app.settings, app.store.server
    if lost_key(settings, server):
        found = f"it was signed with a key, and there is none at {settings.audit_key_path}: nothing begins"
        yield Check(name="audit log", health=Health.BROKEN, found=found, remedy=OTHER_KEY)
        return
    events = AuditStore(server).sealed(settings.tenant).log_size
    if not events:
        return
    try:
        app.approvals.log.seal(settings.tenant)
    except MiddlewatchError as error:
        yield Check(name="audit log", health=Health.BROKEN, found=error.message, remedy=error.remedy)
    else:
        yield Check(name="audit log", health=Health.OK, found=f"{events} events, signed")


def _so_many(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _credentials(settings: Settings) -> Iterator[Check]:
    """The folder and the files that the configuration names; no content is opened."""
    yield _credentials_folder(settings.credentials_path)
    try:
        found = examine_actions(settings)
    except MiddlewatchError:  # it was said above
        return
    for name in found.credentials_open_files:
        file = settings.credentials_path / name
        yield Check(
            name="credentials",
            health=Health.BROKEN,
            found=f"others can read {file}, or it is a link; the executor refuses it",
            remedy=f"Make it a plain file: chmod 600 {file}. Replace what others may have read.",
        )
    for name in found.credentials_missing:
        yield Check(
            name="credentials",
            health=Health.NOTICE,
            found=f"there is no {settings.credentials_path / name}, which {settings.actions_path} names",
            remedy="Put the credential there, alone, mode 600; its connection does not work until then.",
        )


def _credentials_folder(folder: Path) -> Check:
    try:
        mode = folder.stat().st_mode & 0o777
    except OSError as error:
        return Check(
            name="credentials",
            health=Health.NOTICE,
            found=f"{folder}: {error.strerror}",
            remedy=f"mkdir -m 700 {folder}, and put each credential into a file of its own there, mode 600.",
        )
    if mode & 0o077:
        return Check(name="credentials", health=Health.BROKEN, found=f"others can read {folder}", remedy=f"chmod 700 {folder}")
    return Check(name="credentials", health=Health.OK, found=f"{folder}, for the executor alone")


def _telemetry(app: App) -> Iterator[Check]:
    recordings = app.recordings()
    yield Check(name="recordings", health=Health.OK, found=f"{len(recordings)} imported")
    now = datetime.now(UTC)
    window = Window(start=now - timedelta(hours=LIVE_HOURS), end=now)
    sources = app.telemetry.sources(Scope(tenant=app.settings.tenant), now)
    watermarks = [source.freshness(window) for source in (sources.metrics, sources.logs, sources.traces, sources.changes)]
    if not any(f.watermark for f in watermarks):
        yield Check(
            name="live telemetry",
            health=Health.NOTICE,
            found="none",
            remedy=f"Send it over OTLP to http://{app.settings.otlp_host}:{app.settings.otlp_http_port}, where middlewatch serve "
            "runs: docs/otlp.md. Or point MIDDLEWATCH_CLICKHOUSE_URL at the ClickHouse that your OpenTelemetry Collector writes to "
            "and set MIDDLEWATCH_COLLECTOR_DATABASE, or investigate a recording.",
        )
        return
    for fresh in watermarks:
        yield _live(fresh)


def _live(fresh: Freshness) -> Check:
    if fresh.watermark is None or fresh.lag_seconds is None:
        return Check(
            name=f"live {fresh.signal}",
            health=Health.NOTICE,
            found="none",
            remedy=f"Send {fresh.signal}; the other signals do without.",
        )
    stale = fresh.lag_seconds > LIVE_HOURS * 3600
    return Check(
        name=f"live {fresh.signal}",
        health=Health.NOTICE if stale else Health.OK,
        found=f"newest at {fresh.watermark:%Y-%m-%d %H:%M:%S} UTC, {_so_many(fresh.services, 'service')} in the last hour",
        remedy="Nothing arrived in the last hour: check the Collector's exporter." if stale else "",
    )


def _senders(app: App) -> Iterator[Check]:
    """Who may send alerts and changes, and what cannot be written back to them."""
    if not app.settings.intake_path.exists():
        remedy = "To take alerts in: middlewatch intake init"
        yield Check(name="senders", health=Health.NOTICE, found="nobody may send alerts or changes", remedy=remedy)
        return
    remedy = "List every mistake with: middlewatch intake check"
    try:
        app.senders.all()
    except Misconfigured as error:
        yield Check(name="senders", health=Health.BROKEN, found=error.message, remedy=remedy)
        return
    _, found, mistakes = check_intake(app.settings, None)
    if found is None:  # of a secret, without which one sender is not believed
        yield Check(name="senders", health=Health.BROKEN, found="; ".join(map(str, mistakes)), remedy=remedy)
        return
    names = ", ".join(found.senders) or "none"
    yield Check(name="senders", health=Health.OK, found=f"may send alerts and changes: {names}")
    if failing := app.write_backs.failing():
        told = f"{_so_many(len(failing), 'alert')} cannot be written back to their senders"
        yield Check(name="write-back", health=Health.NOTICE, found=told, remedy="middlewatch intake failures")


def _pages(app: App) -> Iterator[Check]:
    """Of what nobody can be paged."""
    if failing := app.paging.failing():
        told = f"PagerDuty cannot be told of {_so_many(len(failing), 'investigation')}"
        yield Check(name="pages", health=Health.BROKEN, found=told, remedy="middlewatch intake failures")
