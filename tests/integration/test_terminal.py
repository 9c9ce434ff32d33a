"""The commands about one investigation, over the real store: what they print, what they change, and what they exit with."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest
from click.testing import CliRunner, Result
from redis import Redis

from middlewatch import app as module
from middlewatch import doctor
from middlewatch.app import App
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.occurrences import Change
from middlewatch.context_store.store import ContextStore
from middlewatch.frontends.cli import cli
from middlewatch.live import Cursor, Update
from middlewatch.records import AlertStatus, Completion
from middlewatch.records.errors import BadInput, MiddlewatchError, Refused, SourceUnavailable, UnknownAlert, UnknownInvestigation
from middlewatch.settings import Settings
from middlewatch.telemetry.clickhouse import ClickHouse
from middlewatch.telemetry.sources import Sources
from tests.alert_data import make_message
from tests.reports import finding, inconclusive
from tests.store_data import make_investigation, make_task
from tests.store_fixtures import redis

__all__ = ["redis"]

POLICY = f"""
[principals.leo]
name = "Leo"
role = "manager"
local = ["{getpass.getuser()}"]

[principals.mia]
name = "Mia"
role = "manager"
slack = ["T1/U1"]
"""


class Terminal:
    """Commands on one store: `inv-done` has a finding, `inv-dont-know` none, `inv-runs` runs."""

    def __init__(self, redis: Redis, folder: Path) -> None:
        redis.flushall()
        self.settings = Settings(data_dir=folder)
        self.store = ContextStore(redis, epoch=Epoch(1))
        self.app = App(self.settings, cast("ClickHouse", None), self.store, folder / "archive", owner=False)
        for id_, report in (("inv-done", finding()), ("inv-dont-know", inconclusive())):
            made = make_investigation(tenant="default", identifier=id_, source_id=id_)
            self.store.open(made, make_task("conclude", investigation=made))
            claim = self.store.claim("ann")
            assert claim is not None
            self.store.finish(claim, Completion(report=report.model_copy(update={"investigation": id_})))
        running = make_investigation(tenant="default", identifier="inv-runs", source_id="inv-runs")
        self.store.open(running, make_task("plan", investigation=running))

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(cli, words, prog_name="middlewatch")

    def printed(self, *words: str) -> str:
        result = self.run(*words)
        assert result.exception is None, result.exception
        return result.stdout

    def refused(self, *words: str) -> MiddlewatchError:
        error = self.run(*words).exception
        assert isinstance(error, MiddlewatchError)
        return error


@pytest.fixture
def terminal(redis: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    made = Terminal(redis, tmp_path)
    (tmp_path / "policy.toml").write_text(POLICY)
    (tmp_path / "policy.toml").chmod(0o600)

    @contextmanager
    def open_app(_settings: Settings) -> Iterator[App]:
        yield made.app

    monkeypatch.setattr(module, "open_app", open_app)
    monkeypatch.setenv("MIDDLEWATCH_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "100")
    return made


def test_the_list_has_the_answers_and_who_has_them(terminal: Terminal) -> None:
    terminal.printed("acknowledge", "inv-done")
    rows = terminal.printed("list").splitlines()[1:]
    by_id = {row.split()[0]: " ".join(row.split()) for row in rows}
    assert "checkout-api, 82 % leo" in by_id["inv-done"]
    assert "no finding" in by_id["inv-dont-know"]
    assert "running" in by_id["inv-runs"]
    assert [row["id"] for row in json.loads(terminal.printed("list", "--json", "--limit", "1"))] == [rows[0].split()[0]]


def test_the_beginning_of_an_id_is_enough_where_it_is_only_ones(terminal: Terminal) -> None:
    assert json.loads(terminal.printed("show", "runs", "--json"))["investigation"]["id"] == "inv-runs"
    several = terminal.refused("show", "inv-do")
    assert isinstance(several, BadInput)
    assert set(several.remedy.removeprefix("Say which: ").split(", ")) == {"inv-done", "inv-dont-know"}
    assert isinstance(terminal.refused("show", "inv-x"), UnknownInvestigation)


def test_the_beginning_of_an_alerts_id_is_enough_too(terminal: Terminal) -> None:
    made = terminal.app.occurrences.receive([make_message(f"fp-{number}", service="") for number in range(17)])
    one, *others = sorted(found.id for found in made)
    begun = next(one[:length] for length in range(5, 21) if not any(other.startswith(one[:length]) for other in others))
    assert json.loads(terminal.printed("alerts", "show", begun, "--json"))["id"] == one
    row = terminal.app.occurrences.row(one)
    terminal.app.occurrences.store.write([Change(row.occurrence.model_copy(update={"investigation": "inv-runs"}), row.token)])
    assert json.loads(terminal.printed("alerts", "investigate", begun, "--json"))["id"] == "inv-runs"
    assert isinstance(terminal.refused("alerts", "show", "occ-"), BadInput)
    assert isinstance(terminal.refused("alerts", "investigate", "occ-x"), UnknownAlert)


def test_an_alert_of_no_service_is_investigated_for_the_one_that_is_named(terminal: Terminal) -> None:
    def away(*_: object) -> Sources:
        raise SourceUnavailable("it does not answer")

    terminal.app.open_sources = away
    (one,) = terminal.app.occurrences.receive([make_message("fp-none", service="")])
    told = json.loads(terminal.printed("alerts", "investigate", one.id, "--service", "checkout", "--json"))
    assert told["alert"]["symptom"]["service"] == "checkout"
    assert isinstance(terminal.refused("alerts", "investigate", one.id, "--service", "cart"), BadInput)


def test_the_list_of_alerts_fits_80_columns_with_its_header_and_the_whole_reason(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    made = terminal.app.occurrences.receive(
        [
            make_message("fp-1", AlertStatus.ACKNOWLEDGED, severity="informational", sender="alertmanager-of-production"),
            make_message("fp-2", service="", severity="page", title="x" * 300),
        ]
    )
    row = terminal.app.occurrences.row(made[1].id)
    reason = f"it maps to no service: {'none of its labels names a service; ' * 6}and no word of its title does"
    terminal.app.occurrences.store.write([Change(row.occurrence.model_copy(update={"held": reason}), row.token)])
    printed = terminal.printed("alerts", "list")
    header, *rest = printed.splitlines()
    assert header.split() == ["alert", "since", "(UTC)", "state", "severity", "sender"]
    assert max(map(len, printed.splitlines())) <= 80
    rows = {line.split()[0]: " ".join(line.split()[3:]) for line in rest if line.startswith("  occ-")}
    assert rows == {made[0].id: "acknowledged informa… alertmanager-…", made[1].id: "fires page prometheus"}
    assert 'no service that is known: "checkout fails" is being sorted' in " ".join(printed.split())
    assert f"held: {reason}" in " ".join(printed.split())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[senders.a]\nkind = "alertmanagr"\n', ("no sender is believed", "intake.toml:2: senders.a.kind: must be")),
        ("[senders.a]\nkind =\n", ("no sender is believed", "line 2")),
        ('[senders.a]\nkind = "pagerduty"\nsecret = "absent"\n', ("intake.toml:3: senders.a.secret", "absent cannot be read")),
    ],
)
def test_the_doctor_says_what_is_wrong_with_senders_and_where(terminal: Terminal, text: str, words: tuple[str, ...]) -> None:
    terminal.settings.intake_path.write_text(text)
    (check,) = doctor._senders(terminal.app)
    assert (check.name, check.health) == ("senders", doctor.Health.BROKEN)
    assert all(one in check.found for one in words), check.found
    assert "intake check" in check.remedy


def test_the_log_is_shown_of_what_the_beginning_of_an_id_means(terminal: Terminal) -> None:
    terminal.printed("acknowledge", "inv-done")
    (row,) = json.loads(terminal.printed("audit", "show", "--request", "done", "--json"))
    assert row["event"] == "investigation.acknowledged"
    assert terminal.refused("audit", "show", "--request", "inv-do").exit_code == 65
    assert [row["event"] for row in json.loads(terminal.printed("audit", "show", "--request", "leo", "--json"))] == [
        "principal.login"
    ]


def test_where_it_stands_and_what_to_do_is_shown_where_there_is_no_report(terminal: Terminal) -> None:
    running = terminal.printed("show", "inv-runs")
    assert "inv-runs is running: 0 of 1 task done" in running
    assert "middlewatch watch inv-runs" in running
    claim = terminal.store.claim("ann")
    assert claim is not None
    terminal.store.fail(claim, "the pool is\x1b[2J gone", retry=False)
    assert "stalled, a person must look" in terminal.printed("show", "inv-runs")
    assert "the pool is\\x1b[2J gone" in terminal.printed("show", "inv-runs")
    assert terminal.printed("cancel", "inv-runs") == "inv-runs is cancelled\n"
    assert "inv-runs is cancelled" in terminal.printed("show", "inv-runs")


def test_why_has_the_votes_the_dissent_and_the_facts_of_the_hypothesis_that_is_meant(terminal: Terminal) -> None:
    first = terminal.printed("why", "inv-done")
    for words in ("checkout-api", "82 %: a finding", "logs against 0.41 DISSENTS", "Facts for", "Facts against", "Or else"):
        assert words in first
    for same in ("2", "hy-2", "payment-gw"):
        assert terminal.printed("why", "inv-done", same) == terminal.printed("why", "inv-done", "2")
    told = json.loads(terminal.printed("why", "inv-done", "--json"))
    assert told["found"]
    assert {fact["id"] for fact in told["evidence"]} >= set(told["for"]) | set(told["against"])
    assert "1 (checkout-api)" in terminal.refused("why", "inv-done", "nope").remedy
    assert "middlewatch show inv-runs" in terminal.refused("why", "inv-runs").remedy
    assert ": a guess" in terminal.printed("why", "inv-dont-know")


def test_who_has_it_and_what_it_was_worth_is_kept_and_shown(terminal: Terminal) -> None:
    assert "Has it        mia" in terminal.printed("assign", "inv-done", "mia", "--note", "all\nyours\x1b[2J")
    shown = terminal.printed("feedback", "inv-done", "wrong", "--cause", "a <b>cert</b>")
    assert 'wrong, says leo; the cause was "a <b>cert</b>"' in shown
    assert shown.splitlines()[1:] == terminal.printed("show", "inv-done").splitlines()[-len(shown.splitlines()) + 1 :]
    assert "\x1b" not in shown
    assert json.loads(terminal.printed("acknowledge", "inv-done", "--json"))["acknowledged_by"] == "leo"
    assert terminal.refused("assign", "inv-done", "nobody").exit_code == 65
    assert terminal.refused("feedback", "inv-runs", "right").exit_code == 65
    (terminal.settings.policy_path).write_text(POLICY.replace(getpass.getuser(), "somebody-else"))
    assert isinstance(terminal.refused("acknowledge", "inv-done"), Refused)


def test_a_post_mortem_goes_to_standard_output_or_a_file_and_tells_what_people_did(terminal: Terminal, tmp_path: Path) -> None:
    terminal.printed("feedback", "inv-done", "partly", "--cause", "an index was dropped")
    text = terminal.printed("post-mortem", "inv-done")
    assert "called the answer partly right: `an index was dropped` | leo |" in text
    file = tmp_path / "post-mortem.md"
    assert terminal.printed("post-mortem", "inv-done", "--output", str(file)) == f"{file}: the post-mortem of inv-done\n"
    assert file.read_text() == text
    assert terminal.refused("post-mortem", "inv-done", "--output", str(file)).exit_code == 65
    assert terminal.refused("post-mortem", "inv-runs").exit_code == 65


@pytest.mark.parametrize(("id_", "code"), [("inv-done", 0), ("inv-dont-know", 3)])
def test_watching_what_is_over_shows_the_answer_and_ends(terminal: Terminal, id_: str, code: int) -> None:
    result = terminal.run("watch", id_)
    assert result.exit_code == code
    assert result.stdout == terminal.printed("show", id_)


def test_watching_tells_the_work_what_people_do_and_the_end_and_resumes_after_a_cursor(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    live, acted = terminal.app.live, list[str]()
    since = live.since

    def act_first(investigation: str, cursor: Cursor, *, wait_seconds: float) -> tuple[tuple[Update, ...], Cursor]:
        if not acted:  # once the watching has begun
            acted.append("acknowledged, then cancelled")
            terminal.app.handlings.acknowledge(investigation, terminal.app.approvals.people()[0], face="web")
            terminal.app.handlings.cancel(investigation, terminal.app.approvals.people()[0], face="web")
        return since(investigation, cursor, wait_seconds=min(wait_seconds, 0.0))

    monkeypatch.setattr(live, "since", act_first)
    result = terminal.run("watch", "inv-runs", "--json")
    assert isinstance(result.exception, MiddlewatchError), "it was cancelled"
    updates = [json.loads(line) for line in result.stdout.splitlines()]
    kinds = [update["kind"] for update in updates]
    assert kinds[0] == "investigation.opened"
    assert {"investigation.acknowledged", "cancellation.asked", "investigation.cancelled"} <= set(kinds)
    assert len({update["cursor"] for update in updates}) == len(updates)

    again = terminal.run("watch", "inv-runs", "--json", "--after", updates[0]["cursor"])
    assert [json.loads(line) for line in again.stdout.splitlines()] == updates[1:]
    over = terminal.run("watch", "inv-runs", "--json")
    assert sorted(json.loads(line)["kind"] for line in over.stdout.splitlines()) == sorted(kinds), "all of it, also when it is over"
