"""Changes on the command line: told twice, one is kept once, and a service that nobody knows is said to be unknown."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner, Result
from redis import Redis

from middlewatch.app import App
from middlewatch.changes import Changes
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.store import ContextStore
from middlewatch.frontends.cli import change
from middlewatch.records import Change, ChangeKind, ReportedChange
from middlewatch.records.errors import SourceUnavailable
from middlewatch.settings import Settings
from middlewatch.telemetry.clickhouse import ClickHouse
from middlewatch.telemetry.reported_changes import ReportedChanges
from tests.store_fixtures import redis

__all__ = ["redis"]

Run = Callable[..., Result]


@pytest.fixture
def app(redis: Redis, clickhouse: ClickHouse, tenant: str, tmp_path_factory: pytest.TempPathFactory) -> App:
    """Telemetry has a service `checkout`, services.toml one `payment`, which is called `pay-svc` as well."""
    redis.flushall()
    folder = tmp_path_factory.mktemp("data")
    settings = Settings(data_dir=folder, tenant=f"{tenant}-commands")
    settings.services_path.write_text('[services.payment]\naliases = ["pay-svc"]\n')
    clickhouse.insert(
        "otel_logs",
        pa.table(
            {
                "Tenant": [settings.tenant],
                "Recording": [""],
                "Timestamp": pa.array([datetime.now(UTC) - timedelta(minutes=1)], pa.timestamp("us", tz="UTC")),
                "ServiceName": ["checkout"],
                "Body": ["sold"],
                "SeverityText": ["INFO"],
            }
        ),
    )
    return App(settings, clickhouse, ContextStore(redis, epoch=Epoch()), archive_folder=folder / "archive", owner=True)


@pytest.fixture
def run(app: App, monkeypatch: pytest.MonkeyPatch) -> Run:
    @contextmanager
    def opened() -> Iterator[App]:
        yield app

    monkeypatch.setattr(change, "application", opened)

    def record(*words: str) -> Result:
        result = CliRunner().invoke(change.change, ["record", *words])
        assert result.exit_code == 0, result.output
        return result

    return record


@pytest.mark.parametrize(
    ("first", "again"),
    [
        (("--version", "5.4.0"), ("--version", "5.4.0")),
        (("--at", "2026-11-20T01:55:00Z"), ("--at", "2026-11-20T02:55:00+01:00", "--description", "told once more")),
        (("--id", "job-7"), ("--reference", "job-7", "--description", "told once more")),
    ],
)
def test_what_is_told_again_is_the_same_change(app: App, run: Run, first: tuple[str, ...], again: tuple[str, ...]) -> None:
    one, other = (json.loads(run("checkout", "--json", *words).stdout) for words in (first, again))
    assert (one["new"], other["new"]) == (True, False)
    assert one["id"] == other["id"]
    assert len(app.changes.list()) == 1
    assert "was recorded before" in run("checkout", *again).stdout


@pytest.mark.parametrize(
    "other", [("--version", "5.4.1"), ("--kind", "flag"), ("--description", "off"), ("--id", "job-8"), ("--actor", "somebody")]
)
def test_what_differs_is_another_change(app: App, run: Run, other: tuple[str, ...]) -> None:
    run("checkout", "--version", "5.4.0", "--description", "on")
    run("checkout", "--version", "5.4.0", "--description", "on", *other)
    assert len(app.changes.list()) == 2


@pytest.mark.parametrize(("seconds", "kept"), [(30, 1), (61, 2)])
def test_the_same_words_are_the_same_change_for_a_minute(app: App, run: Run, seconds: int, kept: int) -> None:
    before = datetime.now(UTC) - timedelta(seconds=seconds)
    run("checkout", "--version", "5.4.0", "--at", before.isoformat())
    run("checkout", "--version", "5.4.0")
    assert len(app.changes.list()) == kept


@pytest.mark.parametrize("kind", ["deploy", "flag"])
@pytest.mark.parametrize("sender", ["command-line", "api"])
def test_what_is_made_once_more_after_it_was_undone_is_another_change(app: App, run: Run, kind: str, sender: str) -> None:
    said = ("--kind", kind, "--version", "5.4.0", "--description")
    run("checkout", *said, "on")
    if sender == "api":
        (first,) = app.changes.list()
        undone = first.change.model_copy(update={"time": datetime.now(UTC), "description": "off"})
        app.changes.record([ReportedChange(change=undone, sender=sender, reference="r")])
    else:
        run("checkout", *said, "off")
    assert "was recorded before" not in run("checkout", *said, "on").stdout
    assert "was recorded before" in run("checkout", *said, "on").stdout
    run("checkout", "--kind", "migration")
    run("payment", *said, "off")
    assert "was recorded before" in run("checkout", *said, "on").stdout, "others are no undoing"
    assert [one.change.description for one in app.changes.list(services=["checkout"])] == ["", "on", "off", "on"]


def test_a_name_that_looks_like_a_secret_is_known_again_and_shown_to_nobody(app: App, run: Run) -> None:
    name = "password=hunter2hunter2"
    run(name, "--id", name)
    assert "was recorded before" in run(name, "--id", name).stdout
    (shown,) = app.changes.list()
    assert (shown.change.service, shown.reference) == ("password=[redacted:password]",) * 2
    (watched,) = app.deploy_watch.watched(datetime.now(UTC))
    assert watched.service == "password=[redacted:password]"
    (kept,) = app.changes.kept.newest(limit=9, services=[name])
    assert kept.change.service == name


def test_one_told_twice_at_once_is_kept_once(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    change = Change(tenant=app.settings.tenant, time=datetime.now(UTC), service="checkout", kind=ChangeKind.DEPLOY, version="5.4.0")
    reports = [ReportedChange(change=change, sender="command-line", reference=str(number)) for number in range(2)]
    looked, newest = threading.Barrier(2), ReportedChanges.newest

    def both(self: ReportedChanges, **asked: Any) -> tuple[ReportedChange, ...]:
        found = newest(self, **asked)
        with suppress(threading.BrokenBarrierError):
            looked.wait(0.3)  # whoever looks without the lease meets the other here
        return found

    monkeypatch.setattr(ReportedChanges, "newest", both)
    with ThreadPoolExecutor(2) as pool:
        told = [
            *pool.map(
                lambda report: Changes(app.telemetry, app.store.server, app.settings.tenant).record([report], retold=True), reports
            )
        ]
    assert sorted(one.new for (one,) in told) == [False, True]


def test_an_alias_in_a_broken_file_is_said_to_be_none(app: App, run: Run) -> None:
    app.settings.services_path.write_text("[services.payment]\naliases = 7\n")
    result = run("pay-svc")
    assert "services.toml cannot be used, so an alias in it stands for no service" in result.stderr
    assert "slo check" in json.loads(run("pay-svc", "--json").stdout)["notice"]
    assert [one.change.service for one in app.changes.list()] == ["pay-svc"]


def test_a_service_that_nobody_knows_is_recorded_and_said_to_be_unknown(app: App, run: Run) -> None:
    for _ in range(2):  # that a change of it is there makes it no service
        result = run("chekout")
        assert "recorded" in result.stdout
        known = 'Neither the telemetry of the last hour nor services.toml knows a service "chekout".'
        assert result.stderr == f'notice: {known} Did you mean "checkout"?\n'
    assert [one.change.service for one in app.changes.list()] == ["chekout"]
    assert '"payment"' in json.loads(run("paymnt", "--json").stdout)["notice"]
    assert "Did you mean" not in run("zzz").stderr


@pytest.mark.parametrize(("named", "kept"), [("checkout", "checkout"), ("payment", "payment"), ("pay-svc", "payment")])
def test_a_service_that_somebody_knows_is_recorded_without_a_word(app: App, run: Run, named: str, kept: str) -> None:
    result = run(named)
    assert result.stderr == ""
    assert [one.change.service for one in app.changes.list()] == [kept]
    assert (f"of {kept}" in result.stdout) == (named != kept)


def test_telemetry_that_does_not_answer_says_nothing_of_a_name(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise SourceUnavailable("the telemetry does not answer")

    monkeypatch.setattr(App, "live_sources", away)
    assert run("chekout").stderr == ""


def test_a_single_span_makes_its_service_known(app: App, clickhouse: ClickHouse, run: Run) -> None:
    span = {
        "Tenant": [app.settings.tenant],
        "Recording": [""],
        "Timestamp": pa.array([datetime.now(UTC) - timedelta(minutes=1)], pa.timestamp("us", tz="UTC")),
        "ServiceName": ["alone"],
        "SpanName": ["GET /"],
        "SpanKind": ["Server"],
        "TraceId": ["0af7651916cd43dd8448eb211c80319c"],
        "SpanId": ["b7ad6b7169203331"],
        "Duration": pa.array([1000], pa.uint64()),
    }
    clickhouse.insert("otel_traces", pa.table(span))
    assert json.loads(run("alone", "--json").stdout)["notice"] == "", "it calls nobody, and nobody calls it"
