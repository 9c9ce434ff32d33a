"""Invariants: nobody is believed who does not show what their sender offers; what is signed counts for a while alone."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from starlette.exceptions import HTTPException

from middlewatch.app import App
from middlewatch.frontends.alerts.doors import Door
from middlewatch.frontends.alerts.sns import Envelope, Signatures
from middlewatch.frontends.intake import entrance
from middlewatch.frontends.intake.entrance import Unbelieved
from middlewatch.records import AlertStatus
from middlewatch.records.errors import BadInput, MiddlewatchError, Misconfigured, Unavailable
from tests import alert_senders as made
from tests.alert_senders import CERTIFICATE_URL, SENDERS, TOKEN, Inbox, Sender, Sns

CONFIRMS = {"Type": "SubscriptionConfirmation", "Token": "t"}


@pytest.fixture(scope="module")
def sns() -> Sns:
    return Sns()


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    made.write_intake(tmp_path)
    return Inbox(tmp_path)


@pytest.fixture
def door(inbox: Inbox, sns: Sns) -> Door:
    sns.fetched.clear()
    return Door(cast("App", inbox), Signatures(sns.get))


def refused(door: Door, name: str, headers: dict[str, str], body: bytes) -> bool:
    try:
        door.take(name, headers, body)
    except HTTPException as refusal:
        return refusal.status_code == 401
    return False


@pytest.mark.parametrize("sender", SENDERS, ids=lambda one: one.name)
def test_a_sender_is_believed_by_what_it_shows_and_by_nothing_else(inbox: Inbox, door: Door, sender: Sender) -> None:
    body = sender.body
    assert refused(door, sender.name, {}, body)
    assert refused(door, sender.name, {"authorization": "Bearer wrong"}, body)
    assert refused(door, "nobody", sender.shows(body), body)
    shown = sender.shows(body)
    for name in shown:
        assert refused(door, sender.name, {key: value for key, value in shown.items() if key != name}, body), name
        assert refused(door, sender.name, shown | {name: shown[name][:-1] + ("0" if shown[name][-1] != "0" else "1")}, body), name
        assert refused(door, sender.name, shown | {name: "é\udcff"}, body), name
    if sender.shows is not made.by_token:
        assert refused(door, sender.name, shown, body + b" "), "the body is signed"
    assert inbox.got == []
    door.take(sender.name, shown, body)
    assert [(one.sender, one.status) for one in inbox.got] == [(sender.name, AlertStatus.FIRING)]


def test_basic_authentication_needs_its_user(door: Door, inbox: Inbox) -> None:
    def basic(user: str, password: str) -> dict[str, str]:
        return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}

    body = SENDERS[0].body
    assert refused(door, "prometheus", basic("somebody", TOKEN), body)
    assert refused(door, "prometheus", basic("alertmanager", "x"), body)
    assert refused(door, "datadog", basic("", TOKEN), json.dumps(made.datadog()).encode()), "it has no user"
    assert refused(door, "prometheus", {"authorization": "Basic !!!"}, body)
    door.take("prometheus", basic("alertmanager", TOKEN), body)
    door.take("datadog", {"x-middlewatch-token": TOKEN}, json.dumps(made.datadog()).encode())
    assert len(inbox.got) == 2


@pytest.mark.parametrize(
    ("name", "sign", "body"), [("grafana", made.by_grafana, made.alertmanager()), ("own", made.by_own, made.own())]
)
def test_a_copy_of_what_was_signed_counts_for_five_minutes(
    door: Door, inbox: Inbox, name: str, sign: Callable[..., dict[str, str]], body: dict[str, Any]
) -> None:
    text = json.dumps(body).encode()
    now = datetime.now(UTC)
    for off in (-301, 301, -86400):
        assert refused(door, name, sign(text, now + timedelta(seconds=off)), text)
    for off in (-290, 0, 290):
        door.take(name, sign(text, now + timedelta(seconds=off)), text)
    assert len(inbox.got) == 3


def test_pagerduty_rotates_its_secret_and_its_events_grow_old(door: Door, inbox: Inbox) -> None:
    text = json.dumps(made.pagerduty()).encode()
    door.take("pagerduty", made.by_pagerduty(text, made.OLD_SECRET), text)
    assert len(inbox.got) == 1
    old = made.pagerduty()
    old["event"]["occurred_at"] = (datetime.now(UTC) - timedelta(hours=25)).isoformat()
    text = json.dumps(old).encode()
    with pytest.raises(BadInput, match="too old"):
        door.take("pagerduty", made.by_pagerduty(text), text)


@pytest.mark.parametrize("version", ["1", "2"])
def test_sns_is_believed_by_its_signature(door: Door, inbox: Inbox, sns: Sns, version: str) -> None:
    good = sns.wrap(json.dumps(made.alarm()), version)
    door.take("cloudwatch", {}, good)
    door.take("cloudwatch", {}, good)
    assert [one.title for one in inbox.got] == ["checkout-errors"] * 2
    assert sns.fetched == [made.CERTIFICATE_URL], "the certificate is fetched once"
    fields = json.loads(good)
    for name in ("Message", "Timestamp", "MessageId", "Subject"):
        assert refused(door, "cloudwatch", {}, json.dumps({**fields, name: fields[name] + "0"}).encode()), name
    for signature in ("", "AAAA", "no base64", base64.b64encode(bytes(256)).decode()):
        assert refused(door, "cloudwatch", {}, json.dumps({**fields, "Signature": signature}).encode())
    assert refused(door, "cloudwatch", {}, json.dumps({**fields, "SignatureVersion": "3"}).encode())


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem",
        "https://sns.eu-central-1.amazonaws.com.evil.example/SimpleNotificationService-0123456789abcdef.pem",
        "https://evil.example/SimpleNotificationService-0123456789abcdef.pem",
        "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem",
        "https://sns.eu-central-1.amazonaws.com@evil.example/SimpleNotificationService-0123456789abcdef.pem",
        "https://sns.eu-central-1.amazonaws.com:8443/SimpleNotificationService-0123456789abcdef.pem",
        "https://sns.eu-central-1.amazonaws.com/attacker-bucket/x.pem",
        "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem?x",
        "https://SNS.eu-central-1.amazonaws.com/../SimpleNotificationService-0123456789abcdef.pem",
        "",
    ],
)
def test_a_certificate_comes_from_the_regions_own_host_alone(door: Door, sns: Sns, url: str) -> None:
    assert refused(door, "cloudwatch", {}, sns.wrap(json.dumps(made.alarm()), SigningCertURL=url))
    assert sns.fetched == []


def test_a_topic_that_is_not_configured_is_nobodys(door: Door, sns: Sns) -> None:
    other = made.TOPIC.replace("alarms", "others")
    assert refused(door, "cloudwatch", {}, sns.wrap(json.dumps(made.alarm()), TopicArn=other))
    url = "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription"
    body = sns.wrap("confirm", TopicArn=other, SubscribeURL=url, **CONFIRMS)
    assert refused(door, "cloudwatch", {}, body)
    assert sns.fetched == [], "nothing is fetched for it"


def test_a_subscription_is_confirmed_at_sns_alone(door: Door, sns: Sns, inbox: Inbox) -> None:
    url = "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&Token=t"
    door.take("cloudwatch", {}, sns.wrap("confirm", SubscribeURL=url, **CONFIRMS))
    assert sns.fetched[-1] == url
    elsewhere = "https://169.254.169.254/latest/meta-data"
    with pytest.raises(BadInput, match="SubscribeURL"):
        door.take("cloudwatch", {}, sns.wrap("confirm", SubscribeURL=elsewhere, **CONFIRMS))
    assert elsewhere not in sns.fetched
    assert inbox.got == []


def test_an_old_message_and_an_old_certificate_count_for_nothing(inbox: Inbox, sns: Sns) -> None:
    door = Door(cast("App", inbox), Signatures(sns.get))
    old = (datetime.now(UTC) - timedelta(hours=2)).isoformat()
    with pytest.raises(BadInput, match="too old"):
        door.take("cloudwatch", {}, sns.wrap(json.dumps(made.alarm()), Timestamp=old))
    ended = Sns(key=sns.key, ends=datetime.now(UTC) - timedelta(days=1))
    assert refused(Door(cast("App", inbox), Signatures(ended.get)), "cloudwatch", {}, ended.wrap(json.dumps(made.alarm())))
    assert inbox.got == []


def test_a_certificate_that_cannot_be_had_is_not_asked_for_again_at_once(sns: Sns) -> None:
    asked: list[str] = []

    def get(url: str) -> bytes:
        asked.append(url)
        raise Unavailable("away")

    signatures, now = Signatures(get), datetime.now(UTC)
    envelope = Envelope.model_validate_json(sns.wrap("x"))
    for seconds in (0, 1, 59, 61):
        with pytest.raises(Unavailable):
            signatures.is_right(envelope, now + timedelta(seconds=seconds))
    assert len(asked) == 2
    signatures.get = sns.get
    assert signatures.is_right(envelope, now + timedelta(seconds=122))


def test_certificates_are_fetched_one_at_a_time(sns: Sns) -> None:
    now = datetime.now(UTC)
    other = CERTIFICATE_URL.replace("0123", "4567")
    inner: list[bool] = []

    def get(url: str) -> bytes:
        with pytest.raises(Unavailable, match="Another"):
            signatures.is_right(Envelope.model_validate_json(sns.wrap("x", SigningCertURL=other)), now)
        inner.append(True)
        return sns.get(url)

    signatures = Signatures(get)
    assert signatures.is_right(Envelope.model_validate_json(sns.wrap("x")), now)
    assert inner == [True]


def test_whoever_waits_for_sns_is_asked_to_come_again(inbox: Inbox, sns: Sns) -> None:
    def get(_url: str) -> bytes:
        raise Unavailable("away")

    with pytest.raises(HTTPException) as refusal:
        Door(cast("App", inbox), Signatures(get)).take("cloudwatch", {}, sns.wrap("x"))
    assert refusal.value.status_code == 503


def test_what_is_not_believed_is_told_once_a_minute_and_sender(caplog: pytest.LogCaptureFixture) -> None:
    unbelieved = Unbelieved()
    for second in (0, 1, 2, 59, 61):
        unbelieved.tell("prometheus", second)
    unbelieved.tell("", 61)
    assert [record.getMessage() for record in caplog.records] == [
        "deliveries for prometheus were not believed: 1 since the last such line",
        "deliveries for prometheus were not believed: 4 since the last such line",
        "deliveries for no sender were not believed: 1 since the last such line",
    ]


def test_names_that_somebody_thinks_up_do_not_fill_the_log(
    door: Door, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(entrance, "_UNBELIEVED", Unbelieved())
    for number in range(50):
        assert refused(door, f"name-{number}", {}, b"{}")
        assert refused(door, "prometheus", {}, b"{}")
    assert len(caplog.records) == 2


def test_a_secret_that_others_can_read_signs_nothing(inbox: Inbox, door: Door) -> None:
    body = json.dumps(made.own()).encode()
    (inbox.settings.intake_secrets_path / "new").chmod(0o644)
    with pytest.raises(Misconfigured, match="cannot be read") as failed:
        door.take("own", made.by_own(body), body)
    assert str(inbox.settings.data_dir) not in str(failed.value), "where it lies is not told to whoever sends"


def test_a_sender_that_is_taken_out_is_nobody_at_once(inbox: Inbox, door: Door) -> None:
    body = SENDERS[0].body
    door.take("prometheus", made.BEARER, body)
    made.write_intake(inbox.settings.data_dir, made.INTAKE.replace("[senders.prometheus]", "[senders.other]"))
    assert refused(door, "prometheus", made.BEARER, body)
    (inbox.settings.intake_path).write_text("[senders.prometheus]\nkind = 3\n")
    with pytest.raises(MiddlewatchError, match="cannot be used"):
        door.take("prometheus", made.BEARER, body)
