"""Alerts and severities on pages and over the API: nothing is hidden, texts are only text, and what people do is written down."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from middlewatch import tending
from middlewatch.auditing import entries
from middlewatch.context_store.occurrences import OccurrenceStore, Part
from middlewatch.frontends.cli.alerts import print_alerts
from middlewatch.opening import BY_HAND
from middlewatch.records import AlertMessage, AlertStatus, Completion, Investigation, Rating, Severity
from middlewatch.records.errors import Refused
from middlewatch.surroundings import LiveTelemetry
from tests.alert_data import make_message
from tests.hostile import MARKUP
from tests.report_finding import finding
from tests.store_data import make_report
from tests.web_site import WebSite, csrf_of

ACKNOWLEDGED = AlertStatus.ACKNOWLEDGED


@pytest.fixture(scope="module")
def mia(site: WebSite) -> TestClient:
    return site.client("mia")


@pytest.fixture(autouse=True)
def _at_once_and_unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tending, "GROUP_WAIT_SECONDS", 0.0)
    monkeypatch.setattr(LiveTelemetry, "impact", lambda *_: None)  # other tests of this process leave telemetry of the same name


@pytest.fixture
def told(site: WebSite) -> Iterator[Investigation]:
    """An investigation that an alert opened; another alert is held."""
    site.app.settings.services_path.write_text("[services.checkout]\ntier = 1\n")
    number = len(site.app.occurrences.list())
    site.app.occurrences.receive([make_message(f"fp-{number}", severity="critical"), make_message("nobody", service="nobody")])
    tend(site)
    yield site.app.investigations(limit=1)[0]
    for row in site.app.investigations():
        site.app.kept.store.cancel(row.tenant, row.id)
    site.app.occurrences.store.forget(site.app.occurrences.store.list().rows)


def tend(site: WebSite) -> None:
    for _ in range(4):
        site.app.alerting.tending.tend()


def close(site: WebSite) -> None:
    """Every open one comes to a report."""
    while (claim := site.app.store.claim("web-site")) is not None:
        site.app.store.finish(claim, Completion(report=make_report(site.app.investigation(claim.task.investigation))))


def post(client: TestClient, path: str, section: str, **form: str) -> str:
    csrf = csrf_of(client.get(section))
    answer = client.post(path, data={"csrf": csrf, **form})
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def test_the_inbox_has_severity_deadline_alerts_and_what_is_held(mia: TestClient, told: Investigation) -> None:
    page = mia.get("/").text
    assert "SEV-1" in page
    assert "acknowledge it by" in page
    assert ", 1 alert" in page
    assert "Alerts that opened nothing: 1" in page
    assert "it maps to no service" in page
    assert told.alert.title == "checkout fails"


def test_the_inbox_says_that_somebody_has_it_at_the_sender(
    site: WebSite, mia: TestClient, told: Investigation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Rating, "respond_by", property(lambda one: one.since - timedelta(minutes=1)))
    page = mia.get("/").text
    assert "nobody acknowledged it by" in page
    assert "nobody here" not in page
    (one,) = site.app.occurrences.of(told.id)
    (held,) = [alert for alert in site.app.occurrences.list() if alert.held]
    site.app.occurrences.receive([alert.message.model_copy(update={"status": ACKNOWLEDGED}) for alert in (one, held)])
    page = mia.get("/").text
    assert "nobody acknowledged it by" not in page
    assert "somebody has acknowledged it" in page
    assert "nobody here" in page
    assert "acknowledged at the sender; it maps to no service" in page


def test_the_page_has_its_alerts_and_the_severity_with_reasons(site: WebSite, mia: TestClient, told: Investigation) -> None:
    for path in (f"/investigations/{told.id}", f"/investigations/{told.id}/alerts", f"/investigations/{told.id}/parts/alerts"):
        page = mia.get(path).text
        assert "SEV-1" in page
        assert "the sender&#39;s word counts" in page
        assert "1 message, first" in page
    (one,) = site.app.occurrences.of(told.id)
    page = mia.get(f"/alerts/{one.id}").text
    assert "service.name" in page
    assert told.id in page
    assert mia.get(f"/alerts?about={told.id}").text.count("/alerts/occ-") == 1
    assert mia.get("/alerts").text.count("/alerts/occ-") == 2
    assert mia.get("/alerts/occ-0").status_code == 404


def test_somebody_sets_the_severity_and_it_stays(site: WebSite, mia: TestClient, told: Investigation) -> None:
    section = f"/investigations/{told.id}/alerts"
    assert (
        post(mia, f"/investigations/{told.id}/severity", section, severity="SEV-3", why="only ours")
        == f"/investigations/{told.id}#alerts"
    )
    site.app.alerting.ratings.rate(told)
    rating = site.app.alerting.ratings.of(told.id)
    assert rating is not None
    assert (rating.severity, rating.set_by, rating.reasons) == (Severity.SEV_3, "mia", ("mia set it.",))
    events = [(one.event, one.actor) for one in entries(site.app.store.server, "default", limit=20, request=told.id)]
    assert events[-2:] == [("severity.rated", "system:severity"), ("severity.set", "mia")]


@pytest.mark.parametrize(("severity", "selected"), [("", "SEV-1"), ("SEV-2", "SEV-2"), ("SEV-9", "SEV-1")])
def test_a_refused_severity_is_explained_and_keeps_what_was_typed(
    site: WebSite, mia: TestClient, told: Investigation, monkeypatch: pytest.MonkeyPatch, severity: str, selected: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise Refused("Policy does not know you.")

    monkeypatch.setattr(site.app.alerting.ratings, "set", refuse)
    form = {"csrf": csrf_of(mia.get(f"/investigations/{told.id}/alerts")), "severity": severity, "why": 'the "board" <is> watching'}
    page = mia.post(f"/investigations/{told.id}/severity", data=form).text
    assert 'value="the &#34;board&#34; &lt;is&gt; watching"' in page
    assert re.findall(r'<option value="(SEV-.)" selected>', page) == [selected]
    assert ("Policy does not know you" if severity == "SEV-2" else "No severity is chosen") in page


def test_a_held_alert_is_investigated_by_hand(site: WebSite, mia: TestClient, told: Investigation) -> None:
    held = next(one for one in site.app.occurrences.list() if one.held)
    place = post(mia, f"/alerts/{held.id}/investigate", f"/alerts/{held.id}")
    opened = site.app.investigation(place.rpartition("/")[2])
    assert opened.alert.symptom is None
    assert opened.id != told.id
    assert opened.alert.source == BY_HAND
    now = site.app.occurrences.occurrence(held.id)
    assert (now.investigation, now.held) == (opened.id, "")


def test_what_is_over_is_run_again(site: WebSite, mia: TestClient) -> None:
    closed = site.seed(finding())
    place = post(mia, f"/investigations/{closed.id}/again", f"/investigations/{closed.id}/alerts")
    opened = site.app.investigation(place.rpartition("/")[2])
    assert (opened.alert.follows, opened.alert.window_end) == (closed.id, closed.alert.window_end)
    assert closed.id in mia.get(f"/investigations/{opened.id}/alerts").text
    site.app.kept.store.cancel("default", opened.id)


def test_whoever_has_it_is_not_called_when_it_is_run_again_by_hand(site: WebSite, told: Investigation) -> None:
    alerting = site.app.alerting
    close(site)
    opened = alerting.again(told.id)
    assert (opened.alert.source, opened.alert.follows) == (BY_HAND, told.id)
    assert alerting.ratings.answered_of_all([opened, told]) == {opened.id: False, told.id: False}
    site.app.handlings.acknowledge(told.id, site.app.approvals.people()[0], face="web")
    assert alerting.ratings.answered_of_all([opened, told]) == {opened.id: True, told.id: True}


def test_of_what_is_run_again_by_hand_no_time_to_answer_is_shown(
    site: WebSite, mia: TestClient, told: Investigation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    close(site)
    again = site.app.alerting.again(told.id)
    site.app.alerting.ratings.rate(again)
    monkeypatch.setattr(Rating, "respond_by", property(lambda one: one.since - timedelta(minutes=1)))
    assert mia.get("/").text.count("nobody acknowledged it by") == 1, "the one before"
    for one, late in ((told, True), (again, False)):
        assert ("nobody acknowledged it by" in mia.get(f"/investigations/{one.id}/alerts").text) == late
        said = site.program("mia").get(f"/api/v1/investigations/{one.id}/alerts").json()
        assert (said["respond_by"] is not None) == late
        print_alerts(site.app.alerting.story(one.id), site.app.approvals.now())
        assert ("nobody acknowledged it by" in capsys.readouterr().out) == late


@pytest.mark.usefixtures("told")
def test_the_inbox_asks_the_same_of_the_store_however_many_rows_it_has(
    site: WebSite, mia: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, of_all = list[int](), OccurrenceStore.of_all

    def counted(self: OccurrenceStore, names: Sequence[str], **other: int) -> dict[str, Part]:
        asked.append(len(names))
        return of_all(self, names, **other)

    monkeypatch.setattr(OccurrenceStore, "of_all", counted)
    report = finding()
    for name in ("inv-00000000b001", "inv-00000000b002"):
        alert = report.alert.model_copy(update={"source_id": name})
        site.app.alerting.ratings.rate(site.open(report.model_copy(update={"alert": alert}), name))
    asked.clear()
    mia.get("/")
    (names,) = asked
    assert names >= 3


def test_what_nobody_answers_is_escalated_once(
    site: WebSite, mia: TestClient, told: Investigation, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = site.app.alerting.ratings
    service.begin(told.id)
    service.tend()
    before = service.of(told.id)
    assert before is not None
    assert before.escalated_at is None
    over = before.since - timedelta(minutes=1)
    monkeypatch.setattr(Rating, "respond_by", property(lambda _: over))
    service.tend()
    escalated = service.of(told.id)
    assert escalated is not None
    assert escalated.escalated_at is not None
    service.tend()
    assert service.of(told.id) == escalated
    events = [one.event for one in entries(site.app.store.server, "default", limit=20, request=told.id)]
    assert events.count("severity.escalated") == 1
    assert "nobody acknowledged it by" in mia.get(f"/investigations/{told.id}/alerts").text


@pytest.mark.usefixtures("told")
def test_an_alert_over_several_services_names_them_all(site: WebSite, mia: TestClient, capsys: pytest.CaptureFixture[str]) -> None:
    site.app.settings.services_path.write_text("[services.checkout]\n[services.cart]\ntier = 1\n")
    message = make_message("buying", severity="warning").model_copy(update={"services": ("checkout", "cart")})
    site.app.occurrences.receive([message])
    tend(site)
    (one,) = [one for one in site.app.occurrences.list() if one.message.fingerprint == "buying"]
    for path in (f"/alerts/{one.id}", "/alerts", f"/investigations/{one.investigation}/alerts"):
        assert "checkout and cart" in mia.get(path).text
    story = site.app.alerting.story(one.investigation or "")
    print_alerts(story, site.app.approvals.now())
    assert "checkout and cart: " in capsys.readouterr().out
    assert 'One step worse: "cart" is of tier 1.' in site.app.alerting.ratings.rate(story.investigation).reasons


def test_the_api_tells_the_same(site: WebSite, told: Investigation) -> None:
    program = site.program("mia")
    rows = program.get("/api/v1/alerts").json()
    assert rows["total"] == len(rows["alerts"]) == 2
    story = program.get(f"/api/v1/investigations/{told.id}/alerts").json()
    assert (story["rating"]["severity"], story["answered"], len(story["alerts"])) == ("SEV-1", False, 1)
    alert = story["alerts"][0]["id"]
    assert program.get(f"/api/v1/alerts/{alert}").json()["investigation"] == told.id
    assert program.post(f"/api/v1/alerts/{alert}/investigate").json()["id"] == told.id, "it is open"
    rated = program.post(f"/api/v1/investigations/{told.id}/severity", json={"severity": "SEV-2"}).json()
    assert rated["set_by"] == "mia"
    assert program.post(f"/api/v1/investigations/{told.id}/again").json()["id"] == told.id
    assert program.get("/api/v1/alerts/occ-0").status_code == 404


@pytest.mark.parametrize("text", MARKUP)
def test_texts_of_senders_are_only_text(site: WebSite, mia: TestClient, told: Investigation, text: str) -> None:
    message: AlertMessage = make_message(
        "hostile", service="", title=text[:1000], labels={text[:1000] or "x": text[:1000]}, severity=text[:60]
    )
    (one,) = site.app.occurrences.receive([message])
    tend(site)
    for path in (f"/alerts/{one.id}", "/alerts", "/"):
        page = mia.get(path).text
        assert "<script>alert" not in page
        assert "\u202e" not in page
    place = post(mia, f"/alerts/{one.id}/investigate", f"/alerts/{one.id}")
    page = mia.get(place).text
    assert "<script>alert" not in page
    assert "\u202e" not in page
    assert told
