"""Invariants: what somebody does here is done at the sender once, whoever dies in between; what fails is said, and tried again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from redis import Redis

from middlewatch import write_back, write_back_ends
from middlewatch.context_store.approvals import ApprovalStore
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.occurrences import Change
from middlewatch.context_store.store import ContextStore
from middlewatch.occurrences import Occurrences
from middlewatch.records import AlertMessage, AlertStatus, Handling, Investigation, InvestigationState, Recovery
from middlewatch.senders import Senders
from middlewatch.settings import Settings
from middlewatch.write_back import Asked, WriteBacks
from tests.alert_data import make_message
from tests.alert_ends import CREDENTIAL, LABELS, End, end
from tests.alert_senders import write_intake
from tests.store_fixtures import redis

__all__ = ["redis"]


class Site:
    """A tenant whose alerts are written back; what people did can be set."""

    def __init__(self, redis: Redis, data: Path) -> None:
        self.server = ContextStore(redis, epoch=Epoch()).server
        self.occurrences = Occurrences(self.server, "default")
        self.senders = Senders(Settings(data_dir=data))
        self.acknowledged_by: str | None = None
        self.recovered = False
        self.state = InvestigationState.OPEN

    def writer(self) -> WriteBacks:
        known = Asked(self._look, self._handlings, self._requests)
        return WriteBacks(ApprovalStore(self.server), self.occurrences, self.senders, known, "default")

    def tend(self) -> int:
        """One round of a process that nobody else is in the way of."""
        found = self.writer()
        done = found.tend()
        found._lease.end()
        return done

    def fire(self, sender: str, **other: Any) -> AlertMessage:
        reference = "fp-1" if sender == "prometheus" else "PGR0VU2"
        message = make_message("fp-1", sender=sender, labels={"alertname": "HighErrors"}).model_copy(
            update={"reference": reference, **other}
        )
        (one,) = self.occurrences.receive([message])
        row = self.occurrences.row(one.id)
        if row.occurrence.investigation is None:
            self.occurrences.store.write([Change(row.occurrence.model_copy(update={"investigation": "inv-1"}), row.token)])
        return message

    def _look(self, _name: str) -> Investigation:
        return cast("Investigation", SimpleNamespace(state=self.state))

    def _handlings(self, names: Sequence[str]) -> Mapping[str, Handling]:
        return {name: Handling(acknowledged_by=self.acknowledged_by) for name in names}

    def _requests(self) -> tuple[Any, ...]:
        execution = SimpleNamespace(recovery=Recovery.RECOVERED if self.recovered else Recovery.WATCHING)
        return (SimpleNamespace(remediation=SimpleNamespace(investigation="inv-1"), execution=execution),)


@pytest.fixture
def there() -> Iterator[tuple[type[End], str]]:
    with end() as made:
        yield made


@pytest.fixture
def site(redis: Redis, tmp_path: Path, there: tuple[type[End], str], monkeypatch: pytest.MonkeyPatch) -> Site:
    redis.flushall()
    monkeypatch.setattr(write_back_ends, "FIRST_PAUSE_SECONDS", 0.0)
    entry = '[senders.{}]\nkind = "{}"\n{}\nwrite_back = {{ url = "{}", {} }}\n'
    text = entry.format("prometheus", "alertmanager", f'token_sha256 = "{"0" * 64}"', there[1], "look_seconds = 3600")
    text += entry.format("pagerduty", "pagerduty", 'secret = "new"', there[1], 'token = "pd", from = "mw@example.com"')
    write_intake(tmp_path, text)
    (tmp_path / "intake-secrets" / "pd").write_text(CREDENTIAL)
    (tmp_path / "intake-secrets" / "pd").chmod(0o600)
    return Site(redis, tmp_path)


def states(there: tuple[type[End], str]) -> list[str]:
    return [one["status"]["state"] for one in there[0].silences.values()]


def test_nothing_is_done_before_somebody_acknowledges(site: Site, there: tuple[type[End], str]) -> None:
    site.fire("prometheus")
    site.fire("pagerduty")
    assert site.tend() == 0
    assert there[0].calls == []


def test_a_silence_of_exactly_the_alert_is_made_once_and_ends_with_it(site: Site, there: tuple[type[End], str]) -> None:
    message = site.fire("prometheus")
    site.acknowledged_by = "ann"
    assert site.tend() == 1
    assert site.tend() == 0
    (silence,) = there[0].silences.values()
    assert {one["name"]: one["value"] for one in silence["matchers"]} == LABELS, "as Alertmanager has them, not as they were kept"
    assert not any(one["isRegex"] for one in silence["matchers"])
    site.occurrences.receive([message.model_copy(update={"status": AlertStatus.RESOLVED, "ended_at": datetime.now(UTC)})])
    site.tend()
    assert states(there) == ["expired"]
    calls = len(there[0].calls)
    site.tend()
    assert len(there[0].calls) == calls, "it is over"


@pytest.mark.parametrize("how", ["recovered", "stopped"])
def test_a_silence_ends_when_the_incident_does(site: Site, there: tuple[type[End], str], how: str) -> None:
    site.fire("prometheus")
    site.acknowledged_by = "ann"
    site.tend()
    site.recovered, site.state = how == "recovered", InvestigationState.CANCELLED if how == "stopped" else InvestigationState.OPEN
    site.tend()
    assert states(there) == ["expired"]


def test_a_process_that_dies_after_the_silence_makes_no_second_one(site: Site, there: tuple[type[End], str]) -> None:
    site.fire("prometheus")
    site.acknowledged_by = "ann"
    there[0].lost = True
    site.tend()
    assert len(there[0].silences) == 1
    (failing,) = site.writer().failing().values()
    assert "500" in failing.problem
    there[0].lost = False
    while site.writer().failing():
        site.tend()
    assert states(there) == ["active"]


def test_what_fails_is_said_and_tried_again(site: Site, there: tuple[type[End], str]) -> None:
    site.fire("prometheus")
    site.acknowledged_by = "ann"
    there[0].broken = True
    site.tend()
    site.tend()
    (failing,) = site.writer().failing().values()
    assert (failing.attempts, failing.problem) == (2, "It was answered 503.")
    there[0].broken = False
    site.tend()
    assert site.writer().failing() == {}
    assert states(there) == ["active"]


def test_what_alertmanager_has_no_more_is_over_here(
    site: Site, there: tuple[type[End], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    site.fire("prometheus")
    site.acknowledged_by = "ann"
    site.tend()
    there[0].firing = False
    monkeypatch.setattr(write_back, "_is_due", lambda *_, **__: True)
    site.tend()
    assert site.occurrences.list()[0].resolved_at is None, "one look may be too soon"
    site.tend()
    assert site.occurrences.list()[0].resolved_at is not None
    site.tend()
    assert states(there) == ["expired"]


def test_an_incident_of_pagerduty_is_acknowledged_and_resolved_once(site: Site, there: tuple[type[End], str]) -> None:
    site.fire("pagerduty")
    site.acknowledged_by = "ann"
    site.tend()
    site.tend()
    assert [said["incident"]["status"] for _, _, said in there[0].calls] == ["acknowledged"]
    site.recovered = True
    site.tend()
    site.tend()
    assert [said["incident"]["status"] for _, _, said in there[0].calls] == ["acknowledged", "resolved"]


def test_older_alerts_of_a_storm_have_their_turn(site: Site, there: tuple[type[End], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_back, "MOST", 2)
    monkeypatch.setattr(write_back, "MOST_AT_ONCE", 1)
    for number in range(7):
        site.fire("pagerduty", fingerprint=f"fp-{number}")
    site.acknowledged_by = "ann"
    writer = site.writer()
    rounds = [writer.tend() for _ in range(24)]
    assert (len(there[0].calls), sum(rounds), rounds[-4:]) == (7, 7, [0] * 4)
    assert all(one.acknowledged for one in writer.of(site.occurrences.list()).values())


def test_what_is_due_again_and_again_keeps_no_other_from_its_turn(
    site: Site, there: tuple[type[End], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_back, "MOST_AT_ONCE", 1)
    monkeypatch.setattr(write_back, "_is_due", lambda *_, **__: True)
    for number in range(3):
        site.fire("prometheus", reference=f"r{number}", fingerprint=f"fp-{number}", labels={"alertname": f"Alert{number}"})
    site.acknowledged_by = "ann"
    there[0].broken = True
    writer = site.writer()
    for _ in range(6):
        writer.tend()
    asked = {path for _, path, _ in there[0].calls}
    assert len(asked) == 3


def test_an_incident_id_leads_nowhere_else(site: Site, there: tuple[type[End], str]) -> None:
    site.fire("pagerduty", reference="../users/me")
    site.acknowledged_by = "ann"
    site.tend()
    assert there[0].calls == []
    assert "no id" in next(iter(site.writer().failing().values())).problem


def test_a_sender_that_is_not_configured_for_it_is_left_alone(site: Site, there: tuple[type[End], str]) -> None:
    site.fire("other")
    site.acknowledged_by = "ann"
    assert site.tend() == 0
    assert there[0].calls == []


def test_whoever_is_told_to_stop_makes_no_further_call(site: Site, there: tuple[type[End], str]) -> None:
    site.fire("prometheus")
    site.fire("pagerduty")
    site.acknowledged_by = "ann"
    assert site.writer().tend(lambda: bool(there[0].calls)) == 1, "told in the middle of a round"
